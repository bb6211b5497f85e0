"""The inbox: results and notices that no chat took."""

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import say_and_go
from admin_web.forms.filters import cursor
from admin_web.render import page
from admin_web.sessions.caller import api, expect_me, is_script
from admin_web.words.errors import PLATFORMS
from admin_web.words.language import _
from client import calls

pages = Blueprint("inbox", __name__, url_prefix="/inbox")


@pages.get("")
def show() -> ResponseReturnValue:
    """The messages shown count as read from the next time on."""
    expect_me()
    found = api().send(calls.inbox(cursor()))
    if found.unread:
        api().send(calls.read_inbox())
    return page("inbox.html", found=found, cursor=cursor(), platforms=PLATFORMS)


@pages.post("/<delivery_id>/put-aside")
def put_aside(delivery_id: str) -> ResponseReturnValue:
    api().send(calls.put_aside(delivery_id))
    said = _("Put aside. What was made stays in the gallery.")
    return jsonify(html="", toast=said) if is_script() else say_and_go(said, url_for("inbox.show"))
