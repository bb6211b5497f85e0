"""The check-up, for admins."""

from fastapi import APIRouter

from api.callers import AdminCaller
from api.check_up.schemas import CheckUpOut
from api.check_up.service import CheckUp
from api.deps import FromApp

router = APIRouter(prefix="/admin", tags=["admin"])


@router.post("/check-up")
async def check_up(caller: AdminCaller, checks: FromApp[CheckUp]) -> CheckUpOut:
    """Try everything that the installation needs: a few seconds, longer where something does not
    answer."""
    return await checks.all()
