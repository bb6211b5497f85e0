"""The check-up, for admins: everything that the studio needs, tried once."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.admin_states import State
from admin_web.words.errors import voice
from admin_web.words.language import _
from client import calls
from client.schemas.check_up import CheckUpOut
from client.words import check_up as words
from client.words.language import N_

pages = Blueprint("admin_check_up", __name__, url_prefix="/admin/check-up")

STATES: dict[str, tuple[str, str]] = {
    "good": (N_("works"), "good"),
    "warn": (N_("needs you soon"), "warn"),
    "bad": (N_("wrong"), "bad"),
    "off": (N_("off"), ""),
}
"""The word and the tone of each state."""


@pages.get("")
def show() -> ResponseReturnValue:
    return _page(None)


@pages.post("")
def look() -> ResponseReturnValue:
    return _page(api().send(calls.check_up()))


def _page(found: CheckUpOut | None) -> ResponseReturnValue:
    rows = [
        {
            "state": State(one.state, _(STATES[one.state][0]), STATES[one.state][1]),
            "subject": words.subject(voice(), one.subject),
            "said": words.sentence(voice(), one),
        }
        for one in (found.findings if found else [])
    ]
    return admin_page("admin/check_up.html", found=found, rows=rows)
