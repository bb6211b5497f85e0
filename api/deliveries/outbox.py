"""The outbox as the other domains use it: a row for a chat is written in the transaction of what it
tells."""

import json
from collections.abc import Mapping, Sequence

from structlog import get_logger

from api.db import Db, Sql
from api.deliveries import store
from api.deliveries.store import DeliveryTarget
from api.ids import new_id, now
from api.wake import Wake
from telemetry.requests import request_id

TOPIC = "deliveries"
log = get_logger("deliveries")


class DeliveryOutbox:
    """`ring` the platform after the commit, so that its bot need not look first."""

    def __init__(self, db: Db, wake: Wake) -> None:
        self._db = db
        self._wake = wake

    async def announce(
        self, sql: Sql, generation_id: str, target: DeliveryTarget, event: str
    ) -> None:
        """Write the row in the transaction that makes `event` true; `ring` after its commit."""
        key = f"{generation_id}:{target.platform}:{target.chat_id}:{event}"
        await store.insert(
            sql,
            target,
            dedupe_key=key,
            event=event,
            generation_id=generation_id,
            now=now(),
            request_id=request_id(),
        )

    async def announce_notice(
        self,
        sql: Sql,
        generation_id: str,
        target: DeliveryTarget,
        code: str,
        facts: Mapping[str, str],
        number: int,
    ) -> None:
        """Tell the chat that waits for a generation a fact about it. `number` tells one time of the
        same fact from the next."""
        key = f"{generation_id}:{target.platform}:{target.chat_id}:{code}:{number}"
        await store.insert(
            sql,
            target,
            dedupe_key=key,
            event="notice",
            generation_id=generation_id,
            notice=_notice(code, facts),
            now=now(),
            request_id=request_id(),
        )

    async def notify(
        self,
        sql: Sql,
        *,
        platform: str,
        chat_id: str,
        code: str,
        facts: Mapping[str, str],
        user_id: str | None = None,
        broadcast_id: str | None = None,
    ) -> None:
        """Tell a private chat a fact; part of the caller's transaction. With `user_id`, this user
        finds it on the web if the chat does not take it."""
        target = DeliveryTarget(platform, chat_id, private=True, user_id=user_id)
        notice = _notice(code, facts)
        await store.insert(
            sql,
            target,
            dedupe_key=new_id(),
            event="notice",
            notice=notice,
            now=now(),
            broadcast_id=broadcast_id,
            request_id=request_id(),
        )

    def ring(self, platform: str) -> None:
        self._wake.ring(f"{TOPIC}:{platform}")

    async def withdraw(self, sql: Sql, broadcast_id: str) -> None:
        """Drop the waiting deliveries of a broadcast; those that a bot is sending are sent."""
        await store.withdraw(sql, broadcast_id, now())

    async def free_leases_of(self, platform: str, processes: Sequence[str]) -> None:
        """Let others claim what these processes of a bot have left: they are gone."""
        if freed := await store.free_leases_of(self._db, platform, processes, now()):
            log.warning("deliveries_of_dead_process", platform=platform, deliveries=freed)
            self.ring(platform)

    async def forget(self, sql: Sql, generation_id: str) -> None:
        await store.forget(sql, generation_id)

    async def erase_user(self, user_id: str) -> None:
        await store.forget_user(self._db, user_id)


def _notice(code: str, facts: Mapping[str, str]) -> dict[str, str]:
    return {"code": code, "facts": json.dumps(dict(facts))}
