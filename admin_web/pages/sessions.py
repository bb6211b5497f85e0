"""Where the person is signed in, and ending it."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.render import page
from admin_web.sessions.caller import api
from admin_web.words.errors import in_words
from admin_web.words.language import _
from client import calls
from client.call import Call
from client.errors import ApiError

pages = Blueprint("sessions", __name__, url_prefix="/profile/sessions")

SORTS = {"oldest", "seen"}


@pages.get("")
def show() -> ResponseReturnValue:
    cursor = request.args.get("cursor") or None
    sort = wanted if (wanted := request.args.get("sort", "")) in SORTS else ""
    return page(
        "profile/sessions.html",
        found=api().send(calls.sessions(cursor=cursor, sort=sort)),
        cursor=cursor,
        sort=sort,
    )


@pages.post("/<session_id>/end")
def end(session_id: str) -> ResponseReturnValue:
    return _do(calls.end_session(session_id), _("That session is ended."))


@pages.post("/end-others")
def end_others() -> ResponseReturnValue:
    return _do(calls.end_other_sessions(), _("You are signed out everywhere but here."))


def _do(call: Call[None], done: str) -> ResponseReturnValue:
    try:
        api().send(call)
    except ApiError as error:
        if error.needs_person:
            raise
        flash(in_words(error).sentence, "error")
    else:
        flash(done, "success")
    return redirect(url_for("sessions.show"))
