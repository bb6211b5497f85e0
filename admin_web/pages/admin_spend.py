"""Spend by person, model and day, for admins: every line leads to the spend behind it."""

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on
from admin_web.forms.filters import Filters, account_id, day_of, filters
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api, soon
from admin_web.words.admin_states import KINDS
from client import calls

pages = Blueprint("admin_spend", __name__, url_prefix="/admin/spend")

DAYS = ("since", "until")


@pages.get("")
def show() -> ResponseReturnValue:
    models = soon(calls.all_models(limit=100))
    kept = _kept()
    part = _part(kept)
    spend = api().send(calls.spend_by(**part)) if part is not None else None

    def link(**other: str | None) -> str:
        """The same page, with `other` instead of some filters."""
        return url_for("admin_spend.show", **kept.but(**other))

    who = (
        next((one.name for one in spend.users if one.user_id == part["user_id"]), None)
        if spend and part
        else None
    )
    return admin_page(
        "admin/spend.html", spend=spend, kept=kept, who=who, link=link, models=models().items
    )


@pages.get("/spend.csv")
def export() -> ResponseReturnValue:
    """Everything that the page adds up: a line for each day, account and model."""
    part = _part(_kept())
    if part is None:
        abort(404)
    return passed_on(api().open(calls.spend_csv(**part)))


def _kept() -> Filters:
    kept = filters("user", "model", "since", "until", kind=KINDS)
    if not kept["model"]:
        kept.pop("kind", None)
    return kept


def _part(kept: Filters) -> dict[str, str | None] | None:
    """Return what is asked of the api; None when no single account is called so."""
    user_id = account_id(kept["user"])
    if user_id is None:
        return None
    days = {name: day.isoformat() for name in DAYS if (day := day_of(kept[name])) is not None}
    return {"user_id": user_id, "kind": kept["kind"] or None, "model": kept["model"] or None} | days
