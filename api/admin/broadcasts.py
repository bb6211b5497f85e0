"""Broadcasts to all linked chats. Their chats wait in a table of their own and become deliveries a
few at a time, so that members' results never wait behind them and no platform's limit is hit."""

import hashlib
from collections.abc import Sequence
from typing import cast, get_args

from api import ids
from api.admin.schemas import BroadcastIn, BroadcastOut, BroadcastSort, ReachOut
from api.db import Db, Duplicate, Row, Sql
from api.db.page_ids import NEWEST, OLDEST, ids_of
from api.deliveries.outbox import DeliveryOutbox
from api.errors import Conflict, NotFound
from api.places.service import PlaceService
from api.schemas import Page, Platform
from api.text import idempotency
from api.users import audit
from api.wake import Wake

AT_ONCE = 10
"""Chats of one platform that are with its bot at a time, and that are added a second."""
EVERY = 1.0
LOOK_EVERY = 30.0
TOPIC = "broadcasts"
CODE = "broadcast"
_PLATFORMS = cast(tuple[Platform, ...], get_args(Platform))

_LINKED = """
    FROM links JOIN users ON users.id = links.user_id
    WHERE users.status = 'active' AND links.platform = ANY($1::text[])
"""
_ROWS = """
    SELECT broadcasts.id, broadcasts.text, broadcasts.chats, broadcasts.created_at,
        broadcasts.stopped_at, coalesce(users.email, users.display_name) AS sender
    FROM broadcasts LEFT JOIN users ON users.id = broadcasts.actor_id
"""


class Broadcasts:
    def __init__(self, db: Db, wake: Wake, outbox: DeliveryOutbox, places: PlaceService) -> None:
        self._db = db
        self._wake = wake
        self._outbox = outbox
        self._places = places

    async def send(self, body: BroadcastIn, *, actor_id: str, key: str | None) -> BroadcastOut:
        """Send it, or only count the chats that it would reach. `key`: the same key with the same
        text sends once. Raises `Conflict`."""
        platforms = list(body.platforms or _PLATFORMS)
        reach = await self._reach(platforms)
        if body.dry_run:
            return _planned(None, body.text, reach)
        body_hash = hashlib.sha256(f"broadcast:{body.model_dump_json()}".encode()).hexdigest()
        try:
            made = await self._accept(
                body, platforms, reach, actor_id=actor_id, key=key, body_hash=body_hash
            )
        except Duplicate as error:
            earlier = await idempotency.recall(self._db, idempotency.key_of(actor_id, key or ""))
            if earlier is None or earlier.body_hash != body_hash or earlier.answer_json is None:
                raise Conflict("key_of_other_request") from error
            return BroadcastOut.model_validate_json(earlier.answer_json)
        self._wake.ring(TOPIC)
        return made

    async def _reach(self, platforms: Sequence[Platform]) -> list[ReachOut]:
        rows = await self._db.fetch(
            f"SELECT links.platform, count(*) AS n {_LINKED} GROUP BY 1", list(platforms)
        )
        found = {row["platform"]: row["n"] for row in rows}
        return [ReachOut(platform=platform, chats=found.get(platform, 0)) for platform in platforms]

    async def _accept(
        self,
        body: BroadcastIn,
        platforms: Sequence[Platform],
        reach: list[ReachOut],
        *,
        actor_id: str,
        key: str | None,
        body_hash: str,
    ) -> BroadcastOut:
        made = _planned(ids.new_id(), body.text, reach)
        async with self._db.transaction() as sql:
            if key is not None:
                subject, row_key = f"{CODE}:{made.id}", idempotency.key_of(actor_id, key)
                claim = idempotency.Claim(row_key, body_hash, subject)
                await idempotency.claim(sql, [claim], made.created_at)
                await idempotency.keep(sql, [(row_key, subject, made.model_dump_json())])
            query = (
                f"INSERT INTO broadcast_chats (broadcast_id, platform, platform_user_id) "
                f"SELECT $2, links.platform, links.platform_user_id {_LINKED}"
            )
            await sql.execute(query, list(platforms), made.id)
            query = (
                "INSERT INTO broadcasts (id, actor_id, text, chats, created_at) "
                "VALUES ($1, $2, $3, $4, $5)"
            )
            await sql.execute(query, made.id, actor_id, made.text, made.chats, made.created_at)
            after: audit.Facts = {"chats": made.chats, "text": made.text}
            await audit.record(sql, CODE, actor_id=actor_id, subject=str(made.id), after=after)
        return made

    async def page(
        self, cursor: str | None, limit: int, sort: BroadcastSort = "newest"
    ) -> Page[BroadcastOut]:
        """Return a page of broadcasts, each with its progress."""
        found, more = await ids_of(
            self._db, "broadcasts", [], OLDEST if sort == "oldest" else NEWEST, cursor, limit
        )
        query = f"{_ROWS} WHERE broadcasts.id = ANY($1::text[])"
        rows = await self._db.fetch(query, found) if found else ()
        shown = sorted(rows, key=lambda row: found.index(row["id"]))
        return Page(items=await self._outs(shown), next_cursor=more)

    async def stop(self, broadcast_id: str, *, actor_id: str) -> BroadcastOut:
        """Stop the rest of a broadcast. Raises `NotFound`, and `Conflict` when nothing of it waits
        any more."""
        before = await self._one(broadcast_id)
        async with self._db.transaction() as sql:
            # first those that wait: whoever feeds has taken them, or finds none
            await sql.execute("DELETE FROM broadcast_chats WHERE broadcast_id = $1", broadcast_id)
            await self._outbox.withdraw(sql, broadcast_id)
            query = (
                "UPDATE broadcasts SET stopped_at = $2 WHERE id = $1 AND stopped_at IS NULL "
                "RETURNING id"
            )
            row = await sql.fetch_one(query, broadcast_id, ids.now())
            if row is None or not (before.waiting or before.pending):
                raise Conflict("broadcast_over")
            after: audit.Facts = {"chats": before.chats, "waiting": before.waiting + before.pending}
            await audit.record(
                sql, "broadcast_stop", actor_id=actor_id, subject=broadcast_id, after=after
            )
        return await self._one(broadcast_id)

    async def _one(self, broadcast_id: str) -> BroadcastOut:
        rows = await self._db.fetch(f"{_ROWS} WHERE broadcasts.id = $1", broadcast_id)
        if not rows:
            raise NotFound("broadcast_unknown")
        return (await self._outs(rows))[0]

    async def _outs(self, rows: Sequence[Row]) -> list[BroadcastOut]:
        counts = await self._counts([row["id"] for row in rows])
        return [_out(row, counts.get(row["id"], {})) for row in rows]

    async def _counts(self, broadcast_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        query = """
            SELECT broadcast_id, state, count(*) AS n FROM deliveries
                WHERE broadcast_id = ANY($1::text[]) GROUP BY 1, 2
            UNION ALL
            SELECT broadcast_id, 'waiting' AS state, count(*) AS n FROM broadcast_chats
                WHERE broadcast_id = ANY($1::text[]) GROUP BY 1, 2
            """
        rows = await self._db.fetch(query, list(broadcast_ids))
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["broadcast_id"], {})[row["state"]] = row["n"]
        return found

    async def keep_fed(self) -> float:
        """Send some of the waiting chats' messages, or wait until there are some."""
        with self._wake.listen(TOPIC) as listener:
            if await self.feed():
                return EVERY
            await listener.wait(LOOK_EVERY)
        return 0.0

    async def feed(self) -> bool:
        """Make deliveries for some waiting chats. False when none waits any more."""
        rows = await self._db.fetch(
            "SELECT platform, count(*) AS n FROM broadcast_chats GROUP BY 1"
        )
        for row in rows:
            await self._feed_platform(row["platform"])
        return bool(rows)

    async def _feed_platform(self, platform: str) -> None:
        query = (
            "SELECT count(*) AS n FROM deliveries "
            "WHERE broadcast_id IS NOT NULL AND platform = $1 AND state = 'pending'"
        )
        busy = await self._db.fetch_one(query, platform)
        room = AT_ONCE - (busy["n"] if busy else 0)
        if room <= 0:
            return
        quiet = await self._places.quiet_chats(platform)
        async with self._db.transaction() as sql:
            for row in await _take(sql, platform, room, quiet):
                await self._outbox.notify(
                    sql,
                    platform=platform,
                    chat_id=row["chat_id"],
                    code=CODE,
                    facts={"text": row["text"]},
                    user_id=row["user_id"],
                    broadcast_id=row["broadcast_id"],
                )
        self._outbox.ring(platform)


