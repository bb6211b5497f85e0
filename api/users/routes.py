"""`/users`: one's own account, and the admins' view of all."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.caller import AdminCaller, SessionCaller, UserCaller
from api.deps import ServicesDep
from api.schemas import Page
from api.users.schemas import ProfileIn, Role, RoleIn, Status, UserOut

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me")
async def me(caller: UserCaller, services: ServicesDep) -> UserOut:
    return await services.users.show(caller.user_id)


@router.put("/me")
async def change_me(body: ProfileIn, caller: UserCaller, services: ServicesDep) -> UserOut:
    """A new e-mail or password needs `current_password` and ends the other sessions."""
    return await services.auth.change_profile(caller, body)


@router.delete("/me", status_code=204)
async def erase_me(caller: SessionCaller, services: ServicesDep) -> None:
    await services.users.erase(caller.user_id, actor_id=caller.user_id)


@router.get("")
async def users(
    caller: AdminCaller,
    services: ServicesDep,
    q: Annotated[str | None, Query(max_length=100)] = None,
    role: Role | None = None,
    status: Status | None = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[UserOut]:
    return await services.users.page(q=q, role=role, status=status, cursor=cursor, limit=limit)


@router.get("/{user_id}")
async def user(user_id: str, caller: AdminCaller, services: ServicesDep) -> UserOut:
    return await services.users.show(user_id)


@router.put("/{user_id}/role")
async def set_role(user_id: str, body: RoleIn, caller: AdminCaller, services: ServicesDep) -> UserOut:
    return await services.users.set_role(user_id, body.role, actor_id=caller.user_id)


@router.delete("/{user_id}", status_code=204)
async def erase(user_id: str, caller: AdminCaller, services: ServicesDep) -> None:
    await services.users.erase(user_id, actor_id=caller.user_id)
