"""The person's own sessions: where they are signed in, and ending one."""

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.forms.filters import cursor, one_of
from admin_web.render import page
from admin_web.sessions.caller import api, expect_me
from admin_web.words.language import _
from client import calls
from client.call import Call

pages = Blueprint("sessions", __name__, url_prefix="/profile/sessions")

SORTS = {"oldest", "seen"}


@pages.get("")
def show() -> ResponseReturnValue:
    sort = one_of(SORTS, "sort")
    expect_me()
    found = api().send(calls.sessions(cursor=cursor(), sort=sort))
    return page("profile/sessions.html", found=found, cursor=cursor(), sort=sort)


@pages.post("/<session_id>/end")
def end(session_id: str) -> ResponseReturnValue:
    return _do(calls.end_session(session_id), _("That session is ended."))


@pages.post("/end-others")
def end_others() -> ResponseReturnValue:
    return _do(calls.end_other_sessions(), _("You are signed out everywhere but here."))


def _do(call: Call[None], done: str) -> ResponseReturnValue:
    return act(call, lambda _answer: done, url_for("sessions.show"))