async def _take(sql: Sql, platform: str, count: int, quiet: Sequence[str]) -> Sequence[Row]:
    """Take some waiting chats out of the table, the oldest first, without those unlinked since.
    Chats in which it is quiet now stay."""
    query = """
        DELETE FROM broadcast_chats WHERE platform = $1 AND (broadcast_id, platform_user_id) IN (
            SELECT broadcast_id, platform_user_id FROM broadcast_chats
                WHERE platform = $1 AND platform_user_id NOT IN (
                    SELECT platform_user_id FROM links
                        WHERE platform = $1 AND chat_id = ANY($3::text[])
                ) ORDER BY broadcast_id, platform_user_id LIMIT $2
        ) RETURNING broadcast_id, platform_user_id
        """
    taken = await sql.fetch(query, platform, count, list(quiet))
    query = """
        SELECT links.chat_id, links.user_id, broadcasts.text, broadcasts.id AS broadcast_id
        FROM links, broadcasts
        WHERE links.platform = $1 AND links.platform_user_id = $2 AND broadcasts.id = $3
        """
    found: list[Row] = []
    for each in taken:
        found += await sql.fetch(query, platform, each["platform_user_id"], each["broadcast_id"])
    return found


def _planned(broadcast_id: str | None, text: str, reach: list[ReachOut]) -> BroadcastOut:
    chats = sum(each.chats for each in reach)
    row = {
        "id": broadcast_id,
        "text": text,
        "chats": chats,
        "created_at": ids.now(),
        "stopped_at": None,
        "sender": None,
    }
    return _out(row, {"waiting": chats}).model_copy(update={"reach": reach})


def _out(row: Row, counts: dict[str, int]) -> BroadcastOut:
    states = {
        state: counts.get(state, 0) for state in ("waiting", "pending", "done", "inbox", "dead")
    }
    return BroadcastOut(
        id=row["id"],
        text=row["text"],
        by=row["sender"],
        created_at=row["created_at"],
        stopped_at=row["stopped_at"],
        chats=row["chats"],
        unsent=max(0, row["chats"] - sum(states.values())),
        **states,
    )
