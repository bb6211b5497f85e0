"""Who spent what on which model on which day, for admins: every line leads to what is behind it."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.admin_acts import account_id, admin_page, asked, one_of
from admin_web.pages.media import passed_on
from admin_web.sessions.caller import api, soon
from admin_web.words.admin_jobs import KINDS
from client import calls

pages = Blueprint("admin_spend", __name__, url_prefix="/admin/spend")

FILTERS = ("user", "model", "since", "until")


@pages.get("")
def show() -> ResponseReturnValue:
    models = soon(calls.all_models(limit=100))
    kept, part = _asked()
    spend = api().send(calls.spend_by(**part)) if part is not None else None

    def link(**other: str | None) -> str:
        """The same page, with `other` instead of some filters."""
        wanted: dict[str, Any] = {name: value for name, value in {**kept, **other}.items() if value}
        return url_for("admin_spend.show", **wanted)

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
    """All that the page adds up, a line a day, account and model."""
    _, part = _asked()
    if part is None:
        abort(404)
    return passed_on(api().open(calls.spend_csv(**part)))


def _asked() -> tuple[dict[str, str], dict[str, str | None] | None]:
    """What was typed, and what is asked of the api; None when no single account is called so."""
    kept = {name: value for name in FILTERS if (value := asked(name, 200))}
    if kept.get("model") and (kind := one_of(set(KINDS), "kind")):
        kept["kind"] = kind
    user_id = account_id(kept.get("user", ""))
    if user_id is None:
        return kept, None
    days = {name: _day(name) for name in ("since", "until")}
    return kept, {"user_id": user_id, "kind": kept.get("kind"), "model": kept.get("model"), **days}


def _day(name: str) -> str | None:
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day.isoformat() if day > date.min + timedelta(days=31) else None
