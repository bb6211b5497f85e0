"""The budgets of groups of accounts, for admins."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from api.schemas import In, Kind, Out, Time, Usd

SharedScope = Literal["users", "admins", "guests", "global"]
"""All accounts of a kind together, or all accounts. An account counts in exactly one of the first
three, and in `global`."""


class BudgetOut(Out):
    """This month. `monthly_usd` null: no limit. `decided`: an admin set it; otherwise it is the
    setting's."""

    scope: SharedScope
    monthly_usd: Usd | None
    decided: bool
    spent_usd: Usd
    held_usd: Usd


class DifferenceOut(Out):
    """A counter that is not the sum of its open holds, or of its ledger entries."""

    scope: str
    month: str
    held_usd: Usd
    held_by_holds_usd: Usd
    spent_usd: Usd
    spent_by_ledger_usd: Usd


class AuditedOut(Out):
    """The last comparison of the books by this process, with the counters that did not add up.
    Nothing is corrected by itself."""

    at: Time
    differences: list[DifferenceOut]


class OverrunOut(Out):
    """Something that cost more than what was held for it. It was booked whole, also above a budget.
    `subject`: `generation:<id>`, `text:<id>` or `sound:<id>`."""

    at: Time
    subject: str
    kind: Kind
    model: str
    held_usd: Usd
    cost_usd: Usd


class ComparedOut(Out):
    """The spend of our key between two readings a day apart, by the provider's figures and by our
    ledger. `difference_usd` is above zero where the provider charged more than we booked."""

    since: Time
    until: Time
    provider_usd: Usd
    booked_usd: Usd
    difference_usd: Usd


class BudgetsOut(Out):
    """`overruns`: the latest of the last 30 days, newest first. `provider_usage`: of the last days,
    newest first."""

    month: str
    items: list[BudgetOut]
    audit: AuditedOut
    overruns: list[OverrunOut] = Field(default_factory=list)
    provider_usage: list[ComparedOut] = Field(default_factory=list)


class BudgetIn(In):
    """`monthly_usd` null: no limit."""

    scope: SharedScope
    monthly_usd: (
        Annotated[Decimal, Field(ge=0, le=10_000_000, max_digits=14, decimal_places=6)] | None
    )


class SpendDayOut(Out):
    """The cost of one model on one day (UTC)."""

    day: date
    kind: Kind
    model: str
    spent_usd: Usd
    count: int


class DayOut(Out):
    day: date
    spent_usd: Usd
    count: int


class ModelCostOut(Out):
    kind: Kind
    model: str
    spent_usd: Usd
    count: int


class MySpendOut(Out):
    """`days`: each day of the time asked for, oldest first, those without spend too. `models`: what
    cost most first. `items`: by day and model, only where something was spent."""

    spent_usd: Usd
    count: int
    days: list[DayOut]
    models: list[ModelCostOut]
    items: list[SpendDayOut]


class PersonCostOut(Out):
    """`name`: e-mail address or name; null for an account that was deleted."""

    user_id: str
    name: str | None
    spent_usd: Usd
    count: int


class BreakdownOut(Out):
    """From `since` to `until`, days in UTC and both of them in it: fewer than asked for when that
    were too many. `days`: oldest first, those without spend too. `users` (the 20 that spent most)
    and `models`: the dearest first."""

    since: date
    until: date
    spent_usd: Usd
    count: int
    days: list[DayOut]
    users: list[PersonCostOut]
    models: list[ModelCostOut]
