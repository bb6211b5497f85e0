"""Decoders of files from outside, in processes of their own.

No file can grow or end this process, and its memory never holds pixels. A file that ends its
decoder, or takes too long, is looked at no more than twice.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from threading import Event, Lock
from typing import Any

from structlog import get_logger

from api.errors import Conflict, DomainError, StorageUnavailable, TooLarge, UnsupportedMedia
from api.media import file_types
from api.media.decoded import (
    Clip,
    Finding,
    Picture,
    ReadDocument,
    Recording,
    Shrunk,
    SpokenFile,
    Thumbnail,
)
from api.media.decoder_process import DecoderFailed, DecoderProcess, Failure, Unwanted
from api.provider.types import Speech

log = get_logger("decoders")

KINDS = {kind.name: kind for kind in file_types.PICTURES}
ASK_AGAIN = 5.0
"""Seconds after which to ask again for what the end of this process stopped."""
PREPARED = 10.0
"""Seconds after which a decoder is prepared anew, should the last one be gone."""
TRIES = 2
"""A decoder may also end because the machine has no memory left, which is not the file's fault."""

Count = Callable[[Failure], None]
"""Counts files that were too much for a decoder, and decoders that did not start."""


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """Of each decoder. `memory` in bytes: a photo of 108 megapixels takes up to 550 MB. A decoder
    is replaced after so many `jobs`, when it keeps more than `kept` bytes, and after `idle`
    seconds. `look`, `large` and `convert` are the seconds for a usual file, a large picture and a
    conversion."""

    memory: int = 1_000_000_000
    kept: int = 150_000_000
    jobs: int = 1000
    idle: float = 300.0
    look: float = 30.0
    large: float = 120.0
    convert: float = 1800.0


LIMITS = DecoderLimits()
QUICK, UPLOADS, LARGE, LONG = 2, 2, 1, 2
"""Files at a time: those of models, those of users, large pictures, and conversions, which take
minutes. So a slow file keeps no other kind waiting for long, and the memory of all is bounded."""


class _Lane:
    """Threads that ask a decoder each, in turn. Processes of a lane with `keeps` go on to the next
    job. `note` is told why no decoder starts, and None when one has."""

    def __init__(
        self,
        name: str,
        threads: int,
        limits: DecoderLimits,
        count: Count,
        note: Callable[[str | None], None],
        *,
        keeps: bool = False,
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"decoders-{name}")
        self._limits = limits
        self._count = count
        self._note = note
        self._keeps = keeps
        self._idle: list[DecoderProcess] = []
        self._prepared: dict[str, float] = {}
        self._lock = Lock()
        self._closing = Event()

    async def submit(
        self, job: dict[str, Any], data: bytes, seconds: float, stop: Event
    ) -> Finding:
        return await asyncio.wrap_future(self._submit(job, data, seconds, stop))

    def prepare(self, job: dict[str, Any]) -> None:
        """Have a decoder ready soon that has done this job, and does not rest for a while."""
        if self._prepared.get(job["work"], 0.0) + PREPARED <= time.monotonic():
            self._prepared[job["work"]] = time.monotonic()
            with suppress(Conflict):
                self._submit(job, b"", self._limits.look, Event())

    def _submit(
        self, job: dict[str, Any], data: bytes, seconds: float, stop: Event
    ) -> Future[Finding]:
        context = contextvars.copy_context()
        with self._lock:
            if self._closing.is_set():
                raise _stopped()
            return self._threads.submit(context.run, self._run, job, data, seconds, stop)

    def close(self) -> None:
        """End all decoders. Jobs under way and waiting ones get a `Conflict`."""
        with self._lock:
            self._closing.set()
        self._threads.shutdown()
        self.rest(0.0)

    def rest(self, idle: float) -> None:
        """End the decoders that had nothing to do for so long."""
        with self._lock:
            before = time.monotonic() - idle
            ending = [each for each in self._idle if each.idle_since <= before]
            self._idle = [each for each in self._idle if each not in ending]
        for each in ending:
            each.end()

    @property
    def pids(self) -> list[int]:
        """The ids of the decoders that wait for a job."""
        return [each.pid for each in self._idle]

    def _run(self, job: dict[str, Any], data: bytes, seconds: float, stop: Event) -> Finding:
        for tries in range(1, TRIES + 1):
            try:
                return self._ask(job, data, seconds, stop)
            except Unwanted as error:
                raise _stopped() from error
            except DecoderFailed as error:
                failed = error
            self._count(failed.how)
            about = {"work": job["work"], "how": failed.how, "detail": failed.detail}
            log.warning("decoder_failed", **about, bytes=len(data), tries=tries)
            if failed.how in {"memory_short", "timed_out"}:
                break
        if failed.how == "not_started":
            self._note(failed.detail)
        raise failed

    def _ask(self, job: dict[str, Any], data: bytes, seconds: float, stop: Event) -> Finding:
        def unwanted() -> bool:
            return stop.is_set() or self._closing.is_set()

        if unwanted():
            raise Unwanted
        process = self._take()
        try:
            return process.ask(job, data, seconds, unwanted)
        finally:
            if process.has_started:
                self._note(None)
            self._put_back(process)

    def _take(self) -> DecoderProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return DecoderProcess(self._limits.memory)
        except OSError as error:
            raise DecoderFailed("not_started", str(error)) from error

    def _put_back(self, process: DecoderProcess) -> None:
        if process.has_ended:
            return
        limits = self._limits
        if self._keeps and process.jobs < limits.jobs and process.resident <= limits.kept:
            with self._lock:
                self._idle.append(process)
        else:
            process.end()


