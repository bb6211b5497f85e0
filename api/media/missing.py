"""Files that the store lacks since it changed. Their rows stay until a sweep finds all files, or a
person says that the missing ones are lost."""

from api.db import Db, Sql, marks
from api.ids import now
from api.users import audit

PREFIX = "media-"
_STORE, _MISSING = f"{PREFIX}store:", f"{PREFIX}missing:"


async def is_settled(db: Db, place: str, missing: int) -> bool:
    """Take what a sweep found in the store in use, and return whether it has had all files once, so
    that those it lacks now are lost. `place`: as `MediaStore.claim` returns it."""
    found, here = set(await marks.named(db, PREFIX)), f"{_STORE}{place}"
    if found == {here}:
        return True
    async with db.transaction() as sql:
        await marks.remove(sql, PREFIX)
        await marks.touch(sql, here, now())
        if missing:
            await marks.touch(sql, f"{_MISSING}{missing}", now())
    return not missing


async def count(sql: Sql) -> int:
    """Return the number of files that keep the store from being settled."""
    return sum(int(each.removeprefix(_MISSING)) for each in await marks.named(sql, _MISSING))


async def forget(db: Db) -> int:
    """Let the next sweeps delete the rows of missing files, and return how many there were."""
    async with db.transaction() as sql:
        files = await count(sql)
        if files:
            await marks.remove(sql, _MISSING)
            after: audit.Facts = {"count": files, "from": "shell"}
            await audit.record(sql, "media_forget", actor_id=None, subject="media", after=after)
    return files
