"""SQL of `users`: one account each, of a person or of a chat guest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import cast

from api.db import Row, Sql
from api.db.page_ids import NEWEST, OLDEST, Order, behind, by, cursor_of
from api.users.schemas import Language, Role, Sort, Standings, Status


@dataclass(frozen=True, slots=True)
class User:
    """`email` and `password_hash` are None for a guest; somebody who was invited has no
    `password_hash` yet."""

    id: str
    email: str | None
    password_hash: str | None
    display_name: str
    role: Role
    status: Status
    language: Language
    monthly_micro: int
    guest: bool
    created_at: datetime
    confirm_micro: int | None = None
    """A request that may cost more has to be confirmed; None = never."""
    heard_language: str | None = None
    """The language by the chat platform, of people who never chose one."""
    guest_place_id: str | None = None
    """Of a guest: the place that let it in, because the server itself takes none."""

    @property
    def speaks(self) -> str:
        """The language for what is sent when nobody asks."""
        return (self.heard_language or "en") if self.language == "auto" else self.language

    @property
    def knows_language(self) -> bool:
        """Tell whether the person has chosen a language, or a chat platform has told it."""
        return self.language != "auto" or self.heard_language is not None

    @property
    def invited(self) -> bool:
        """True until the invitation is taken up: there is no password yet."""
        return self.password_hash is None and not self.guest


@dataclass(frozen=True, slots=True)
class Standing:
    """The columns that decide on each call: read fresh, never from a token."""

    role: Role
    status: Status


@dataclass(frozen=True, slots=True)
class Change:
    """New values of an account; None leaves a field as it is, so that two changes at once do not
    undo each other."""

    email: str | None = None
    display_name: str | None = None
    language: str | None = None
    password_hash: str | None = None
    confirm_micro: int | None = None
    """`NEVER` takes the threshold away."""
    proved_hash: str | None = None
    """The password's hash that was verified; when it is another one by now, nothing is changed."""


COLUMNS = (
    "id, email, password_hash, display_name, role, status, language, monthly_micro, guest, "
    "created_at, confirm_micro, heard_language, guest_place_id"
)
NEVER = -1


def _user(row: Row) -> User:
    return User(**{name: row[name] for name in COLUMNS.split(", ")})


async def insert(sql: Sql, user: User) -> None:
    """Raises `Duplicate` when the e-mail is taken."""
    query = (
        f"INSERT INTO users ({COLUMNS}, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $10)"
    )
    await sql.execute(query, *astuple(user))


async def by_id(sql: Sql, user_id: str) -> User | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id)
    return _user(row) if row else None


async def by_email(sql: Sql, email: str) -> User | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM users WHERE email = $1", email)
    return _user(row) if row else None


async def free_guest(sql: Sql, user_id: str) -> None:
    await sql.execute("UPDATE users SET guest_place_id = NULL WHERE id = $1 AND guest", user_id)


async def names(sql: Sql, ids: Collection[str]) -> dict[str, str]:
    """Return names by id: the e-mail address, or a guest's name."""
    query = "SELECT id, coalesce(email, display_name) AS name FROM users WHERE id = ANY($1::text[])"
    rows = await sql.fetch(query, list(ids))
    return {row["id"]: row["name"] for row in rows}


async def admins(sql: Sql) -> list[str]:
    rows = await sql.fetch(
        "SELECT id FROM users WHERE role = 'admin' AND status = 'active' ORDER BY id"
    )
    return [row["id"] for row in rows]


async def standing(sql: Sql, user_id: str) -> Standing | None:
    row = await sql.fetch_one("SELECT role, status FROM users WHERE id = $1", user_id)
    return Standing(cast(Role, row["role"]), cast(Status, row["status"])) if row else None


_WORDS = "(strpos(lower(display_name), {0}) > 0 OR strpos(coalesce(email, ''), {0}) > 0)"
_INVITED = "password_hash IS NULL AND NOT guest"
_BY_KEY = Order("sort_key", "bigint")
_SORTS: Mapping[Sort, tuple[str, Order]] = {
    "newest": ("users.id", NEWEST),
    "oldest": ("users.id", OLDEST),
    "name": (
        "lower(coalesce(nullif(display_name, ''), email, users.id))",
        replace(_BY_KEY, type="text", descending=False),
    ),
    "spent": ("coalesce(budgets.spent_micro, 0)", _BY_KEY),
    "limit": ("monthly_micro", _BY_KEY),
    # in hundredths of a percent
    "used": (
        (
            "CAST(floor(coalesce(budgets.spent_micro, 0) * CAST(10000 AS DOUBLE PRECISION) / "
            "greatest(monthly_micro, 1)) AS BIGINT)"
        ),
        _BY_KEY,
    ),
}


async def page(
    sql: Sql,
    *,
    words: str | None,
    role: Role | None,
    status: Standings | None,
    sort: Sort,
    month: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[User], str | None]:
    """Return a page, with the cursor of the next one. `words` are looked for in e-mail and name.
    The spend of `month` is in the budget's counter, and only one query can sort by it. Raises
    `InvalidRequest` for a cursor of another sort."""
    key, order = _SORTS[sort]
    texts, values = list[str](), list[object]()
    joined = ""
    if "budgets." in key:
        joined, values = (
            " LEFT JOIN budgets ON budgets.scope = 'user:' || users.id AND budgets.month = $1",
            [month],
        )
    if status == "invited":
        texts.append(_INVITED)
        status = "active"
    for text, value in (
        ("role = {0}", role),
        ("status = {0}", status),
        (_WORDS, words.lower() if words else None),
    ):
        if value is not None:
            values.append(value)
            texts.append(text.format(f"${len(values)}::text"))
    where = f" WHERE {' AND '.join(texts)}" if texts else ""
    behind_it = ""
    if cursor is not None:
        text, more = behind(order, cursor, len(values) + 1)
        behind_it, values = f"WHERE {text} ", [*values, *more]
    rows = await sql.fetch(
        f"WITH keyed AS (SELECT users.id, {key} AS sort_key FROM users{joined}{where}) "
        f"SELECT id, sort_key FROM keyed {behind_it}{by(order)} LIMIT {limit + 1}",
        *values,
    )
    shown = [row["id"] for row in rows[:limit]]
    query = f"SELECT {COLUMNS} FROM users WHERE id = ANY($1::text[])"
    people = {row["id"]: _user(row) for row in (await sql.fetch(query, shown) if shown else ())}
    last = rows[limit - 1] if len(rows) > limit else None
    next_one = cursor_of(order, last["id"], last["sort_key"]) if last else None
    return [people[each] for each in shown if each in people], next_one


