"""`/auth`: signing in and sessions; and what a bot's credential opens at `/bot/act`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.auth.schemas import (
    InviteeOut,
    InviteIn,
    LoginIn,
    ReauthIn,
    RefreshIn,
    RegisterIn,
    ResetIn,
    SessionOut,
    SessionSort,
    SetupIn,
    TokensOut,
)
from api.auth.sessions import Client
from api.callers import BotCaller, SessionCaller
from api.deps import ServicesDep
from api.links.schemas import ActIn, ActOut
from api.schemas import Page

router = APIRouter(tags=["auth"])


def _client(request: Request) -> Client:
    """The web server in front of us is trusted to name the browser's address (uvicorn's
    `forwarded_allow_ips`)."""
    return Client(
        request.headers.get("user-agent", "")[:200], request.client.host if request.client else ""
    )


ClientDep = Annotated[Client, Depends(_client)]


@router.post("/auth/setup", status_code=201)
async def setup(body: SetupIn, client: ClientDep, services: ServicesDep) -> TokensOut:
    """Makes the first admin with the one-time token that the first start printed."""
    return await services.auth.setup(body, client)


@router.post("/auth/register", status_code=201)
async def register(body: RegisterIn, client: ClientDep, services: ServicesDep) -> TokensOut:
    """With an invitation always, without one where sign-up is open."""
    return await services.auth.register(body, client)


@router.post("/auth/invitee")
async def invitee(body: InviteIn, client: ClientDep, services: ServicesDep) -> InviteeOut:
    """Whom an invitation is for, so that its page can say so."""
    return await services.auth.recovery.invitee(body.invite, client)


@router.post("/auth/reset", status_code=204)
async def reset(body: ResetIn, client: ClientDep, services: ServicesDep) -> None:
    """A new password with the one-time token of a reset link; ends every session."""
    await services.auth.recovery.reset(body, client)


@router.post("/auth/login")
async def login(body: LoginIn, client: ClientDep, services: ServicesDep) -> TokensOut:
    return await services.auth.login(body, client)


@router.post("/auth/refresh")
async def refresh(body: RefreshIn, services: ServicesDep) -> TokensOut:
    """A refresh token works once; the answer holds the next one."""
    return await services.auth.refresh(body.refresh_token)


@router.post("/auth/reauth", status_code=204)
async def reauth(body: ReauthIn, caller: SessionCaller, services: ServicesDep) -> None:
    """For 15 minutes, this session may do what otherwise answers `reauth_required`."""
    await services.auth.reauth(caller, body)


@router.post("/auth/logout", status_code=204)
async def logout(caller: SessionCaller, services: ServicesDep) -> None:
    await services.auth.logout(caller)


@router.get("/auth/sessions")
async def sessions(
    caller: SessionCaller,
    services: ServicesDep,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    sort: SessionSort = "newest",
) -> Page[SessionOut]:
    """`sort`: by the sign-in, or the one that was seen last first."""
    return await services.auth.sessions(caller, cursor=cursor, limit=limit, sort=sort)


@router.delete("/auth/sessions/{session_id}", status_code=204)
async def end_session(session_id: str, caller: SessionCaller, services: ServicesDep) -> None:
    await services.auth.end_session(caller, session_id)


@router.delete("/auth/sessions", status_code=204)
async def end_other_sessions(caller: SessionCaller, services: ServicesDep) -> None:
    """Ends all sessions but the one that asks."""
    await services.auth.end_other_sessions(caller)


@router.post("/bot/act")
async def act(body: ActIn, bot: BotCaller, services: ServicesDep) -> ActOut:
    return await services.auth.bots.act(bot.platform, body)
