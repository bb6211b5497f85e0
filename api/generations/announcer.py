"""Word to whoever waits for a generation: a row for its chat, and a ring once that is committed."""

from api.db import Sql
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.store import DeliveryTarget
from api.generations.store import Generation
from api.wake import Wake


class Announcer:
    def __init__(self, wake: Wake, outbox: DeliveryOutbox) -> None:
        self._wake = wake
        self._outbox = outbox

    async def announce(self, sql: Sql, row: Generation, event: str) -> None:
        """Tell the chat that asked, if one did; in the transaction that makes `event` true."""
        if (target := target_of(row)) is not None:
            await self._outbox.announce(sql, row.id, target, event)

    async def needs_review(self, sql: Sql, row: Generation) -> None:
        if (target := target_of(row)) is not None:
            facts = {"short_id": row.short_id}
            await self._outbox.announce_notice(
                sql, row.id, target, "needs_review", facts, row.attempt
            )

    def ring(self, row: Generation) -> None:
        """Wake those who wait for this generation, and its chat's bot."""
        self._wake.ring(f"generation:{row.id}")
        if row.platform is not None:
            self._outbox.ring(row.platform)


def target_of(row: Generation) -> DeliveryTarget | None:
    """Return the chat that waits for it; None when it was asked for elsewhere."""
    if row.platform is None or row.chat_id is None:
        return None
    return DeliveryTarget(
        row.platform,
        row.chat_id,
        row.thread_id,
        row.message_id,
        row.user_name,
        bool(row.chat_private),
        row.user_id,
    )
