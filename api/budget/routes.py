"""`/admin/budgets`, and the spend of members."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from api import ids
from api.budget.breakdown import SpendFilter
from api.budget.schemas import BreakdownOut, BudgetIn, BudgetsOut, MySpendOut
from api.budget.service import BudgetService
from api.budget.spending import Spending
from api.callers import AdminCaller, UserCaller
from api.deps import FromApp
from api.schemas import Kind

router = APIRouter(tags=["admin"])

BudgetDep = FromApp[BudgetService]
SpendingDep = FromApp[Spending]


@router.get("/admin/budgets")
async def read_budgets(budget: BudgetDep, _admin: AdminCaller) -> BudgetsOut:
    """The shared budgets of this month, and whether counters, holds and ledger added up when they
    were last compared."""
    return await budget.overview()


@router.put("/admin/budgets")
async def set_budget(budget: BudgetDep, admin: AdminCaller, body: BudgetIn) -> BudgetsOut:
    """Holds for the next request on; what is spent already stays."""
    await budget.set_limit(body, actor_id=admin.user_id)
    return await budget.overview()


def _part(
    since: date | None = None,
    until: date | None = None,
    user_id: Annotated[str | None, Query(max_length=64)] = None,
    kind: Kind | None = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
) -> SpendFilter:
    return SpendFilter(until or ids.now().date(), since, user_id, kind, model)


@router.get("/admin/spend")
async def spend(
    spending: SpendingDep, _admin: AdminCaller, part: Annotated[SpendFilter, Depends(_part)]
) -> BreakdownOut:
    """Return the spend by account, model and day, from `since` to `until` (today). Without `since`:
    7 days of everybody, 31 of an account or on a model."""
    return await spending.of_part(part)


@router.get("/admin/spend.csv", response_class=StreamingResponse)
async def spend_csv(
    spending: SpendingDep, _admin: AdminCaller, part: Annotated[SpendFilter, Depends(_part)]
) -> StreamingResponse:
    """The same as a file for spreadsheets: a line a day, account, kind and model."""
    headers = {
        "Content-Disposition": 'attachment; filename="spend.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        spending.csv_of_part(part), headers=headers, media_type="text/csv; charset=utf-8"
    )


@router.get("/users/me/spend", tags=["users"])
async def my_spend(
    spending: SpendingDep, caller: UserCaller, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> MySpendOut:
    """By day and by model, of the last days with today."""
    return await spending.of_user(caller.user_id, days)


@router.get("/admin/users/{user_id}/spend")
async def spend_of(
    spending: SpendingDep,
    _admin: AdminCaller,
    user_id: str,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> MySpendOut:
    """The same of any account."""
    return await spending.of_user(user_id, days)
