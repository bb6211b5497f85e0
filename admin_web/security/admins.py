"""The guard of the admin pages."""

from flask import Response, abort, request

from admin_web.render import page
from admin_web.sessions.caller import expect_me, is_script, me

FORBIDDEN = 403


def only_admins() -> None:
    """Run before every page, so that an admin page that asks the api for nothing is guarded, too.
    The role is of this moment, never remembered. For a GET the profile comes while the page asks
    for the rest, which the api refuses to others as well."""
    if not (request.endpoint or "").startswith("admin_") or (
        request.method == "GET" and is_script()
    ):
        return
    if request.method == "GET":
        expect_me()
    else:
        _refuse_others()


def admin_page(template: str, status: int = 200, /, **values: object) -> Response:
    _refuse_others()
    return page(template, status, **values)


def _refuse_others() -> None:
    if me().role != "admin":
        abort(FORBIDDEN)
