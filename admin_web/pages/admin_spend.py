"""Who spent what on which model on which day, for admins: every line leads to what is behind it."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.admin_acts import account_id, admin_page, asked, one_of
from admin_web.admin_words import KINDS
from admin_web.caller import api, soon
from api.budget.schemas import BreakdownOut

pages = Blueprint("admin_spend", __name__, url_prefix="/admin/spend")

FILTERS = ("user", "model", "since", "until")


@pages.get("")
def show() -> ResponseReturnValue:
    models = soon(lambda api: api.all_models(limit=100))
    kept = {name: value for name in FILTERS if (value := asked(name, 200))}
    if kept.get("model") and (kind := one_of(set(KINDS), "kind")):
        kept["kind"] = kind
    user_id = account_id(kept.get("user", ""))
    spend: BreakdownOut | None = None
    if user_id is not None:
        days = {name: _day(name) for name in ("since", "until")}
        spend = api().spend_of_part(user_id=user_id, kind=kept.get("kind"), model=kept.get("model"), **days)

    def link(**other: str | None) -> str:
        """The same page, with `other` instead of some filters."""
        wanted: dict[str, Any] = {name: value for name, value in {**kept, **other}.items() if value}
        return url_for("admin_spend.show", **wanted)

    who = next((one.name for one in spend.users if one.user_id == user_id), None) if spend else None
    return admin_page("admin/spend.html", spend=spend, kept=kept, who=who, link=link, models=models().items)


def _day(name: str) -> str | None:
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day.isoformat() if day > date.min + timedelta(days=31) else None
