"""`/internal`: the calls of the operator's shell (`./run admin ...`, `./run bot-key`, `./run
backup`, `./run doctor`, `./run invariants`, `./run status`, `./run media ...`). While the api runs,
it answers here, because only one process can open the database; otherwise the command opens the
database itself."""

import asyncio
import hmac
import ipaddress
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import ids
from api.admin.backups import Backups
from api.admin.schemas import (
    AccountLinkOut,
    AccountResetIn,
    AdminIn,
    BackupOut,
    MissingFilesOut,
    NamedFilesOut,
)
from api.auth import one_time_tokens
from api.auth.bots import BotService
from api.auth.one_time_tokens import Purpose
from api.auth.recovery import RESET_LIFE
from api.check_up.invariants import Invariants
from api.check_up.schemas import CheckUpOut, InstallationOut, InvariantsOut
from api.check_up.service import CheckUp, Status
from api.db import Db
from api.deps import FromApp
from api.errors import Conflict
from api.media.service import MediaService
from api.secrets import ensure_secrets
from api.settings import Settings
from api.users import audit
from api.users.service import UserService
from api.users.store import User

router = APIRouter(prefix="/internal", tags=["machines"], include_in_schema=False)

_BY_SHELL = {"from": "shell"}


class Shell:
    """Acts on accounts that are written down as done by the shell."""

    def __init__(self, db: Db, users: UserService) -> None:
        self._db = db
        self._users = users

    async def create_admin(self, body: AdminIn) -> AccountLinkOut:
        """Return a link for a new person, or for one who was invited and has no password yet.
        `user`: asks to `promote` an account. Raises `Conflict`."""
        user = await self._users.find_by_email(body.email)
        if user is None:
            return await self._invite(body.email)
        _check_active(user)
        if user.role != "admin" and not body.promote:
            return AccountLinkOut(state="user")
        if user.role != "admin":
            await self._users.set_role(user.id, "admin", actor_id=None)
        if user.invited:
            return await self._link("invite", user)
        return AccountLinkOut(state="admin" if user.role == "admin" else "promoted")

    async def reset_password(self, body: AccountResetIn) -> AccountLinkOut:
        """The old password works until the link is used. Raises `Conflict`."""
        user = await self._users.find_by_email(body.email)
        if user is None:
            raise Conflict("email_unknown")
        _check_active(user)
        return await self._link("invite" if user.invited else "reset", user)

    async def _invite(self, email: str) -> AccountLinkOut:
        user, secret, at = self._users.new_invited(email, "admin", None), ids.token(), ids.now()
        async with self._db.transaction() as sql:
            await self._users.add(sql, user)
            await one_time_tokens.issue(
                sql, ids.digest(secret), "invite", user.id, at=at, expires_at=at + RESET_LIFE
            )
            after = {"role": "admin", **_BY_SHELL}
            await audit.record(sql, "user_invite", actor_id=None, subject=user.id, after=after)
        return AccountLinkOut(state="invite", token=secret, expires_at=at + RESET_LIFE)

    async def _link(self, purpose: Purpose, user: User) -> AccountLinkOut:
        secret, at = ids.token(), ids.now()
        async with self._db.transaction() as sql:
            if not await self._users.hold_active(sql, user.id):
                raise Conflict("account_switched_off")
            await one_time_tokens.issue(
                sql, ids.digest(secret), purpose, user.id, at=at, expires_at=at + RESET_LIFE
            )
            action = "user_invite" if purpose == "invite" else "password_reset_link"
            await audit.record(sql, action, actor_id=None, subject=user.id, after=_BY_SHELL)
        return AccountLinkOut(state=purpose, token=secret, expires_at=at + RESET_LIFE)


def _check_active(user: User) -> None:
    if user.status != "active":
        raise Conflict("account_is_disabled")


SettingsDep = FromApp[Settings]
ShellDep = FromApp[Shell]
_bearer = HTTPBearer(auto_error=False, scheme_name="operator key")


async def _operator(
    request: Request,
    settings: SettingsDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Let the shell of this machine, or of a network that the operator named, in by its key.
    Everybody else gets a 404."""
    if bearer is not None and _is_near(request, settings):
        secrets = await asyncio.to_thread(ensure_secrets, settings.data_dir)
        if hmac.compare_digest(bearer.credentials.encode(), secrets.operator_key.encode()):
            return
    raise HTTPException(404)


def _is_near(request: Request, settings: Settings) -> bool:
    """Through a proxy the client is whoever the proxy names."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (
        address.is_loopback
        or host == request.scope["server"][0]
        or any(address in network for network in settings.shell_networks)
    )


OperatorCaller = Annotated[None, Depends(_operator)]
"""The shell of whoever runs this server."""


@router.post("/admins")
async def create_admin(body: AdminIn, shell: ShellDep, _operator: OperatorCaller) -> AccountLinkOut:
    return await shell.create_admin(body)


@router.post("/password-resets")
async def reset_password(
    body: AccountResetIn, shell: ShellDep, _operator: OperatorCaller
) -> AccountLinkOut:
    return await shell.reset_password(body)


@router.post("/bot-keys", status_code=204)
async def adopt_bot_keys(
    bots: FromApp[BotService], settings: SettingsDep, _operator: OperatorCaller
) -> None:
    """Take what `secrets.json` holds now; the key before works on until the next rotation."""
    secrets = await asyncio.to_thread(ensure_secrets, settings.data_dir)
    await bots.adopt_keys({**secrets.bot_keys, **settings.bot_keys})


@router.post("/backups")
async def make_backup(backups: FromApp[Backups], _operator: OperatorCaller) -> BackupOut:
    return await backups.make(None)


@router.post("/check-up")
async def check_up(checks: FromApp[CheckUp], _operator: OperatorCaller) -> CheckUpOut:
    return await checks.all()


@router.get("/invariants")
async def invariants(found: FromApp[Invariants], _operator: OperatorCaller) -> InvariantsOut:
    return await found.all()


@router.get("/status")
async def status(status: FromApp[Status], _operator: OperatorCaller) -> InstallationOut:
    return await status.now()


@router.post("/media/missing/forget")
async def forget_missing(
    media: FromApp[MediaService], _operator: OperatorCaller
) -> MissingFilesOut:
    return MissingFilesOut(files=await media.forget_missing())


@router.get("/media/named")
async def named_files(
    folder: str, media: FromApp[MediaService], _operator: OperatorCaller
) -> NamedFilesOut:
    return NamedFilesOut(keys=await media.named_files(folder))
