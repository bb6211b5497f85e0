"""Shared budgets, for admins: of all users, all admins, all guests and the whole studio."""

from typing import cast, get_args

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.forms.fields import Invalid, given, read
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.admin_states import SCOPES
from admin_web.words.errors import FormError
from admin_web.words.formats import money
from admin_web.words.language import _
from client import calls
from client.schemas.budget import BudgetIn, BudgetsOut, SharedScope

pages = Blueprint("admin_budgets", __name__, url_prefix="/admin/budgets")


@pages.get("")
def show(wrong: str = "", error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    budgets, typed = api().send(calls.budgets()), request.form.get("monthly_usd", "")
    shown = {"budgets": budgets, "wrong": wrong, "error": error, "typed": typed}
    return admin_page("admin/budgets.html", status, **shown)


@pages.post("/<scope>")
def save(scope: str) -> ResponseReturnValue:
    """An empty amount is no limit."""
    if scope not in get_args(SharedScope):
        abort(404)
    try:
        body = read(BudgetIn, {"scope": scope, "monthly_usd": None, **given("monthly_usd")})
    except Invalid as invalid:
        return show(scope, invalid.error, 422)

    def words(_budgets: BudgetsOut) -> str:
        if body.monthly_usd is None:
            return _("%(who)s: no limit any more.", who=_(SCOPES[scope]))
        who, limit = _(SCOPES[scope]), money(body.monthly_usd)
        return _("%(who)s: %(sum)s a month, from the next request on.", who=who, sum=limit)

    call = calls.set_shared_budget(cast("SharedScope", scope), body.monthly_usd)
    return act(call, words, url_for("admin_budgets.show"))
