"""Rings between processes: LISTEN and NOTIFY of PostgreSQL on one connection outside of the pool.

A ring is sent after the commit of what it tells, not inside: PostgreSQL lets one transaction that
notifies commit at a time. A process that dies in between has rung nobody, and the others see the
change at their next look.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol

import asyncpg
from structlog import get_logger

from api.db import DbUnavailable
from api.db.postgres import CONNECT_SECONDS, translated

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = get_logger("db")

CHANNEL = "allucanget"
CHECKED_EVERY = 30.0
"""A connection whose other end is gone says nothing by itself."""
ANSWER_SECONDS = 5.0
WAITING_MOST = 1000
"""Topics that wait for a connection at most; the oldest are dropped."""


class LocalRings(Protocol):
    """Those who wait for rings in this process."""

    def hears(self, *, others: bool) -> None: ...
    def ring_here(self, topic: str) -> None: ...


class Rings:
    """`turn` after turn keeps the connection; `relay` sends a ring."""

    def __init__(self, url: str, local: LocalRings) -> None:
        self._url = url
        self._local = local
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._pid = 0
        self._outgoing: dict[str, None] = {}
        self._news = asyncio.Event()
        """Set when a topic waits to be sent, and when the connection is lost."""

    def relay(self, topic: str) -> None:
        self._outgoing[topic] = None
        if len(self._outgoing) > WAITING_MOST:
            del self._outgoing[next(iter(self._outgoing))]
        self._news.set()

    async def turn(self) -> float:
        """Connect, or send what comes for a while and see that the connection lives. Raises
        `DbUnavailable`."""
        if self._connection is None:
            await self._connect()
            return 0.0
        try:
            with translated():
                await self._pass_on(self._connection)
        except DbUnavailable:
            self._lose()
            raise
        return 0.0

    async def close(self) -> None:
        """Send the last rings and hang up."""
        if (connection := self._connection) is None:
            return
        self._connection = None
        try:
            with translated():
                await self._send(connection)
                await connection.close(timeout=ANSWER_SECONDS)
        except DbUnavailable as error:
            log.info("rings_not_sent", error=str(error))
            connection.terminate()

    async def _connect(self) -> None:
        with translated():
            connection = await asyncpg.connect(
                self._url, timeout=CONNECT_SECONDS, command_timeout=ANSWER_SECONDS
            )
            try:
                pid = connection.get_server_pid()
                if await connection.fetchval("SELECT pg_backend_pid()") != pid:
                    log.warning(
                        "rings_through_pooler",
                        hint="in its transaction mode rings get lost: see DATABASE_POOLER",
                    )
                await connection.add_listener(CHANNEL, self._heard)
                connection.add_termination_listener(lambda _: self._news.set())
            except BaseException:
                connection.terminate()
                raise
        self._connection, self._pid = connection, pid
        log.info("rings_connected")
        self._local.hears(others=True)

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
        self._local.hears(others=False)

    def _heard(
        self,
        _connection: "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]",
        pid: int,
        _channel: str,
        payload: object,
    ) -> None:
        if pid != self._pid:
            self._local.ring_here(str(payload))

    async def _pass_on(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        end = asyncio.get_running_loop().time() + CHECKED_EVERY
        try:
            async with asyncio.timeout_at(end) as limit:
                while True:
                    await self._news.wait()
                    limit.reschedule(None)  # what is begun to be sent is sent
                    self._news.clear()
                    await self._send(connection)
                    limit.reschedule(end)
        except TimeoutError:
            if not limit.expired():
                raise
        await connection.fetchval("SELECT 1")

    async def _send(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        if connection.is_closed():
            raise DbUnavailable("the connection for rings was lost")
        if topics := list(self._outgoing):
            query = "SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic"
            await connection.fetch(query, CHANNEL, topics)
            for topic in topics:
                self._outgoing.pop(topic, None)
