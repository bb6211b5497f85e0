"""The person of this request: the api as they may use it, their profile, and the guard of pages
that need a sign-in."""

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx
from flask import Response, current_app, flash, g, jsonify, redirect, request, session, url_for

from admin_web.serving import CAME
from admin_web.sessions.flask_session import SealedSessions, SessionAccess, SessionEnded, WebSession
from admin_web.sessions.questions import PageApi
from admin_web.words.errors import FormError
from admin_web.words.language import _, speak
from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas import Page
from client.schemas.users import UserOut
from client.sync import Api
from client.words.language import N_

T = TypeVar("T")
Else = TypeVar("Else")

_ENDED = N_("You have been signed out. Please sign in again; if that does not work, ask an admin.")
_PLAIN_PATH = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")
"""One slash, then visible ASCII without a backslash: everything else stands percent-encoded in an
address."""

PUBLIC = {
    "static",
    "auth.login",
    "auth.login_submit",
    "auth.setup",
    "auth.setup_submit",
    "joining.register",
    "joining.register_submit",
    "joining.forgot",
    "joining.forgot_submit",
    "joining.reset",
    "joining.reset_submit",
    "machine.healthz",
    "sharing.shared",
    "sharing.media",
}


def web_session() -> WebSession:
    return cast("WebSession", cast("Any", session)._get_current_object())  # noqa: SLF001 - werkzeug's documented way to the object


def sessions() -> SealedSessions:
    return cast("SealedSessions", current_app.session_interface)


def anonymous() -> Api:
    """Return the api for a visitor. It counts failed logins by the browser's address and names
    sessions by its kind."""
    http: httpx.Client = current_app.extensions["api_http"]
    browser = {
        "x-forwarded-for": request.remote_addr or "",
        "user-agent": f"{http.headers['user-agent']} {request.user_agent.string[:150]}",
    }
    return Api(http, headers=browser)


def api() -> PageApi:
    """Return the api as the signed-in person may use it."""
    if "api" not in g:
        access = SessionAccess(web_session(), anonymous(), request.environ.get(CAME))
        g.api = PageApi(current_app.extensions["api_http"], access)
    return cast("PageApi", g.api)


def soon(call: Call[T]) -> Callable[[], T]:
    """Ask with the next question whose answer the page needs. The function returned has the
    answer, and raises what asking raised."""
    return api().soon(call)


def all_soon(listing: Call[Page[T]]) -> Callable[[], list[T]]:
    """As `soon`, everything on the pages of a list."""
    return api().all_soon(listing)


def answer_or(ask: Callable[[], T], otherwise: Else) -> T | Else:
    """Return the answer of `ask`, and `otherwise` where the API has none, for a part that the page
    can do without. An error that needs the person first is raised."""
    try:
        return ask()
    except ApiError as error:
        if error.needs_person:
            raise
        return otherwise


def expect_me() -> None:
    """Ask for the profile with the first question of the page."""
    if "me" not in g and "coming" not in g:
        g.coming = soon(calls.me())


def me() -> UserOut:
    """Return the profile. It is asked for once per request, so that role and balance are never
    older than the page."""
    if "me" not in g:
        g.me = g.coming() if "coming" in g else api().send(calls.me())
        speak(g.me.language)
    return cast("UserOut", g.me)


def is_script() -> bool:
    """Tell whether our own scripts ask, which want a fragment or JSON instead of a page."""
    return request.headers.get("X-Fragment") == "1"


def require_sign_in() -> Response | None:
    """Run before every page: a page that is not in `PUBLIC` needs a session."""
    if request.endpoint is None or request.endpoint in PUBLIC or web_session().sid is not None:
        return None
    return to_login()


def to_login() -> Response:
    if is_script() or request.endpoint == "media.serve":
        said = FormError(_("Please sign in again."), code="not_authenticated")
        refused = jsonify(said.spoken)
        refused.status_code = 401
        return refused
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    target = url_for("auth.login")
    target += f"?next={quote(wanted)}" if wanted not in {"", "/"} else ""
    return cast("Response", redirect(target))


def leave() -> bool:
    """Sign out: end the session at the api, so that no copy of its cookie is good for anything, and
    forget it in this browser. False when the api has not ended it: a copy works on."""
    ended = True
    if web_session().sid is not None:
        try:
            api().send(calls.logout())
        except SessionEnded:
            pass
        except ApiError as error:
            ended = error.refuses_session
    sessions().sign_out(web_session())
    g.pop("api", None)
    return ended


def still_signed_in() -> bool:
    """Tell whether the api takes the session; one that has ended is forgotten in this browser."""
    try:
        me()
    except SessionEnded:
        sessions().sign_out(web_session())
        return False
    except ApiError as error:
        return not error.refuses_session
    return True


def session_ended() -> Response:
    sessions().sign_out(web_session())
    g.pop("api", None)
    if not is_script():
        flash(_(_ENDED), "info")
    return to_login()


def safe_next(target: str | None) -> str:
    """Return a path of this site, so that a login link cannot lead away.

    Browsers drop control characters from an address and read a backslash as a slash, so only a path
    that they leave unchanged passes."""
    return target if target and _PLAIN_PATH.fullmatch(target) else url_for("dashboard.show")
