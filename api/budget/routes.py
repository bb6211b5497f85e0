"""`/admin/budgets`."""

from fastapi import APIRouter

from api.auth.caller import AdminCaller
from api.budget.schemas import BudgetIn, BudgetsOut
from api.deps import ServicesDep

router = APIRouter(tags=["admin"])


@router.get("/admin/budgets")
async def read_budgets(services: ServicesDep, _admin: AdminCaller) -> BudgetsOut:
    """The shared budgets of this month; counters, holds and ledger are compared anew."""
    return await services.budget.overview()


@router.put("/admin/budgets")
async def set_budget(services: ServicesDep, admin: AdminCaller, body: BudgetIn) -> BudgetsOut:
    """Holds for the next request on; what is spent already stays."""
    await services.budget.set_limit(body, actor_id=admin.user_id)
    return await services.budget.overview()
