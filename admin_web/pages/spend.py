"""The person's own spend, by day and by model."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from admin_web.render import page
from admin_web.sessions.caller import api, expect_me
from client import calls

pages = Blueprint("spend", __name__, url_prefix="/profile/spend")

DAYS = (7, 30, 90)


@pages.get("")
def show() -> ResponseReturnValue:
    expect_me()
    asked = request.args.get("days", type=int)
    days = asked if asked in DAYS else 30
    return page("profile/spend.html", spend=api().send(calls.spend(days)), days=days, choices=DAYS)
