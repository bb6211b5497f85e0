"""Where the person is signed in, and ending it."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.render import page
from admin_web.sessions.caller import api
from admin_web.words.errors import in_words
from admin_web.words.language import _
from client.sync import ApiError

pages = Blueprint("sessions", __name__, url_prefix="/profile/sessions")

SORTS = {"oldest", "seen"}


@pages.get("")
def show() -> ResponseReturnValue:
    cursor = request.args.get("cursor") or None
    sort = wanted if (wanted := request.args.get("sort", "")) in SORTS else ""
    return page(
        "profile/sessions.html", found=api().sessions(cursor, sort), cursor=cursor, sort=sort
    )


@pages.post("/<session_id>/end")
def end(session_id: str) -> ResponseReturnValue:
    return _do(lambda: api().end_session(session_id), _("That session is ended."))


@pages.post("/end-others")
def end_others() -> ResponseReturnValue:
    return _do(lambda: api().end_other_sessions(), _("You are signed out everywhere but here."))


def _do(action: Callable[[], None], done: str) -> ResponseReturnValue:
    try:
        action()
    except ApiError as error:
        if error.needs_person:
            raise
        flash(in_words(error).sentence, "error")
    else:
        flash(done, "success")
    return redirect(url_for("sessions.show"))
