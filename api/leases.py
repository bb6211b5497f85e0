"""Leases: work under a name that one holder at a time does, in whichever process it is.

The database's clock decides, so machines need not agree on the time. A holder that is killed loses
its lease when the time is over. `fence` grows with each new holder: whoever writes with an older
one has lost the lease meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime

from api.db import Db

_TAKE = """
    INSERT INTO leases (name, holder, fence, held_until)
    VALUES ($1, $2, 1, now() + $3::bigint * INTERVAL '1 millisecond')
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        fence = CASE WHEN leases.holder = excluded.holder
            THEN leases.fence ELSE leases.fence + 1 END,
        held_until = excluded.held_until
    WHERE leases.holder = excluded.holder OR leases.held_until <= now()
    RETURNING name, holder, fence, held_until
    """


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    holder: str
    fence: int
    held_until: datetime


class Leases:
    def __init__(self, db: Db) -> None:
        self._db = db

    async def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take a free lease, or renew the own one. None while another holder has it."""
        row = await self._db.fetch_one(_TAKE, name, holder, round(seconds * 1000))
        return None if row is None else Lease(**row)

    async def held(self, prefix: str) -> list[str]:
        """Return the names that begin like this and that somebody holds."""
        query = "SELECT name FROM leases WHERE starts_with(name, $1) AND held_until > now()"
        return [row["name"] for row in await self._db.fetch(query, prefix)]

    async def forget(self, prefix: str) -> None:
        """Delete leases that have been over for a day, of names that do not come back."""
        query = """
            DELETE FROM leases
            WHERE starts_with(name, $1) AND held_until < now() - INTERVAL '1 day'
            """
        await self._db.execute(query, prefix)

    async def give_back(self, name: str, holder: str) -> None:
        """Free the lease for the next holder, unless another one has it already."""
        query = "UPDATE leases SET held_until = now() WHERE name = $1 AND holder = $2"
        await self._db.execute(query, name, holder)
