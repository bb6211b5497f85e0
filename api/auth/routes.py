"""`/auth`: sign-in and sessions. `/bot/act`: act tokens for bots."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.auth import schemas
from api.auth.bots import BotService
from api.auth.recovery import Recovery
from api.auth.service import AuthService
from api.auth.sessions import Client
from api.callers import BotCaller, SessionCaller
from api.deps import FromApp
from api.links.schemas import ActIn, ActOut
from api.schemas import Page

router = APIRouter(tags=["auth"])

AuthDep = FromApp[AuthService]
BotsDep = FromApp[BotService]
RecoveryDep = FromApp[Recovery]


def _client(request: Request) -> Client:
    """The web server in front of us is trusted to name the browser's address (uvicorn's
    `forwarded_allow_ips`)."""
    return Client(
        request.headers.get("user-agent", "")[:200], request.client.host if request.client else ""
    )


ClientDep = Annotated[Client, Depends(_client)]


@router.post("/auth/setup", status_code=201)
async def setup(body: schemas.SetupIn, client: ClientDep, auth: AuthDep) -> schemas.TokensOut:
    """Make the first admin with the one-time token that the first start printed."""
    return await auth.setup(body, client)


@router.post("/auth/register", status_code=201)
async def register(body: schemas.RegisterIn, client: ClientDep, auth: AuthDep) -> schemas.TokensOut:
    """Make an account: with an invitation always, without one where sign-up is open."""
    return await auth.register(body, client)


@router.post("/auth/invitee")
async def invitee(
    body: schemas.InviteIn, client: ClientDep, recovery: RecoveryDep
) -> schemas.InviteeOut:
    """Return the address that an invitation is for, for its page."""
    return await recovery.invitee(body.invite, client)


@router.post("/auth/reset", status_code=204)
async def reset(body: schemas.ResetIn, client: ClientDep, recovery: RecoveryDep) -> None:
    """Set a new password with the one-time token of a reset link. It ends every session."""
    await recovery.reset(body, client)


@router.post("/auth/forgot", status_code=204)
async def forgot(body: schemas.ForgotIn, client: ClientDep, recovery: RecoveryDep) -> None:
    """Mail a reset link to the account with this address, if there is one. The answer is the same
    for every address."""
    await recovery.forgot(body, client)


@router.post("/auth/login")
async def login(body: schemas.LoginIn, client: ClientDep, auth: AuthDep) -> schemas.TokensOut:
    return await auth.login(body, client)


@router.post("/auth/refresh")
async def refresh(body: schemas.RefreshIn, auth: AuthDep) -> schemas.TokensOut:
    """A refresh token works once; the answer holds the next one."""
    return await auth.refresh(body.refresh_token)


@router.post("/auth/reauth", status_code=204)
async def reauth(body: schemas.ReauthIn, caller: SessionCaller, auth: AuthDep) -> None:
    """For 15 minutes, this session may do what otherwise answers `reauth_required`."""
    await auth.reauth(caller, body)


@router.post("/auth/logout", status_code=204)
async def logout(caller: SessionCaller, auth: AuthDep) -> None:
    await auth.logout(caller)


@router.get("/auth/sessions")
async def sessions(
    caller: SessionCaller,
    auth: AuthDep,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    sort: schemas.SessionSort = "newest",
) -> Page[schemas.SessionOut]:
    """`sort`: by the sign-in, or the one that was seen last first."""
    return await auth.sessions(caller, cursor=cursor, limit=limit, sort=sort)


@router.delete("/auth/sessions/{session_id}", status_code=204)
async def end_session(session_id: str, caller: SessionCaller, auth: AuthDep) -> None:
    await auth.end_session(caller, session_id)


@router.delete("/auth/sessions", status_code=204)
async def end_other_sessions(caller: SessionCaller, auth: AuthDep) -> None:
    """End all sessions except the one that asks."""
    await auth.end_other_sessions(caller)


@router.post("/bot/act")
async def act(body: ActIn, bot: BotCaller, bots: BotsDep) -> ActOut:
    return await bots.act(bot.platform, body)
