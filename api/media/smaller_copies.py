"""Smaller copies of finished files for the limits of chats, made at the first need and stored.

One is made at a time, in the background. The caller waits a while, and asks again when the copy
takes longer.
"""

import asyncio
import tempfile
from pathlib import Path
from threading import Event

import structlog

from api import ids
from api.db import Db
from api.errors import Conflict, NotFound, TooLarge
from api.media import store
from api.media.bucket import storage_errors
from api.media.decoded import Shrunk
from api.media.decoders import ASK_AGAIN, Decoders
from api.media.files import MediaStore, key_of
from api.media.spool import read_file
from api.media.store import MediaRow

log = structlog.get_logger("media")

STEPS = (2_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000)
"""Sizes to which a limit is rounded down, so that a file gets few copies."""
WAIT_SECONDS = 20.0


class SmallerCopies:
    """`stop` is set when the process ends: a copy under way is given up and made at the next
    need."""

    def __init__(self, db: Db, files: MediaStore, decoders: Decoders, stop: Event) -> None:
        self._db = db
        self._files = files
        self._decoders = decoders
        self._turn = asyncio.Semaphore(1)
        self._stop = stop
        self._making: dict[tuple[str, int], asyncio.Task[MediaRow]] = {}

    async def close(self) -> None:
        """Wait for copies that are given up. Call it before the database is closed."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def fit(self, row: MediaRow, max_bytes: int) -> MediaRow:
        """Return `row` or a copy of at most `max_bytes`. Raises `TooLarge` when there can be none,
        `UnsupportedMedia`, `NotFound`, and `Conflict` with `retry_after` while it is being made."""
        if row.size <= max_bytes:
            return row
        step = max((step for step in STEPS if step <= max_bytes), default=0)
        if not step or row.role not in {"image", "video"}:
            raise TooLarge("copy_not_made", megabytes=f"{row.size / 1_000_000:.1f}")
        found = await store.copy_of(self._db, row, step)
        if found is not None:
            return found
        return await self._made(row, step)

    async def _made(self, row: MediaRow, step: int) -> MediaRow:
        task = self._making.get((row.id, step))
        if task is None:
            task = asyncio.create_task(self._make(row, step), name=f"fit {row.id}")
            self._making[row.id, step] = task
            task.add_done_callback(lambda done: self._forget(row, step, done))
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if not done:
            raise Conflict("copy_being_made", retry_after=ASK_AGAIN)
        return task.result()

    def _forget(self, row: MediaRow, step: int, done: asyncio.Task[MediaRow]) -> None:
        del self._making[row.id, step]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("not_made_smaller", media=row.id, most=step, error=str(error))

    async def _make(self, row: MediaRow, step: int) -> MediaRow:
        async with self._turn:
            with (
                storage_errors(writing=True),
                tempfile.TemporaryDirectory(prefix="allucanget-fit-") as folder,
            ):
                source, target = Path(folder, "source"), Path(folder, "target")
                await self._copy(row, source)
                shrunk = await self._shrink(row, source, target, step)
                copy = await self._keep(row, target, shrunk)
        if not await store.add_copy(self._db, copy, row.id, step):
            await self._files.delete([copy.key])
            raise NotFound("file_gone")
        log.info("made_smaller", media=row.id, before=row.size, after=copy.size, most=step)
        return copy

    async def _shrink(self, row: MediaRow, source: Path, target: Path, step: int) -> Shrunk:
        if self._stop.is_set():
            raise Conflict("server_stopped", retry_after=ASK_AGAIN)
        if row.role == "video":
            return await self._decoders.shrink_video(source, target, step, self._stop)
        return await self._decoders.shrink_picture(source, target, step)

    async def _copy(self, row: MediaRow, path: Path) -> None:
        try:
            chunks = await self._files.stream(row.key, 0, row.size)
        except FileNotFoundError as error:
            raise NotFound("file_gone") from error
        with path.open("wb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)

    async def _keep(self, row: MediaRow, path: Path, shrunk: Shrunk) -> MediaRow:
        async with self._files.receive(read_file(path), row.size) as received:
            key = key_of(received.sha256, row.generation_id or row.id, shrunk.extension)
            await self._files.put(received.path, key)
        return MediaRow(
            user_id=row.user_id,
            generation_id=row.generation_id,
            role="thumbnail",
            content_type=shrunk.content_type,
            size=received.size,
            sha256=received.sha256,
            key=key,
            width=shrunk.width,
            height=shrunk.height,
            duration_ms=row.duration_ms,
            thumbnail_id=row.thumbnail_id,
            created_at=ids.now(),
        )
