"""Pauses of the provider that all processes keep, so that ten of them do not find out one by one
that it is down, out of credit, or has no room for a model.

Nothing is written or read for a call that goes well. A pause is written once, when it begins, and
the others are rung; when it is over, one process makes the one call that tries.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from structlog import get_logger

from api import ids
from api.db import Db
from api.leases import Leases
from api.wake import Wake

log = get_logger("provider")

TOPIC = "provider-pauses"
LOOK_EVERY, LOOK_EVERY_UNHEARD = 300.0, 5.0
TRY_SECONDS = 30.0
"""The time after which another process may try, when the one that tries has not said its end."""

Paused = tuple[datetime, timedelta]
"""The end of a pause and its length."""


Follow = Callable[[str, Paused | None], None]
"""Take over a pause of this scope from another process; None: it is over."""


class Pauses(Protocol):
    """The way of pauses from and to other processes."""

    def join(self, scope: str, follow: Follow) -> None:
        """Follow the scopes that begin like this."""
        ...

    def begin(self, scope: str, until: datetime, length: timedelta) -> None: ...
    def end(self, scope: str) -> None: ...
    async def may_try(self, scope: str) -> bool:
        """Tell whether this process makes the one call that tries. Raises `DbUnavailable`."""
        ...


class LonePauses:
    """The pauses of a process that has no others beside it."""

    def join(self, scope: str, follow: Follow) -> None:
        pass

    def begin(self, scope: str, until: datetime, length: timedelta) -> None:
        pass

    def end(self, scope: str) -> None:
        pass

    async def may_try(self, scope: str) -> bool:
        return True


class SharedPauses:
    """`turn` after turn writes what happened here and follows what happened elsewhere."""

    def __init__(self, db: Db, leases: Leases, wake: Wake) -> None:
        self._db = db
        self._leases = leases
        self._wake = wake
        self._me = ids.token(128)
        self._follows: list[tuple[str, Follow]] = []
        self._unwritten: dict[str, Paused | None] = {}
        self._known: set[str] = set()

    def join(self, scope: str, follow: Follow) -> None:
        self._follows.append((scope, follow))

    def begin(self, scope: str, until: datetime, length: timedelta) -> None:
        self._unwritten[scope] = (until, length)
        self._wake.ring_here(TOPIC)

    def end(self, scope: str) -> None:
        self._unwritten[scope] = None
        self._wake.ring_here(TOPIC)

    async def may_try(self, scope: str) -> bool:
        return await self._leases.take(f"try:{scope}", self._me, TRY_SECONDS) is not None

    async def turn(self) -> float:
        with self._wake.listen(TOPIC) as listener:
            if self._unwritten:
                await self._write()
            await self._follow()
            if not self._unwritten:
                await listener.wait(self._wake.limit(LOOK_EVERY, LOOK_EVERY_UNHEARD))
        return 0.0

    async def _write(self) -> None:
        for scope, paused in list(self._unwritten.items()):
            if paused is None:
                await self._db.execute("DELETE FROM provider_pauses WHERE scope = $1", scope)
            else:
                await self._keep(scope, *paused)
            await self._leases.give_back(f"try:{scope}", self._me)
            if self._unwritten.get(scope) == paused:
                del self._unwritten[scope]
        query = (
            "DELETE FROM provider_pauses WHERE paused_until <= now() "
            "AND (starts_with(scope, 'model:') OR starts_with(scope, 'polls:'))"
        )
        await self._db.execute(query)
        self._wake.ring(TOPIC)

    async def _keep(self, scope: str, until: datetime, length: timedelta) -> None:
        """The database's clock counts, so the time that is left is what is written and read."""
        query = """
            INSERT INTO provider_pauses (scope, paused_until, length_ms)
            VALUES ($1, now() + $2::bigint * INTERVAL '1 millisecond', $3)
            ON CONFLICT (scope) DO UPDATE
                SET paused_until = excluded.paused_until, length_ms = excluded.length_ms
            """
        left = (until - ids.now()).total_seconds()
        await self._db.execute(query, scope, _ms(left), _ms(length.total_seconds()))

    async def _follow(self) -> None:
        query = "SELECT scope, paused_until, length_ms, now() AS at FROM provider_pauses"
        rows, at = await self._db.fetch(query), ids.now()
        paused = {
            row["scope"]: (
                at + (row["paused_until"] - row["at"]),
                timedelta(milliseconds=row["length_ms"]),
            )
            for row in rows
            if row["scope"] not in self._unwritten
        }
        ended = self._known - set(paused) - set(self._unwritten)
        if new := set(paused) - self._known:
            log.info("provider_paused", scopes=sorted(new))
        self._known = set(paused)
        for name, of in [*paused.items(), *((name, None) for name in ended)]:
            for scope, follow in self._follows:
                if name.startswith(scope):
                    follow(name, of)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
