"""Settings of the whole studio that admins change while it runs."""

import json

from api.admin.schemas import StudioIn, StudioOut
from api.db import Db, Sql
from api.ids import now
from api.users import audit

SHOW_CONTENT = "show_content"


class StudioSettings:
    def __init__(self, db: Db) -> None:
        self._db = db

    async def settings(self) -> StudioOut:
        return StudioOut(show_content=await self.shows_content())

    async def shows_content(self) -> bool:
        """Tell whether admins see members' prompts and results; off until an admin turns it on."""
        return await _read(self._db, SHOW_CONTENT)

    async def change(self, body: StudioIn, *, actor_id: str) -> StudioOut:
        async with self._db.transaction() as sql:
            before = await _read(sql, SHOW_CONTENT)
            query = (
                "INSERT INTO studio_settings (name, value_json, changed_at) VALUES ($1, $2, $3) "
                "ON CONFLICT (name) DO UPDATE SET value_json = excluded.value_json, "
                "changed_at = excluded.changed_at"
            )
            await sql.execute(query, SHOW_CONTENT, json.dumps(body.show_content), now())
            facts = {"before": {SHOW_CONTENT: before}, "after": {SHOW_CONTENT: body.show_content}}
            await audit.record(
                sql, "studio_settings", actor_id=actor_id, subject=SHOW_CONTENT, **facts
            )
        return await self.settings()


async def _read(sql: Sql, name: str) -> bool:
    row = await sql.fetch_one("SELECT value_json FROM studio_settings WHERE name = $1", name)
    return bool(row and json.loads(row["value_json"]))
