"""SQL of `sessions` and `bot_credentials`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from api.auth.schemas import SessionSort
from api.callers import Account
from api.db import Row, Sql
from api.db.page_ids import NEWEST, OLDEST, Condition, Order, ids_of
from api.users.schemas import Role, Status


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in and the family of its refresh tokens; `expires_at` is absolute. `proved_at`: when
    the password was given again."""

    id: str
    user_id: str
    client: str
    ip: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    proved_at: datetime | None

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > at


@dataclass(frozen=True, slots=True)
class Credential:
    """A bot's key, without the key."""

    id: str
    platform: str
    created_at: datetime
    last_seen_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The columns of session and account that decide on each call of a signed-in person."""

    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    proved_at: datetime | None
    role: Role
    status: Status
    guest: bool
    monthly_micro: int

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > at


_SESSION = "id, user_id, client, ip, created_at, last_seen_at, expires_at, revoked_at, proved_at"


def _session(row: Row) -> Session:
    return Session(**{name: row[name] for name in _SESSION.split(", ")})


async def insert_session(sql: Sql, session: Session) -> None:
    query = f"INSERT INTO sessions ({_SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    await sql.execute(query, *astuple(session))


async def session(sql: Sql, session_id: str) -> Session | None:
    row = await sql.fetch_one(f"SELECT {_SESSION} FROM sessions WHERE id = $1", session_id)
    return _session(row) if row else None


_ORDERS: Mapping[SessionSort, Order] = {
    "newest": NEWEST,
    "oldest": OLDEST,
    "seen": Order("CAST(extract(epoch FROM last_seen_at) * 1000 AS BIGINT)", "bigint"),
}


async def live_sessions(
    sql: Sql, user_id: str, *, sort: SessionSort, cursor: str | None, limit: int, at: datetime
) -> tuple[list[Session], str | None]:
    """Return a page of live sessions, by sign-in or by last use, with the cursor of the next page.
    Raises `InvalidRequest` for a cursor of another sort."""
    conditions: list[Condition] = [
        ("user_id = {0}", user_id),
        ("revoked_at IS NULL AND expires_at > {0}", at),
    ]
    found, more = await ids_of(sql, "sessions", conditions, _ORDERS[sort], cursor, limit)
    query = f"SELECT {_SESSION} FROM sessions WHERE id = ANY($1::text[])"
    rows = await sql.fetch(query, found) if found else ()
    return sorted((_session(row) for row in rows), key=lambda each: found.index(each.id)), more


_SIGNED_IN_COLUMNS = (
    "sessions.created_at, expires_at, revoked_at, proved_at, role, status, guest, monthly_micro"
)


async def signed_in(sql: Sql, session_id: str, user_id: str) -> SignedIn | None:
    """None when this session is not this user's. One statement, because every call waits for it."""
    query = (
        f"SELECT {_SIGNED_IN_COLUMNS} "
        "FROM sessions, users WHERE sessions.id = $1 AND sessions.user_id = $2 AND users.id = $2"
    )
    row = await sql.fetch_one(query, session_id, user_id)
    return SignedIn(**row) if row else None


async def all_signed_in(sql: Sql, session_ids: Collection[str]) -> dict[tuple[str, str], SignedIn]:
    """Return the same for several sessions, by the ids of session and user."""
    query = (
        f"SELECT sessions.id, user_id, {_SIGNED_IN_COLUMNS} FROM sessions, users "
        "WHERE users.id = sessions.user_id AND sessions.id = ANY($1::text[])"
    )
    return {
        (row.pop("id"), row.pop("user_id")): SignedIn(**row)
        for row in map(dict, await sql.fetch(query, list(session_ids)))
    }


@dataclass(frozen=True, slots=True)
class Linked:
    """The owner of a chat identity; `account` and `status` are None when the account is gone."""

    user_id: str
    status: Status | None
    account: Account | None