async def has_admin(sql: Sql) -> bool:
    """Tell whether there is an admin who can sign in: an invited one does not count."""
    query = "SELECT id FROM users WHERE role = 'admin' AND password_hash IS NOT NULL LIMIT 1"
    return await sql.fetch_one(query) is not None


async def update(sql: Sql, user_id: str, change: Change, at: datetime) -> bool:
    """False when `proved_hash` is not the password's any more. Raises `Duplicate` when the e-mail
    is taken."""
    row = await sql.fetch_one(
        "UPDATE users SET email = coalesce($2::text, email), "
        "display_name = coalesce($3::text, display_name), "
        "language = coalesce($4::text, language), "
        "password_hash = coalesce($5::text, password_hash), updated_at = $6, "
        "confirm_micro = CASE WHEN $8::bigint IS NULL THEN confirm_micro WHEN $8::bigint < 0 "
        "THEN NULL ELSE $8::bigint END "
        "WHERE id = $1 AND ($7::text IS NULL OR password_hash = $7::text) RETURNING id",
        user_id,
        change.email,
        change.display_name,
        change.language,
        change.password_hash,
        at,
        change.proved_hash,
        change.confirm_micro,
    )
    return row is not None


async def hear_language(sql: Sql, user_id: str, language: str) -> None:
    query = "UPDATE users SET heard_language = $2 WHERE id = $1 AND language = 'auto'"
    await sql.execute(query, user_id, language)


async def replace_hash(sql: Sql, user_id: str, old: str, new: str) -> bool:
    """Replace the hash, while it is still the one that was verified."""
    query = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING id"
    return await sql.fetch_one(query, user_id, old, new) is not None


async def hold_with_password(sql: Sql, user_id: str, password_hash: str, at: datetime) -> bool:
    """Tell whether the account is active and this is its password; it stays so until the
    transaction ends."""
    query = (
        "UPDATE users SET updated_at = $3 "
        "WHERE id = $1 AND password_hash = $2 AND status = 'active' RETURNING id"
    )
    return await sql.fetch_one(query, user_id, password_hash, at) is not None


async def hold_active(sql: Sql, user_id: str, at: datetime) -> bool:
    """Tell whether the account is active; it stays so until the transaction ends."""
    query = "UPDATE users SET updated_at = $2 WHERE id = $1 AND status = 'active' RETURNING id"
    return await sql.fetch_one(query, user_id, at) is not None


async def set_password(
    sql: Sql, user_id: str, password_hash: str, *, first: bool, at: datetime
) -> User | None:
    """Set the password of an active account; `first`: only while it has none, otherwise only while
    it has one."""
    query = (
        "UPDATE users SET password_hash = $2, updated_at = $4 "
        "WHERE id = $1 AND status = 'active' AND NOT guest AND (password_hash IS NULL) = $3 "
        f"RETURNING {COLUMNS}"
    )
    row = await sql.fetch_one(query, user_id, password_hash, first, at)
    return _user(row) if row else None


async def set_budget(sql: Sql, user_id: str, monthly_micro: int, at: datetime) -> None:
    query = "UPDATE users SET monthly_micro = $2, updated_at = $3 WHERE id = $1"
    await sql.execute(query, user_id, monthly_micro, at)


async def preferences(sql: Sql, user_id: str) -> str | None:
    """Return the preferences as JSON; None when nothing was ever chosen."""
    row = await sql.fetch_one("SELECT preferences_json FROM users WHERE id = $1", user_id)
    return cast(str | None, row["preferences_json"]) if row else None


async def set_preferences(sql: Sql, user_id: str, chosen_json: str) -> None:
    await sql.execute("UPDATE users SET preferences_json = $2 WHERE id = $1", user_id, chosen_json)


async def set_standing(sql: Sql, user_id: str, *, role: Role, status: Status, at: datetime) -> bool:
    """False when nobody has this id, or when no active admin would be left. Write the mark
    of admins first."""
    query = (
        "UPDATE users SET role = $2, status = $3, updated_at = $4 "
        "WHERE id = $1 AND (($2 = 'admin' AND $3 = 'active') OR role <> 'admin' "
        "OR status <> 'active' OR password_hash IS NULL OR EXISTS (SELECT 1 FROM users o "
        "WHERE o.id <> $1 AND o.role = 'admin' AND o.status = 'active' "
        "AND o.password_hash IS NOT NULL)) "
        "RETURNING id"
    )
    return await sql.fetch_one(query, user_id, role, status, at) is not None


async def set_guest_status(sql: Sql, user_id: str, status: Status, at: datetime) -> bool:
    query = "UPDATE users SET status = $2, updated_at = $3 WHERE id = $1 AND guest RETURNING id"
    return await sql.fetch_one(query, user_id, status, at) is not None


async def delete(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM users WHERE id = $1", user_id)
