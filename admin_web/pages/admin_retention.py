"""Retention, for admins: the days for which things are kept, and a look at what would go."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.forms.fields import Invalid, read
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.errors import FormError
from admin_web.words.language import _
from client import calls
from client.schemas.retention import RetentionIn, RetentionOut

pages = Blueprint("admin_retention", __name__, url_prefix="/admin/retention")

FIELDS = tuple(RetentionIn.model_fields)


@pages.get("")
def show() -> ResponseReturnValue:
    """Show what is set, or, for the days in the address, what would be deleted with these."""
    current = api().send(calls.retention())
    if not any(name in request.args for name in FIELDS):
        return _page(RetentionIn(**current.model_dump()), current)
    try:
        wanted = _sent(request.args)
    except Invalid as invalid:
        return _page(None, current, invalid.error, 422)
    return _page(wanted, current)


@pages.post("")
def change() -> ResponseReturnValue:
    def words(changed: RetentionOut) -> str:
        if not any(changed.model_dump().values()):
            return _("Everything is kept until it is deleted by hand.")
        return _("What is older is deleted within the hour, and from now on as it grows old.")

    try:
        wanted = _sent(request.form)
    except Invalid as invalid:
        return _page(None, api().send(calls.retention()), invalid.error, 422)
    return act(calls.change_retention(wanted), words, url_for("admin_retention.show"))


def _sent(fields: dict[str, str]) -> RetentionIn:
    return read(RetentionIn, {name: fields.get(name, "").strip() or None for name in FIELDS})


def _page(
    wanted: RetentionIn | None,
    current: RetentionOut,
    error: FormError | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    due = [] if wanted is None else api().send(calls.preview_retention(wanted)).items
    values = request.args if wanted is None else wanted.model_dump()
    return admin_page(
        "admin/retention.html",
        status,
        values=values,
        due=due,
        error=error,
        is_new=wanted is not None and wanted.model_dump() != current.model_dump(),
    )
