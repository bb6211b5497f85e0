"""SQL of `one_time_tokens`: invitations and password resets, each good for one use by whoever was
given it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.db import Sql

Purpose = Literal["invite", "reset"]


@dataclass(frozen=True, slots=True)
class OneTime:
    user_id: str
    expires_at: datetime


async def issue(
    sql: Sql, token_hash: str, purpose: Purpose, user_id: str, *, at: datetime, expires_at: datetime
) -> None:
    """Issue a token; older ones of the same purpose stop working."""
    await sql.execute(
        "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2", user_id, purpose
    )
    await issue_another(sql, token_hash, purpose, user_id, at=at, expires_at=expires_at)


async def issue_another(
    sql: Sql, token_hash: str, purpose: Purpose, user_id: str, *, at: datetime, expires_at: datetime
) -> None:
    """Issue a token beside those that the person has."""
    query = (
        "INSERT INTO one_time_tokens (token_hash, user_id, purpose, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5)"
    )
    await sql.execute(query, token_hash, user_id, purpose, at, expires_at)


async def good(sql: Sql, token_hash: str, purpose: Purpose, at: datetime) -> OneTime | None:
    """Return a token that could be used now."""
    row = await sql.fetch_one(
        "SELECT user_id, purpose, expires_at, used_at FROM one_time_tokens WHERE token_hash = $1",
        token_hash,
    )
    if (
        row is None
        or row["purpose"] != purpose
        or row["used_at"] is not None
        or row["expires_at"] <= at
    ):
        return None
    return OneTime(row["user_id"], row["expires_at"])


async def use(sql: Sql, token_hash: str, purpose: Purpose, at: datetime) -> bool:
    """Use a token. It succeeds for one caller ever."""
    query = (
        "UPDATE one_time_tokens SET used_at = $3 "
        "WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 "
        "RETURNING user_id"
    )
    return await sql.fetch_one(query, token_hash, purpose, at) is not None


async def delete_of_user(sql: Sql, user_id: str, purpose: Purpose | None = None) -> None:
    query = (
        "DELETE FROM one_time_tokens "
        "WHERE user_id = $1 AND ($2::text IS NULL OR purpose = $2::text)"
    )
    await sql.execute(query, user_id, purpose)


async def purge(sql: Sql, at: datetime) -> int:
    query = (
        "DELETE FROM one_time_tokens WHERE used_at IS NOT NULL OR expires_at <= $1 "
        "RETURNING user_id"
    )
    return len(await sql.fetch(query, at))
