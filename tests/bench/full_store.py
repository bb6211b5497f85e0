"""A store filled with the rows of years: 1,000,000 generations of 10,000 users, with their files,
bookings, deliveries and audit, and 200,000 conversations."""

from dataclasses import dataclass
from datetime import timedelta

from api.db import Db
from api.ids import now

CHUNK = 50_000
SPAN = timedelta(days=365)
HEAVY = 20
"""One generation in so many is of the first user, whose account is by far the fullest."""

# `i` counts the rows; `$1` and `$2` are the first and the last of a chunk, `$3` the first moment
# and `$4` the step in ms.
_MS = "($3::bigint + i * $4::bigint)"
_AT = f"to_timestamp({_MS} / 1000.0)"
_ID = (
    f"(substr(lpad(lower(to_hex({_MS})), 12, '0'), 1, 8) || '-' || "
    f"substr(lpad(lower(to_hex({_MS})), 12, '0'), 9, 4) || '-7'"
    " || substr(md5(CAST(i AS TEXT)), 1, 3) || '-8' || substr(md5(CAST(i AS TEXT)), 4, 3) || '-' "
    "|| substr(md5(CAST(i AS TEXT)), 7, 12))"
)
_HASH = "CAST(abs(i * 7919 + i / 3) AS BIGINT)"
_KIND = f"(CASE WHEN {_HASH} % 4 = 0 THEN 'video' ELSE 'image' END)"
_MODEL = f"('maker/' || {_KIND} || '-' || CAST({_HASH} % 30 AS TEXT))"
_STATUS = (
    "(CASE WHEN i % 25 = 3 THEN 'failed' WHEN i % 50 = 7 THEN 'cancelled' ELSE 'completed' END)"
)
_PROMPT = (
    "('a ' || (ARRAY['red', 'quiet', 'ancient', 'golden', 'wet', 'tiny', 'endless'])[1 + CAST(i % "
    "7 AS INTEGER)] || ' '"
    " || (ARRAY['fox', 'harbour', 'forest', 'street', 'castle'])[1 + CAST(i / 7 AS BIGINT) % 5] "
    "|| ' at dusk, '"
    " || md5(CAST(i AS TEXT)) || ', in the manner of an old photograph, with rain on the lens')"
)
_BUDGETS = """
    INSERT INTO budgets (scope, month, held_micro, spent_micro)
    SELECT 'user:' || user_id, month, 0, CAST(sum(amount_micro) AS BIGINT)
        FROM ledger GROUP BY user_id, month
    UNION ALL SELECT 'global', month, 0, CAST(sum(amount_micro) AS BIGINT)
    FROM ledger GROUP BY month
"""
_ROWS = "FROM generate_series($1::bigint, $2::bigint) AS numbers(i)"


_FILES = (
    f"CASE WHEN {_STATUS} = 'completed' THEN '[{{\"id\": \"file-' || CAST(i AS TEXT) || '\", "
    '"content_type": "image/png", '
    '"size": 1400000, "width": 1024, "height": 1024, "duration_ms": null, '
    '"thumbnail_id": "thumb-\' || CAST(i AS TEXT) || \'"}]\' END'
)
_TEXT = "CAST(i AS TEXT)"


@dataclass(frozen=True, slots=True)
class Size:
    users: int = 10_000
    generations: int = 1_000_000
    deliveries: int = 300_000
    audit: int = 200_000
    conversations: int = 200_000

    @classmethod
    def of(cls, generations: int) -> "Size":
        """Return a smaller or larger store of the same make."""
        whole = cls()
        parts = (whole.users, whole.generations, whole.deliveries, whole.audit, whole.conversations)
        return cls(*(part * generations // whole.generations for part in parts))


def _insert(table: str, **columns: str) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} {_ROWS}"
    )


def _member(number: str) -> str:
    return f"('user-' || lpad(CAST({number} AS TEXT), 7, '0'))"


def _owner(size: Size) -> str:
    return _member(f"CASE WHEN i % {HEAVY} = 0 THEN 0 ELSE {_HASH} % {size.users} END")


def _users() -> str:
    status = "CASE WHEN i % 40 = 1 THEN 'disabled' ELSE 'active' END"
    return _insert(
        "users",
        id=_member("i"),
        email=f"'person' || {_TEXT} || '@example.org'",
        password_hash="'x'",
        display_name=f"'Person ' || {_TEXT}",
        role="'user'",
        status=status,
        language="'en'",
        monthly_micro="10000000",
        guest="i % 10 = 9",
        created_at=_AT,
        updated_at=_AT,
    )