async def linked(sql: Sql, platform: str, platform_user_id: str) -> Linked | None:
    query = (
        "SELECT links.user_id, role, status, guest, monthly_micro "
        "FROM links LEFT JOIN users ON users.id = links.user_id "
        "WHERE platform = $1 AND platform_user_id = $2"
    )
    row = await sql.fetch_one(query, platform, platform_user_id)
    if row is None:
        return None
    account = Account(row["role"], row["guest"], row["monthly_micro"]) if row["role"] else None
    return Linked(row["user_id"], row["status"], account)


async def touch_session(sql: Sql, session_id: str, at: datetime) -> Session | None:
    """Mark a live session as used; None when it has ended. No revocation passes until the
    transaction ends."""
    query = (
        "UPDATE sessions SET last_seen_at = $2 "
        f"WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 RETURNING {_SESSION}"
    )
    row = await sql.fetch_one(query, session_id, at)
    return _session(row) if row else None


async def prove_session(sql: Sql, session_id: str, at: datetime) -> None:
    await sql.execute("UPDATE sessions SET proved_at = $2 WHERE id = $1", session_id, at)


async def revoke_session(sql: Sql, session_id: str, reason: str, at: datetime) -> bool:
    """False when it had ended before."""
    query = (
        "UPDATE sessions SET revoked_at = $3, revoke_reason = $2 "
        "WHERE id = $1 AND revoked_at IS NULL RETURNING id"
    )
    return await sql.fetch_one(query, session_id, reason, at) is not None


async def revoke_sessions(
    sql: Sql, user_id: str, *, keep: str | None, reason: str, at: datetime
) -> None:
    """Revoke all sessions of the user except `keep`."""
    query = (
        "UPDATE sessions SET revoked_at = $4, revoke_reason = $3 "
        "WHERE user_id = $1 AND revoked_at IS NULL AND ($2::text IS NULL OR id <> $2::text)"
    )
    await sql.execute(query, user_id, keep, reason, at)


async def delete_of_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM refresh_tokens WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM sessions WHERE user_id = $1", user_id)


_CREDENTIAL = "id, platform, created_at, last_seen_at, revoked_at"


def _credential(row: Row) -> Credential:
    return Credential(**{name: row[name] for name in _CREDENTIAL.split(", ")})


async def credential_by_hash(sql: Sql, key_hash: str) -> Credential | None:
    """Return a credential that is not revoked."""
    row = await sql.fetch_one(
        f"SELECT {_CREDENTIAL} FROM bot_credentials WHERE key_hash = $1", key_hash
    )
    return _credential(row) if row and row["revoked_at"] is None else None


async def credentials(sql: Sql, platform: str | None = None) -> Sequence[Credential]:
    """Return credentials, the newest first. Revoked ones are kept, so that a revoked key is never
    taken for a new one."""
    rows = await sql.fetch(
        f"SELECT {_CREDENTIAL} FROM bot_credentials "
        "WHERE $1::text IS NULL OR platform = $1::text ORDER BY created_at DESC, id DESC",
        platform,
    )
    return [_credential(row) for row in rows]


async def add_credential(sql: Sql, credential: Credential, key_hash: str) -> bool:
    """False when the key is known already; it stays as it is."""
    query = (
        "INSERT INTO bot_credentials (id, platform, key_hash, created_at) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (key_hash) DO NOTHING RETURNING id"
    )
    row = await sql.fetch_one(
        query, credential.id, credential.platform, key_hash, credential.created_at
    )
    return row is not None


async def revoke_credential(sql: Sql, credential_id: str, at: datetime) -> Credential | None:
    """None when there is none, or when it was revoked before."""
    query = (
        "UPDATE bot_credentials SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL "
        f"RETURNING {_CREDENTIAL}"
    )
    row = await sql.fetch_one(query, credential_id, at)
    return _credential(row) if row else None


async def see_credential(sql: Sql, credential_id: str, at: datetime, gone_before: datetime) -> None:
    """A bot that was not seen since `gone_before` connects anew."""
    query = (
        "UPDATE bot_credentials SET last_seen_at = $2, connected_at = CASE "
        "WHEN last_seen_at IS NULL OR last_seen_at < $3 THEN $2::timestamptz "
        "ELSE coalesce(connected_at, $2::timestamptz) END "
        "WHERE id = $1"
    )
    await sql.execute(query, credential_id, at, gone_before)
