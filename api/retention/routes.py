"""Retention: for members to know, and for admins to decide."""

from fastapi import APIRouter

from api.callers import AdminCaller, RecentAdminCaller, UserCaller
from api.deps import FromApp
from api.retention.schemas import KeptDaysOut, PreviewOut, RetentionIn, RetentionOut
from api.retention.service import Retention

router = APIRouter(tags=["admin"])

RetentionDep = FromApp[Retention]


@router.get("/retention", tags=["users"])
async def kept(caller: UserCaller, retention: RetentionDep) -> KeptDaysOut:
    """Return for how many days images, videos and conversations are kept."""
    return await retention.kept()


@router.get("/admin/retention")
async def settings(caller: AdminCaller, retention: RetentionDep) -> RetentionOut:
    return await retention.settings()


@router.post("/admin/retention/preview")
async def preview(body: RetentionIn, caller: AdminCaller, retention: RetentionDep) -> PreviewOut:
    """Return what would be deleted with these settings, and change nothing."""
    return await retention.preview(body)


@router.put("/admin/retention")
async def change(
    body: RetentionIn, caller: RecentAdminCaller, retention: RetentionDep
) -> RetentionOut:
    """Change the settings. What is due is deleted within the hour, for good. It needs a recent
    password."""
    return await retention.change(body, actor_id=caller.user_id)
