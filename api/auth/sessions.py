"""Opened sessions and their views, for sign-in, sign-up and recovery."""

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from api import ids
from api.auth import devices, refresh_tokens, store
from api.auth.refresh_tokens import Refresh
from api.auth.schemas import SessionOut
from api.auth.store import Session
from api.db import Sql
from api.users.throttle import Limit

REFRESH_IDLE = timedelta(days=14)
SESSION_LIFE = timedelta(days=30)
DEVICE_LIFE = timedelta(days=180)

PER_ACCOUNT = Limit(
    5, timedelta(minutes=15), timedelta(seconds=1), timedelta(minutes=15), "tries_too_many"
)
PER_ADDRESS = Limit(
    50, timedelta(minutes=15), timedelta(seconds=1), timedelta(minutes=15), "tries_too_many"
)


@dataclass(frozen=True, slots=True)
class Client:
    """The client that opens a session: the program's own name and its address."""

    name: str
    ip: str

    @property
    def net(self) -> str:
        """The address as it is counted: IPv6 users have a whole /64."""
        try:
            address = ipaddress.ip_address(self.ip)
        except ValueError:
            return "unknown"
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session with its first refresh token; `device` is the secret of a device that was not
    known before."""

    session_id: str
    refresh_token: str
    device: str | None


async def open_session(sql: Sql, user_id: str, client: Client, *, is_new_device: bool) -> Opened:
    at, token = ids.now(), ids.token()
    session = Session(
        ids.new_id(), user_id, client.name, client.ip, at, at, at + SESSION_LIFE, None, None
    )
    await store.insert_session(sql, session)
    await refresh_tokens.insert(
        sql, Refresh(ids.digest(token), session.id, user_id, None, at, at + REFRESH_IDLE)
    )
    device = ids.token() if is_new_device else None
    if device is not None:
        await devices.add(sql, ids.digest(device), user_id, at=at, expires_at=at + DEVICE_LIFE)
    return Opened(session.id, token, device)


def shown(session: Session, current_id: str | None) -> SessionOut:
    return SessionOut(
        id=session.id,
        client=session.client,
        ip=session.ip,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        current=session.id == current_id,
    )
