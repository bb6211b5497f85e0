"""Requests of people in chats who ask to be let in, for admins."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.language import _
from client import calls
from client.schemas.joins import DecisionIn

pages = Blueprint("admin_joins", __name__, url_prefix="/admin/joins")


@pages.get("")
def show() -> ResponseReturnValue:
    return admin_page("admin/joins.html", found=api().send(calls.join_requests()))


@pages.post("/<join_id>")
def decide(join_id: str) -> ResponseReturnValue:
    approve = request.form.get("approve") == "yes"

    def words(_none: None) -> str:
        return _("Approved, and told in the chat.") if approve else _("Declined.")

    decision = DecisionIn(approve=approve)
    return act(calls.decide_join(join_id, decision), words, url_for("admin_joins.show"))
