"""Limits on tries: counted in the database, so that a restart forgives nobody and all replicas
count together."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api import ids
from api.db import Db, Sql
from api.errors import RateLimited
from api.reasons import RateLimitedReason

KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` tries in a `window`; after each one more the wait doubles, from `first` up to
    `longest`."""

    free: int
    window: timedelta
    first: timedelta
    longest: timedelta
    reason: RateLimitedReason

    def wait(self, tries: int) -> timedelta | None:
        over = tries - self.free
        if over < 0:
            return None
        # the cap keeps the number small; 2**20 times `first` is beyond any `longest`
        return min(self.longest, self.first * (1 << min(over, 20)))


class Throttle:
    """A try is counted before it is made: many at the same moment cannot all slip through."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def take(self, key: str, limit: Limit) -> None:
        """Count a try. Raises `RateLimited` while the key is blocked; such a try is not
        counted."""
        async with self._db.transaction() as sql:
            blocked_until = await take(sql, key, limit)
        if blocked_until is not None:
            raise _limited(limit, blocked_until)

    async def give_back(self, key: str) -> None:
        """Take back a try that was good."""
        await self._db.execute(
            "UPDATE throttles SET failures = failures - 1, blocked_until = NULL "
            "WHERE key = $1 AND failures > 0",
            key,
        )

    async def forget(self, key: str) -> None:
        await self._db.execute("DELETE FROM throttles WHERE key = $1", key)


async def take(sql: Sql, key: str, limit: Limit) -> datetime | None:
    """Count a try inside the caller's transaction, which holds the key's row from then on. Return
    the end of the block, if there is one."""
    at = ids.now()
    query = (
        "INSERT INTO throttles (key, failures, window_started_at) VALUES ($1, 1, $2) "
        "ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN throttles.window_started_at <= $3 "
        "THEN 1 ELSE throttles.failures + 1 END, window_started_at = CASE "
        "WHEN throttles.window_started_at <= $3 THEN excluded.window_started_at "
        "ELSE throttles.window_started_at END "
        "WHERE throttles.blocked_until IS NULL OR throttles.blocked_until <= $2 "
        "RETURNING failures"
    )
    row = await sql.fetch_one(query, key, at, at - limit.window)
    if row is None:
        blocked = await sql.fetch_one("SELECT blocked_until FROM throttles WHERE key = $1", key)
        until: datetime | None = blocked["blocked_until"] if blocked else None
        return until
    wait = limit.wait(int(row["failures"]))
    await sql.execute(
        "UPDATE throttles SET blocked_until = $2 WHERE key = $1", key, at + wait if wait else None
    )
    return None


async def forget_of_user(sql: Sql, user_id: str, email: str | None) -> None:
    address = ids.digest(email or "")
    keys = [f"password:{user_id}", f"link-start:{user_id}", f"login:{address}", f"forgot:{address}"]
    keys.append(f"forgot-day:{address}")
    await sql.execute("DELETE FROM throttles WHERE key = ANY($1::text[])", keys)


async def purge(sql: Sql, at: datetime) -> int:
    """Delete tries that no window counts any more: the longest one is a day."""
    query = (
        "DELETE FROM throttles "
        "WHERE window_started_at < $1 AND (blocked_until IS NULL OR blocked_until < $2) "
        "RETURNING key"
    )
    rows = await sql.fetch(query, at - KEPT, at)
    return len(rows)


def _limited(limit: Limit, blocked_until: datetime) -> RateLimited:
    return RateLimited(
        limit.reason, retry_after=max(1.0, (blocked_until - ids.now()).total_seconds())
    )
