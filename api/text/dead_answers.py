"""Answers whose process is dead: their keys and their money are free again."""

import structlog

from api.budget.service import BudgetService
from api.db import Db
from api.live_processes import PAID_PATIENCE, LiveProcesses
from api.text import idempotency

log = structlog.get_logger("text")


async def free_dead(
    db: Db, budget: BudgetService, processes: LiveProcesses, subject_prefix: str
) -> None:
    held = await budget.held_by(subject_prefix)
    dead = await processes.dead(sorted({each.process for each in held}), PAID_PATIENCE)
    for each in held:
        if each.process in dead:
            # these are rows, and no promises: only other processes die before this one
            async with db.transaction() as sql:
                if released := await budget.release(sql, each.hold_id):
                    await idempotency.free(sql, [each.subject])
            if released:
                log.warning("answer_of_dead_process_freed", subject=each.subject)
