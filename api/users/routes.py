"""`/users`: one's own account, and the admins' view of all."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.auth.recovery import Recovery
from api.auth.schemas import SessionOut, SessionSort
from api.auth.service import AuthService
from api.callers import AdminCaller, OwnDataCaller, UserCaller
from api.deps import FromApp
from api.schemas import Page
from api.users.erasure import AccountEraser
from api.users.export import ExportService
from api.users.preferences import Preferences
from api.users.schemas import (
    InvitedOut,
    NewUserIn,
    PreferencesIn,
    PreferencesOut,
    ProfileIn,
    Role,
    RoleIn,
    SecretLinkOut,
    Sort,
    Standings,
    StatusIn,
    UserBudgetIn,
    UserOut,
)
from api.users.service import UserService

router = APIRouter(prefix="/users", tags=["users"])

AuthDep = FromApp[AuthService]
EraserDep = FromApp[AccountEraser]
ExportDep = FromApp[ExportService]
PreferencesDep = FromApp[Preferences]
RecoveryDep = FromApp[Recovery]
UsersDep = FromApp[UserService]

Cursor = Annotated[str | None, Query(max_length=400)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/me")
async def me(caller: UserCaller, users: UsersDep) -> UserOut:
    return await users.show(caller.user_id)


@router.put("/me")
async def change_me(body: ProfileIn, caller: UserCaller, auth: AuthDep) -> UserOut:
    """Change the profile. A new e-mail or password needs `current_password` and ends the other
    sessions."""
    return await auth.change_profile(caller, body)


@router.delete("/me", status_code=204)
async def erase_me(caller: OwnDataCaller, eraser: EraserDep) -> None:
    """Delete the account and everything of it. Of a guest, in its chat, delete messages and
    results: the chat and the spend stay."""
    if caller.session_id is None:
        await eraser.empty(caller.user_id)
        return
    await eraser.erase(caller.user_id, actor_id=caller.user_id)


@router.get("/me/preferences")
async def preferences(caller: UserCaller, preferences: PreferencesDep) -> PreferencesOut:
    return await preferences.show(caller.user_id, caller.role)


@router.put("/me/preferences")
async def change_preferences(
    body: PreferencesIn, caller: UserCaller, preferences: PreferencesDep
) -> PreferencesOut:
    """Change preferences, and return all of them. A generation or a text without `model` gets the
    preferred one."""
    return await preferences.change(caller.user_id, caller.role, body)


@router.get("/me/export", response_class=StreamingResponse)
async def export_me(caller: OwnDataCaller, export: ExportDep) -> StreamingResponse:
    """Return a zip of everything that is held about the account: JSON files, and the media."""
    headers = {
        "Content-Disposition": 'attachment; filename="allucanget-export.zip"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        export.archive(caller.user_id), headers=headers, media_type="application/zip"
    )


@router.get("")
async def users(
    caller: AdminCaller,
    users: UsersDep,
    q: Annotated[str | None, Query(max_length=100)] = None,
    role: Role | None = None,
    status: Standings | None = None,
    sort: Sort = "newest",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[UserOut]:
    """Return a page of accounts. `q`: a part of the e-mail or the name. `status` invited: the
    invitation was not taken up yet. `sort`: by name, or first the most spend of this month, the
    highest limit, the largest used part of it."""
    return await users.page(q=q, role=role, status=status, sort=sort, cursor=cursor, limit=limit)


@router.post("", status_code=201)
async def invite(body: NewUserIn, caller: AdminCaller, recovery: RecoveryDep) -> InvitedOut:
    """Make a new account and the one-time link with which its owner chooses a password, for 7
    days."""
    return await recovery.invite(body, actor_id=caller.user_id)


@router.get("/{user_id}")
async def user(user_id: str, caller: AdminCaller, users: UsersDep) -> UserOut:
    return await users.show(user_id)


@router.post("/{user_id}/invite", status_code=201)
async def invite_again(user_id: str, caller: AdminCaller, recovery: RecoveryDep) -> InvitedOut:
    """Make a new link for an invitation that was not taken up; the old one stops working."""
    return await recovery.invite_again(user_id, actor_id=caller.user_id)


@router.put("/{user_id}/role")
async def set_role(user_id: str, body: RoleIn, caller: AdminCaller, users: UsersDep) -> UserOut:
    return await users.set_role(user_id, body.role, actor_id=caller.user_id)


@router.put("/{user_id}/status")
async def set_status(user_id: str, body: StatusIn, caller: AdminCaller, auth: AuthDep) -> UserOut:
    """Change the status. Disabling signs the user out everywhere."""
    return await auth.set_status(user_id, body.status, actor_id=caller.user_id)


@router.put("/{user_id}/budget")
async def set_budget(
    user_id: str, body: UserBudgetIn, caller: AdminCaller, users: UsersDep
) -> UserOut:
    return await users.set_budget(user_id, body.monthly_usd, actor_id=caller.user_id)


@router.post("/{user_id}/password-reset", status_code=201)
async def reset_password(user_id: str, caller: AdminCaller, recovery: RecoveryDep) -> SecretLinkOut:
    """Make a one-time link with which the user chooses a new password, for an hour. The old one
    works until then."""
    return await recovery.start_reset(user_id, actor_id=caller.user_id)


@router.get("/{user_id}/sessions")
async def sessions(
    user_id: str,
    caller: AdminCaller,
    auth: AuthDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    sort: SessionSort = "newest",
) -> Page[SessionOut]:
    return await auth.sessions_of(user_id, caller.session_id, cursor=cursor, limit=limit, sort=sort)


@router.delete("/{user_id}/sessions", status_code=204)
async def end_sessions(user_id: str, caller: AdminCaller, auth: AuthDep) -> None:
    """Sign the user out everywhere."""
    await auth.end_sessions_of(user_id, actor_id=caller.user_id)


@router.delete("/{user_id}/sessions/{session_id}", status_code=204)
async def end_session(user_id: str, session_id: str, caller: AdminCaller, auth: AuthDep) -> None:
    await auth.end_session_of(user_id, session_id, actor_id=caller.user_id)


@router.delete("/{user_id}", status_code=204)
async def erase(user_id: str, caller: AdminCaller, eraser: EraserDep) -> None:
    await eraser.erase(user_id, actor_id=caller.user_id)
