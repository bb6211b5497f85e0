"""The care for a database that was restored: what was revoked since stays revoked, and what was
paid since is not paid again."""

from datetime import datetime

from api.db import Db, Sql, home, marks
from api.deliveries.schemas import DeliveryReason
from api.ids import now
from api.users import audit


class InUse(Exception):
    """An api or a worker works on the database."""


async def start_anew(sql: Sql, *, source: str) -> None:
    """Sessions and one-time tokens end, because some were ended since the backup. A queued job is
    not submitted, and nothing is sent to a chat, because it may have been since. Messages that the
    bots were answering are not answered again for the same reason; their ids stay, so that a
    platform that brings one again is not heard. Keys of answers that were being written are free:
    whoever repeats one got no answer. So is what processes of then held. `source`: where the act
    came from."""
    at = now()
    await sql.execute(
        """
        UPDATE sessions SET revoked_at = $1, revoke_reason = 'restore'
        WHERE revoked_at IS NULL""",
        at,
    )
    await sql.execute("DELETE FROM one_time_tokens")
    await sql.execute("""
        UPDATE generations SET status = 'processing', phase = 'submitting'
        WHERE status = 'queued'""")
    await sql.execute("""
        DELETE FROM idempotency
        WHERE answer_json IS NULL
            AND (starts_with(generation_id, 'text:') OR starts_with(generation_id, 'sound:'))""")
    await _send_nothing(sql, at)
    for table in ("bot_updates", "bot_processes", "leases"):
        await sql.execute(f"DELETE FROM {table}")
    await marks.remove(sql, home.PREFIX)
    await audit.record(
        sql, "backup_restore", actor_id=None, subject="database", after={"from": source}
    )


async def _send_nothing(sql: Sql, at: datetime) -> None:
    """Stop broadcasts, and put what was on its way to a chat into its owner's inbox. Without one an
    operator sees it. A result that stands in its chat, and a cancelled job, need nothing more."""
    await sql.execute(
        """
        UPDATE broadcasts SET stopped_at = $1
        WHERE stopped_at IS NULL AND id IN (
            SELECT broadcast_id FROM broadcast_chats
            UNION ALL SELECT broadcast_id FROM deliveries
            WHERE state = 'pending' AND broadcast_id IS NOT NULL)""",
        at,
    )
    await sql.execute("DELETE FROM broadcast_chats")
    await sql.execute("""
        DELETE FROM deliveries WHERE state = 'pending' AND broadcast_id IS NOT NULL""")
    reason: DeliveryReason = "restored"
    await sql.execute(
        """
        UPDATE deliveries SET reason = $2, said = NULL, done_at = $1, lease = NULL, begun = false,
            read_at = NULL, passable_at = NULL, doubts = doubts + 1,
            state = CASE
                WHEN shown OR generation_id IN (
                    SELECT id FROM generations WHERE status = 'cancelled') THEN 'done'
                WHEN user_id IN (SELECT id FROM users WHERE NOT guest) THEN 'inbox'
                ELSE 'dead' END
        WHERE state = 'pending'""",
        at,
        reason,
    )


async def settle(db: Db, *, same: bool) -> None:
    """Make a restored database ready for a start. `same`: nobody used another copy of it since, so
    sessions and jobs go on. Raises `InUse`."""
    async with db.transaction() as sql:
        await must_be_idle(sql)
        if not same:
            await start_anew(sql, source="shell")
        if db.engine == "postgresql":
            await home.settle(sql)


async def must_be_idle(sql: Sql) -> None:
    """Raise `InUse` while a process holds a lease. That of a killed one ends within a minute."""
    if await sql.fetch("SELECT name FROM leases WHERE held_until > now()"):
        raise InUse