class Decoders:
    """One for each process. All may raise `TooLarge` with the reason `memory_short` unless the file
    has been paid for, `StorageUnavailable` when no decoder starts, and `Conflict` when this process
    ends."""

    def __init__(self, count: Count = lambda how: None, limits: DecoderLimits = LIMITS) -> None:
        self._limits = limits
        self._trouble: str | None = None
        about = limits, count, self._note
        self.quick = _Lane("quick", QUICK, *about, keeps=True)
        self._uploads = _Lane("uploads", UPLOADS, *about, keeps=True)
        self._large = _Lane("large", LARGE, *about)
        self._long = _Lane("long", LONG, *about)

    def close(self) -> None:
        """End all decoders, and wait for that."""
        for lane in (self.quick, self._uploads, self._large, self._long):
            lane.close()

    def prepare(self, *, is_video: bool) -> None:
        """Have a decoder ready for a file that will come soon."""
        self.quick.prepare({"work": "load_for_videos" if is_video else "nothing"})

    async def tend(self) -> None:
        """End the decoders that had nothing to do for a while. After one did not start, try again,
        and raise `StorageUnavailable` until one does."""
        for lane in (self.quick, self._uploads):
            await asyncio.to_thread(lane.rest, self._limits.idle)
        if self._trouble is not None:
            try:
                await self._quick({"work": "nothing"})
            except DecoderFailed as error:
                raise _no_decoder(error) from error

    def _note(self, trouble: str | None) -> None:
        if trouble is not None and self._trouble is None:
            log.error("no_decoder_starts", why=trouble)
        self._trouble = trouble

    async def made_picture(self, data: bytes) -> Picture:
        """Read a provider's picture. Formats that chats and browsers show stay as they are, also
        when they cannot be decoded; others are written anew as PNG or JPEG. Raises
        `UnsupportedMedia` with the reason `cut_short` or `unusable_image`."""
        try:
            return _picture(await self._look_at_picture(self.quick, "made_picture", data), data)
        except DecoderFailed:
            try:
                return _picture(await self._quick({"work": "undecoded_picture"}, data), data)
            except DecoderFailed:
                return unseen_picture(data)

    async def clean_picture(self, data: bytes) -> Picture:
        """Write a user's image anew: upright by its EXIF, and with nothing except pixels. Raises
        `UnsupportedMedia`, `TooLarge`."""
        try:
            found = await self._look_at_picture(self._uploads, "clean_picture", data)
        except DecoderFailed as error:
            raise _refusal(error, _damaged(data)) from error
        return _picture(found, data)

    async def read_document(self, data: bytes) -> ReadDocument:
        """Read a user's PDF, DOCX or text. Raises `UnsupportedMedia`, `TooLarge`."""
        job = {"work": "read_document"}
        try:
            found = await self._uploads.submit(job, data, self._limits.look, Event())
        except DecoderFailed as error:
            refusal = UnsupportedMedia("document_damaged", format=_document_format(data))
            raise _refusal(error, refusal) from error
        facts = found.facts
        about = facts["content_type"], facts["pages"], facts["chars"]
        return ReadDocument(*about, found.data.decode())

    async def read_clip(self, path: Path) -> Clip:
        """Read size, length and a frame of an MP4. Raises `UnsupportedMedia` with the reason
        `cut_short` or `unusable_video`."""
        job = {"work": "read_clip", **_paths(source=path)}
        try:
            return _clip(await self._quick({**job, "poster": True}))
        except DecoderFailed:
            try:
                return _clip(await self._quick({**job, "poster": False}))
            except DecoderFailed:
                return Clip(None, None, None, None)

    async def shrink_picture(self, source: Path, target: Path, most: int) -> Shrunk:
        """Write a picture of at most `most` bytes to `target`. Raises `TooLarge` when nothing
        helps, and `UnsupportedMedia`."""
        paths = _paths(source=source, target=target)
        try:
            found = await self._look_at_picture(
                self.quick, "shrink_picture", b"", **paths, most=most
            )
        except DecoderFailed as error:
            raise _refusal(error, _not_made(source)) from error
        return _shrunk(found)

    async def shrink_video(self, source: Path, target: Path, most: int, stop: Event) -> Shrunk:
        """Write an MP4 of at most `most` bytes to `target`. Raises `TooLarge` when it is too long
        for that, `UnsupportedMedia`, and `Conflict` after `stop`."""
        paths = _paths(source=source, target=target)
        try:
            found = await self._convert("shrink_video", stop, **paths, most=most)
        except DecoderFailed as error:
            raise _refusal(error, _not_made(source)) from error
        return _shrunk(found)

    async def to_mp4(self, source: Path, container: str, target: Path, stop: Event) -> bool:
        """Write an MP4 of another video, and return whether no decoder found it too much.
        `container`: FFmpeg's name. Raises `UnsupportedMedia` with the reason `cut_short` or
        `unusable_video`, `StorageFull`, and `Conflict` after `stop`."""
        paths = _paths(source=source, target=target)
        try:
            await self._convert("to_mp4", stop, **paths, container=container)
        except DecoderFailed as error:
            if error.how == "not_started":
                raise _no_decoder(error) from error
            return False
        return True

    async def read_recording(self, data: bytes, most: int, piece: int) -> Recording:
        """Write the sound of a person's file anew, in pieces of so many seconds. Raises `TooLarge`
        when it lasts longer than `most` seconds, `UnsupportedMedia`."""
        job = {"work": "read_recording", "most": most, "piece": piece}
        try:
            found = await self._uploads.submit(job, data, self._limits.large, Event())
        except DecoderFailed as error:
            raise _refusal(error, UnsupportedMedia("recording_unreadable")) from error
        return Recording(_cut(found.data, found.facts["sizes"]), found.facts["seconds"])

    async def write_voice(self, parts: Sequence[Speech]) -> SpokenFile | None:
        """Join spoken parts to one Ogg file. None: they are too much for a decoder, or broken."""
        about = [
            {"size": len(each.data), "rate": each.rate, "channels": each.channels} for each in parts
        ]
        job = {"work": "write_voice", "parts": about}
        data = b"".join(each.data for each in parts)
        try:
            found = await self.quick.submit(job, data, self._limits.large, Event())
        except (DecoderFailed, UnsupportedMedia, TooLarge):
            return None
        return SpokenFile(found.data, found.facts["seconds"], found.facts["waveform"])

    async def _look_at_picture(self, lane: _Lane, work: str, data: bytes, **about: Any) -> Finding:
        job = {"work": work, **about}
        found = await lane.submit({**job, "large": False}, data, self._limits.look, Event())
        if "is_large" not in found.facts:
            return found
        return await self._large.submit({**job, "large": True}, data, self._limits.large, Event())

    async def _quick(self, job: dict[str, Any], data: bytes = b"") -> Finding:
        return await self.quick.submit(job, data, self._limits.look, Event())

    async def _convert(self, work: str, stop: Event, **about: Any) -> Finding:
        return await self._long.submit({"work": work, **about}, b"", self._limits.convert, stop)


