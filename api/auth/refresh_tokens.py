"""SQL of `refresh_tokens`, and the seal of a successor.

A used token keeps what it was exchanged for, readable only to whoever has the used token itself. So
a client that lost the answer can ask again, and the database alone gives no token away.
"""

import base64
import hashlib
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from cryptography.fernet import Fernet

from api.db import Row, Sql


@dataclass(frozen=True, slots=True)
class Refresh:
    """One token of a session's family. `replaced_by` is the hash of its successor."""

    token_hash: str
    session_id: str
    user_id: str
    parent_hash: str | None
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    replaced_by: str | None = None
    sealed_successor: str | None = None


_COLUMNS = (
    "token_hash, session_id, user_id, parent_hash, issued_at, expires_at, used_at, replaced_by, "
    "sealed_successor"
)


def _refresh(row: Row | None) -> Refresh | None:
    return Refresh(**{name: row[name] for name in _COLUMNS.split(", ")}) if row else None


async def insert(sql: Sql, token: Refresh) -> None:
    query = f"INSERT INTO refresh_tokens ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    await sql.execute(query, *astuple(token))


@dataclass(frozen=True, slots=True)
class Presented:
    """A token with the end of its successor, which is None when that was used or replaced. `again`:
    it was used so lately that it gives the same successor."""

    token: Refresh
    unused_until: datetime | None
    again: bool


async def presented(sql: Sql, token_hash: str, grace: timedelta) -> Presented | None:
    """One statement: another process may replace the successor at this moment. The database's clock
    says when a token was used and how long ago that is: those of two machines differ."""
    columns = ", ".join(f"token.{name}" for name in _COLUMNS.split(", "))
    row = await sql.fetch_one(
        f"SELECT {columns}, child.expires_at AS unused_until, coalesce(token.used_at >= now() "
        "- $2::bigint * INTERVAL '1 millisecond', false) AS again FROM refresh_tokens token "
        "LEFT JOIN refresh_tokens child "
        "ON child.token_hash = token.replaced_by AND child.used_at IS NULL "
        "WHERE token.token_hash = $1",
        token_hash,
        round(grace.total_seconds() * 1000),
    )
    token = _refresh(row)
    return Presented(token, row["unused_until"], row["again"]) if row and token else None


async def use(
    sql: Sql, token_hash: str, *, replaced_by: str, sealed_successor: str, at: datetime
) -> Refresh | None:
    """One caller ever gets the token."""
    query = (
        "UPDATE refresh_tokens SET used_at = now(), replaced_by = $3, sealed_successor = $4 "
        f"WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING {_COLUMNS}"
    )
    return _refresh(await sql.fetch_one(query, token_hash, at, replaced_by, sealed_successor))


async def retire(sql: Sql, token_hash: str, at: datetime) -> bool:
    """Make a token that nobody has used useless: it counts as used and has no successor. One caller
    ever gets past this."""
    query = (
        "UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL "
        "RETURNING token_hash"
    )
    return await sql.fetch_one(query, token_hash, at) is not None


async def exchange_again(
    sql: Sql, token_hash: str, *, replaced_by: str, sealed_successor: str
) -> None:
    """Give a used token another successor."""
    query = (
        "UPDATE refresh_tokens SET used_at = now(), replaced_by = $2, sealed_successor = $3 "
        "WHERE token_hash = $1"
    )
    await sql.execute(query, token_hash, replaced_by, sealed_successor)


async def forget_successor(sql: Sql, token_hash: str) -> None:
    """Its child is in use, so the token can never be answered again."""
    await sql.execute(
        "UPDATE refresh_tokens SET sealed_successor = NULL WHERE token_hash = $1", token_hash
    )


async def purge(sql: Sql, *, ended_before: datetime) -> tuple[int, int]:
    """Delete ended sessions with their tokens, and return the counts. Used tokens of a live session
    stay: they are how reuse is seen."""
    ended = "coalesce(revoked_at, expires_at) < $1 OR expires_at < $1"
    tokens = await sql.fetch(
        f"DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE {ended}) "
        "RETURNING session_id",
        ended_before,
    )
    sessions = await sql.fetch(f"DELETE FROM sessions WHERE {ended} RETURNING id", ended_before)
    return len(sessions), len(tokens)


def seal(successor: str, presented: str) -> str:
    return _box(presented).encrypt(successor.encode()).decode()


def unseal(sealed: str, presented: str) -> str:
    return _box(presented).decrypt(sealed.encode()).decode()


def _box(presented: str) -> Fernet:
    key = hashlib.blake2b(presented.encode(), digest_size=32, person=b"refresh-seal").digest()
    return Fernet(base64.urlsafe_b64encode(key))