def _generations(size: Size) -> str:
    on_telegram = "CASE WHEN i % 4 = 1 THEN {} END"
    failed = f"CASE WHEN {_STATUS} = 'failed' THEN {{}} END"
    return _insert(
        "generations",
        id=_ID,
        short_id=f"lpad({_TEXT}, 7, '0')",
        user_id=_owner(size),
        kind=_KIND,
        mode=f"'text_to_' || {_KIND}",
        model=_MODEL,
        model_name="'A model'",
        prompt=_PROMPT,
        options_json='\'{"aspect_ratio": "16:9", "n": 1}\'',
        inputs_json="'[]'",
        status=_STATUS,
        phase="'done'",
        attempt="1",
        rescues="0",
        tries="0",
        run_at=_AT,
        nudges="0",
        callback_token=f"'callback-' || {_TEXT}",
        provider_id=f"'gen-' || {_TEXT}",
        hold_id=f"'hold-' || {_TEXT}",
        estimate_micro="40000",
        cost_micro=f"CASE WHEN {_STATUS} = 'completed' THEN 14000 + (i % 9) * 1000 END",
        error_code=failed.format("'content_refused'"),
        error_message=failed.format("'The model refused.'"),
        source="(ARRAY['web', 'telegram', 'discord', 'api'])[1 + CAST(i % 4 AS INTEGER)]",
        sandbox="true",
        platform=on_telegram.format("'telegram'"),
        chat_id=on_telegram.format("'77'"),
        chat_private=on_telegram.format("true"),
        favourite="i % 37 = 0",
        created_at=_AT,
        started_at=f"{_AT} + INTERVAL '1 second'",
        submitted_at=f"{_AT} + INTERVAL '1 second'",
        finished_at=f"{_AT} + (5 + i % 60) * INTERVAL '1 second'",
        files_json=_FILES,
    )


def _media(size: Size, role: str, name: str, **more: str) -> str:
    return _insert(
        "media",
        id=f"'{name}-' || {_TEXT}",
        user_id=_owner(size),
        generation_id=_ID,
        role=role,
        position="0",
        content_type="'image/png'",
        size="1400000",
        sha256=f"md5({_TEXT})",
        key=f"'{name}/' || {_TEXT}",
        width="1024",
        height="1024",
        created_at=_AT,
        **more,
    )


def _ledger(size: Size) -> str:
    return _insert(
        "ledger",
        id=_ID,
        user_id=_owner(size),
        month="'2026-01'",
        hold_id=f"'hold-' || {_TEXT}",
        subject=f"'generation:' || {_ID}",
        kind=_KIND,
        model=_MODEL,
        amount_micro="14000 + (i % 9) * 1000",
        created_at=_AT,
    )


def _audit(size: Size) -> str:
    return _insert(
        "audit",
        id=_ID,
        actor_id=_member("i % 5"),
        action="(ARRAY['user_role', 'user_budget', 'link', 'generation_cancel'])[1 + CAST(i % 4 "
        "AS INTEGER)]",
        subject=_owner(size),
        before_json='\'{"role": "user"}\'',
        after_json='\'{"role": "admin"}\'',
        created_at=_AT,
    )


def _deliveries(size: Size) -> str:
    return _insert(
        "deliveries",
        id=_ID,
        dedupe_key=f"'key-' || {_TEXT}",
        user_id=_owner(size),
        platform="CASE WHEN i % 2 = 0 THEN 'telegram' ELSE 'discord' END",
        chat_id="'77'",
        chat_private="true",
        event="'generation_completed'",
        generation_id=_ID,
        state="CASE WHEN i % 1000 = 1 THEN 'dead' ELSE 'done' END",
        attempt="1",
        begun="false",
        repeatable="false",
        shown="true",
        doubts="0",
        mishaps="0",
        due_at=_AT,
        since_at=_AT,
        reason="CASE WHEN i % 1000 = 1 THEN 'the bot was thrown out' END",
        created_at=_AT,
        done_at=_AT,
    )


def _conversations(size: Size) -> str:
    title = f"'About ' || {_PROMPT}"
    return _insert(
        "conversations",
        id=_ID,
        user_id=_owner(size),
        title=title,
        created_at=_AT,
        updated_at=f"{_AT} + INTERVAL '1 minute'",
    )


def _messages(size: Size, role: str, behind: str, content: str, **more: str) -> str:
    """Return the statement for one message a conversation; its id is the conversation's id and
    `behind`."""
    at = f"{_AT} + INTERVAL '1 minute'" if behind else _AT
    owner = _owner(size)
    return _insert(
        "messages",
        id=f"{_ID} || '{behind}'",
        conversation_id=_ID,
        user_id=owner,
        role=role,
        content=content,
        created_at=at,
        **more,
    )


async def fill(db: Db, size: Size) -> None:
    """Fill the store with rows of the last year, the newest from now."""
    newest = int(now().timestamp() * 1000)
    thumbnails = _media(size, "'thumbnail'", "thumb")
    files = _media(size, _KIND, "file", thumbnail_id=f"'thumb-' || {_TEXT}")
    statements = [
        (size.generations, text) for text in (_generations(size), files, thumbnails, _ledger(size))
    ]
    statements += [
        (size.users, _users()),
        (size.audit, _audit(size)),
        (size.deliveries, _deliveries(size)),
    ]
    answer = _messages(
        size,
        "'assistant'",
        "-a",
        f"repeat('It rains. ', 40) || {_PROMPT}",
        model="'maker/text-1'",
        cost_micro="300",
    )
    texts = (_conversations(size), _messages(size, "'user'", "", _PROMPT), answer)
    for count, statement in [*statements, *((size.conversations, text) for text in texts)]:
        step = int(SPAN.total_seconds() * 1000) // count
        first = newest - step * count
        for start in range(0, count, CHUNK):
            await db.execute(statement, start, min(count, start + CHUNK) - 1, first, step)
    await db.execute(_BUDGETS)
    if db.engine == "postgresql":
        await db.execute("VACUUM ANALYZE")