def unseen_picture(data: bytes) -> Picture:
    """A provider's picture by its first bytes only. Raises `UnsupportedMedia` unless a browser may
    show it."""
    kind = file_types.picture_kind(data[: file_types.HEAD])
    if kind is None or not kind.browsers:
        raise UnsupportedMedia("unusable_image")
    return Picture(data, kind, None, None, None)


def _cut(data: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
    ends = list(accumulate(sizes))
    return tuple(data[end - size : end] for end, size in zip(ends, sizes, strict=True))


def _paths(**paths: Path) -> dict[str, str]:
    return {name: str(path.absolute()) for name, path in paths.items()}


def _picture(found: Finding, given: bytes) -> Picture:
    facts = found.facts
    size = facts["width"], facts["height"]
    return Picture(found.data or given, KINDS[facts["kind"]], *size, _thumbnail(found))


def _clip(found: Finding) -> Clip:
    facts = found.facts
    return Clip(facts["width"], facts["height"], facts["duration_ms"], _thumbnail(found))


def _thumbnail(found: Finding) -> Thumbnail | None:
    size = found.facts["thumbnail"]
    return Thumbnail(found.thumbnail, *size) if size else None


def _shrunk(found: Finding) -> Shrunk:
    facts = found.facts
    return Shrunk(facts["content_type"], facts["extension"], facts["width"], facts["height"])


def _stopped() -> Conflict:
    return Conflict("server_stopped", retry_after=ASK_AGAIN)


def _refusal(failed: DecoderFailed, otherwise: DomainError) -> DomainError:
    """Return the error for a file that cannot be used. `otherwise`: the one for a file that is to
    blame."""
    if failed.how == "not_started":
        return _no_decoder(failed)
    return TooLarge("memory_short") if failed.how == "memory_short" else otherwise


def _no_decoder(failed: DecoderFailed) -> StorageUnavailable:
    return StorageUnavailable("no_decoder", retry_after=ASK_AGAIN, said=failed.detail)


def _damaged(data: bytes) -> UnsupportedMedia:
    kind = file_types.picture_kind(data[: file_types.HEAD])
    if kind is None:
        return UnsupportedMedia("image_unreadable")
    return UnsupportedMedia("image_damaged", format=kind.extension.upper())


def _document_format(data: bytes) -> str:
    return "PDF" if data.startswith(b"%PDF-") else "DOCX" if data.startswith(b"PK") else "–"


def _not_made(source: Path) -> TooLarge:
    return TooLarge("copy_not_made", megabytes=f"{source.stat().st_size / 1_000_000:.1f}")
