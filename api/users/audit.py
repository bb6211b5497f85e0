"""The audit log: who did what to whom, written in the transaction that does it. Rows are only ever added."""

import json
from collections.abc import Mapping

from api import ids
from api.db import Sql

Facts = Mapping[str, str | int | bool | None]


async def record(
    sql: Sql, action: str, *, actor_id: str | None, subject: str, before: Facts | None = None, after: Facts | None = None
) -> None:
    """`actor_id` is None when nobody is signed in; `subject` is an id. Never put a secret into the facts."""
    await sql.execute(
        "INSERT INTO audit (id, actor_id, action, subject, before_json, after_json, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        ids.new_id(),
        actor_id,
        action,
        subject,
        json.dumps(dict(before)) if before is not None else None,
        json.dumps(dict(after)) if after is not None else None,
        ids.now(),
    )
