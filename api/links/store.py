"""SQL of `links`, `link_codes` and `bots`."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from api.db import Row, Sql
from api.links.schemas import RedeemIn


@dataclass(frozen=True, slots=True)
class Link:
    """A chat identity that belongs to a user. `chat_id` is the private chat it was linked in."""

    platform: str
    platform_user_id: str
    user_id: str
    display_name: str
    chat_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """A linking in progress; the code itself is kept as a hash only."""

    id: str
    user_id: str
    platform: str
    created_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None = None
    platform_user_id: str | None = None
    display_name: str | None = None
    chat_id: str | None = None
    accepted_at: datetime | None = None
    confirmed_at: datetime | None = None
    burned_at: datetime | None = None


_LINK = "platform, platform_user_id, user_id, display_name, chat_id, created_at"
_CODE = (
    "id, user_id, platform, created_at, expires_at, redeemed_at, platform_user_id, display_name, "
    "chat_id, accepted_at, confirmed_at, burned_at"
)
_OPEN = "confirmed_at IS NULL AND burned_at IS NULL AND expires_at > $1"


def _link(row: Row) -> Link:
    return Link(**{name: row[name] for name in _LINK.split(", ")})


def _code(row: Row | None) -> Code | None:
    return Code(**{name: row[name] for name in _CODE.split(", ")}) if row else None


async def link(sql: Sql, platform: str, platform_user_id: str) -> Link | None:
    query = f"SELECT {_LINK} FROM links WHERE platform = $1 AND platform_user_id = $2"
    row = await sql.fetch_one(query, platform, platform_user_id)
    return _link(row) if row else None


async def links_of(sql: Sql, user_id: str) -> Sequence[Link]:
    rows = await sql.fetch(f"SELECT {_LINK} FROM links WHERE user_id = $1", user_id)
    return sorted((_link(row) for row in rows), key=lambda one: one.created_at)


async def insert_link(sql: Sql, link: Link) -> bool:
    """False when the identity belongs to somebody already."""
    query = (
        f"INSERT INTO links ({_LINK}) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (platform, platform_user_id) DO NOTHING RETURNING user_id"
    )
    return await sql.fetch_one(query, *astuple(link)) is not None


async def take_over(sql: Sql, link: Link, previous_user_id: str) -> bool:
    """Give the identity to `link.user_id`, if it still belongs to `previous_user_id`."""
    query = (
        "UPDATE links SET user_id = $3, display_name = $4, chat_id = $5, created_at = $6 "
        "WHERE platform = $1 AND platform_user_id = $2 AND user_id = $7 RETURNING user_id"
    )
    return await sql.fetch_one(query, *astuple(link), previous_user_id) is not None


async def delete_link(sql: Sql, platform: str, platform_user_id: str, user_id: str) -> Link | None:
    query = (
        "DELETE FROM links WHERE platform = $1 AND platform_user_id = $2 AND user_id = $3 "
        f"RETURNING {_LINK}"
    )
    row = await sql.fetch_one(query, platform, platform_user_id, user_id)
    return _link(row) if row else None


async def burn_open_codes(sql: Sql, user_id: str, platform: str, at: datetime) -> None:
    query = f"UPDATE link_codes SET burned_at = $1 WHERE user_id = $2 AND platform = $3 AND {_OPEN}"
    await sql.execute(query, at, user_id, platform)


async def insert_code(sql: Sql, code: Code, code_hash: str) -> None:
    query = (
        "INSERT INTO link_codes (id, code_hash, user_id, platform, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)"
    )
    await sql.execute(
        query, code.id, code_hash, code.user_id, code.platform, code.created_at, code.expires_at
    )


async def code(sql: Sql, code_id: str) -> Code | None:
    return _code(await sql.fetch_one(f"SELECT {_CODE} FROM link_codes WHERE id = $1", code_id))


async def burn_unredeemed(sql: Sql, code_hash: str, platform: str, at: datetime) -> None:
    query = (
        "UPDATE link_codes SET burned_at = $1 "
        f"WHERE code_hash = $2 AND platform = $3 AND redeemed_at IS NULL AND {_OPEN}"
    )
    await sql.execute(query, at, code_hash, platform)


async def redeem(
    sql: Sql, code_hash: str, platform: str, by: RedeemIn, at: datetime
) -> Code | None:
    """Give the code to one person in one chat, who may ask again if the answer was lost."""
    query = (
        "UPDATE link_codes SET redeemed_at = $1, platform_user_id = $4, display_name = $5, "
        "chat_id = $6 "
        "WHERE code_hash = $2 AND platform = $3 AND (redeemed_at IS NULL "
        f"OR (platform_user_id = $4 AND chat_id = $6 AND accepted_at IS NULL)) AND {_OPEN} "
        f"RETURNING {_CODE}"
    )
    chat = (by.platform_user_id, by.display_name, by.chat_id)
    return _code(await sql.fetch_one(query, at, code_hash, platform, *chat))


_OF_CHAT = (
    "= $1 WHERE id = $2 AND platform = $3 AND platform_user_id = $4 "
    f"AND redeemed_at IS NOT NULL AND {_OPEN} RETURNING {_CODE}"
)
_ACCEPT = f"UPDATE link_codes SET accepted_at {_OF_CHAT}"
_DECLINE = f"UPDATE link_codes SET burned_at {_OF_CHAT}"


async def answer(
    sql: Sql, code_id: str, platform: str, platform_user_id: str, at: datetime, *, accepted: bool
) -> Code | None:
    query = _ACCEPT if accepted else _DECLINE
    return _code(await sql.fetch_one(query, at, code_id, platform, platform_user_id))


async def confirm(sql: Sql, code_id: str, user_id: str, at: datetime) -> Code | None:
    """Confirm a code. It succeeds for one caller ever, and only after the chat has accepted."""
    query = (
        "UPDATE link_codes SET confirmed_at = $1 "
        f"WHERE id = $2 AND user_id = $3 AND accepted_at IS NOT NULL AND {_OPEN} "
        f"RETURNING {_CODE}"
    )
    return _code(await sql.fetch_one(query, at, code_id, user_id))


async def unconfirm(sql: Sql, code_id: str, at: datetime) -> None:
    await sql.execute(
        "UPDATE link_codes SET confirmed_at = NULL, burned_at = $2 WHERE id = $1", code_id, at
    )


async def delete_of_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM link_codes WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM links WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM guest_moves WHERE user_id = $1 OR guest_id = $1", user_id)


async def moved_guests(sql: Sql, since: datetime) -> list[tuple[str, str]]:
    """Return guest and account of the takeovers since then."""
    rows = await sql.fetch("SELECT guest_id, user_id FROM guest_moves WHERE moved_at >= $1", since)
    return [(row["guest_id"], row["user_id"]) for row in rows]


async def note_move(sql: Sql, guest_id: str, link: Link) -> None:
    query = (
        "INSERT INTO guest_moves (guest_id, user_id, platform, platform_user_id, moved_at) "
        "VALUES ($1, $2, $3, $4, $5)"
    )
    await sql.execute(
        query, guest_id, link.user_id, link.platform, link.platform_user_id, link.created_at
    )


async def guest_before(sql: Sql, platform: str, platform_user_id: str) -> str | None:
    """Return the guest that the identity was before it was linked, and forget the move."""
    query = (
        "DELETE FROM guest_moves WHERE platform = $1 AND platform_user_id = $2 RETURNING guest_id"
    )
    row = await sql.fetch_one(query, platform, platform_user_id)
    return row["guest_id"] if row else None


async def guests_of(sql: Sql, user_id: str) -> list[str]:
    """Return the guests whose things the account took over."""
    return [
        row["guest_id"]
        for row in await sql.fetch("SELECT guest_id FROM guest_moves WHERE user_id = $1", user_id)
    ]


async def purge_codes(sql: Sql, before: datetime) -> int:
    return len(await sql.fetch("DELETE FROM link_codes WHERE expires_at < $1 RETURNING id", before))


async def open_code(sql: Sql, code_hash: str, platform: str, at: datetime) -> Code | None:
    """Return a code that could be redeemed now."""
    query = (
        f"SELECT {_CODE} FROM link_codes "
        f"WHERE code_hash = $2 AND platform = $3 AND redeemed_at IS NULL AND {_OPEN}"
    )
    return _code(await sql.fetch_one(query, at, code_hash, platform))


async def move_things(sql: Sql, from_user: str, to_user: str) -> None:
    """Give everything that a guest made to the account; the spend stays where it was counted."""
    for table in ("generations", "media", "conversations", "messages", "deliveries"):
        await sql.execute(f"UPDATE {table} SET user_id = $2 WHERE user_id = $1", from_user, to_user)


async def save_bot(
    sql: Sql, platform: str, name: str, link_template: str | None, at: datetime
) -> None:
    query = (
        "INSERT INTO bots (platform, name, link_template, seen_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (platform) DO UPDATE SET name = excluded.name, "
        "link_template = excluded.link_template, seen_at = excluded.seen_at"
    )
    await sql.execute(query, platform, name, link_template, at)


async def link_template(sql: Sql, platform: str) -> str | None:
    row = await sql.fetch_one("SELECT link_template FROM bots WHERE platform = $1", platform)
    template: str | None = row["link_template"] if row else None
    return template
