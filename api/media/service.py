"""Media: files of generations and uploads, their rows, thumbnails and signed links.

A file is stored first and recorded later, in the transaction that finishes its generation, so that
no transaction waits for a disk.
"""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from weakref import WeakValueDictionary

import structlog

from api import errors, ids
from api.db import Db, Duplicate, Sql
from api.errors import Conflict, DomainError, NotFound, TooLarge, UnsupportedMedia
from api.generations.schemas import MediaOut, UploadOut
from api.media import file_types, missing, store
from api.media.bucket import storage_errors
from api.media.decoded import Clip, Picture, Recording, SpokenFile, Thumbnail
from api.media.decoders import Decoders, unseen_picture
from api.media.disk_space import DiskSpace
from api.media.documents import UPLOADED, Documents
from api.media.fetcher import ImageFetcher
from api.media.files import MediaStore, key_of
from api.media.orphans import MediaSweep
from api.media.presigned import PresignedLinks
from api.media.signed_links import SignedLinks
from api.media.smaller_copies import SmallerCopies
from api.media.speeches import speech_file
from api.media.spool import Received, read_file
from api.media.store import MediaRow, Role
from api.provider.types import ImageInput, Speech
from api.text import idempotency

log = structlog.get_logger("media")

UPLOAD_MAX = 40_000_000
"""A photo of 100 megapixels."""
VIDEO_MAX = 200_000_000
TEND, TEND_AWAY = 30.0, 10.0
"""Seconds between looks at the store, and between those while it is away."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A stored file that is not recorded yet, with its thumbnail unless it cannot be decoded."""

    file: MediaRow
    thumbnail: MediaRow | None

    @property
    def rows(self) -> tuple[MediaRow, ...]:
        return (self.file,) if self.thumbnail is None else (self.thumbnail, self.file)


@dataclass(frozen=True, slots=True)
class _ListedFile:
    """The part of a file's row that lists show."""

    id: str
    content_type: str
    size: int
    width: int | None
    height: int | None
    duration_ms: int | None
    thumbnail_id: str | None


_LISTED_FIELDS = tuple(each.name for each in fields(_ListedFile))


class MediaService:
    """`signing_keys` are the server's secrets, the one in use first; `fetcher` gets images by URL;
    `direct` makes links to the store, where browsers reach it. `files`, `links` and `disk_space`
    are for callers that look at the store, check a link, or need room."""

    def __init__(
        self,
        db: Db,
        files: MediaStore,
        disk_space: DiskSpace,
        decoders: Decoders,
        *,
        signing_keys: Sequence[str],
        fetcher: ImageFetcher | None = None,
        direct: PresignedLinks | None = None,
    ) -> None:
        self._db = db
        self.files = files
        self.disk_space = disk_space
        self.links = SignedLinks(signing_keys)
        self.documents = Documents(db, files, disk_space, self.links, decoders)
        self._direct = direct
        self._fetcher = fetcher or ImageFetcher()
        self._decoders = decoders
        self._converting = asyncio.Semaphore(1)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stop = Event()
        self._copies = SmallerCopies(db, files, decoders, self._stop)

    async def close(self) -> None:
        self._stop.set()
        await self._copies.close()

    async def tend(self) -> float:
        """Move waiting files to the store. Returns the seconds until the next turn."""
        await self.files.tend()
        return TEND_AWAY if self.files.state.trouble or self.files.state.waiting else TEND

    async def tend_decoders(self) -> float:
        """End idle decoders. Returns the seconds until the next turn. Raises `StorageUnavailable`
        while no decoder starts."""
        await self._decoders.tend()
        return TEND

    def expect_file(self, *, is_video: bool) -> None:
        """Prepare for a file that will be kept soon."""
        self._decoders.prepare(is_video=is_video)

    def sweep_of(self, folders: Sequence[Path], live: Path | None) -> MediaSweep:
        return MediaSweep(self._db, self.files, folders, live)

    async def missing_files(self) -> int:
        """Return the number of files that are missing since the store changed."""
        return await missing.count(self._db)

    async def forget_missing(self) -> int:
        """Let the next sweeps delete the rows of those, and return their number."""
        return await missing.forget(self._db)

    async def named_files(self, folder: str) -> list[str]:
        """Return the files that rows name in one of the 256 folders of the store."""
        return sorted(await store.keys(self._db, folder))

    async def keep_image(
        self, user_id: str, generation_id: str, position: int, data: bytes, *, look: bool = True
    ) -> KeptFile:
        """Store a generated image: unchanged when chats and browsers show it, even if it cannot be
        decoded, else as PNG or JPEG. Without a `look` into it, it has no size and no thumbnail.
        Raises `UnsupportedMedia` with the reason `cut_short` or `unusable_image`, `StorageFull`."""
        picture = await self._decoders.made_picture(data) if look else unseen_picture(data)
        return await self._keep_picture(picture, "image", user_id, generation_id, position)

    async def keep_shown(self, user_id: str, data: bytes) -> KeptFile:
        """Store a picture from a written answer. Like an upload it goes with the last conversation
        that shows it. Raises as `keep_image`."""
        picture = await self._decoders.made_picture(data)
        return await self._keep_picture(picture, "upload", user_id, None)

    async def read_recording(self, data: bytes, most: int, piece: int) -> Recording:
        """Raises as `Decoders.read_recording`."""
        return await self._decoders.read_recording(data, most, piece)

    async def keep_speech(
        self, user_id: str, parts: Sequence[Speech]
    ) -> tuple[KeptFile, SpokenFile | None]:
        """Store spoken words. Like an upload they go when they are old, or with their account."""
        made = await speech_file(self._decoders, parts)
        media_id, sha256 = ids.new_id(), hashlib.sha256(made.data).hexdigest()
        key = key_of(sha256, media_id, file_types.EXTENSIONS[made.content_type])
        await self.files.put(made.data, key)
        row = MediaRow(
            id=media_id,
            user_id=user_id,
            role="upload",
            content_type=made.content_type,
            size=len(made.data),
            sha256=sha256,
            key=key,
            duration_ms=None if made.seconds is None else round(made.seconds * 1000),
        )
        return KeptFile(row, None), made.voice

    async def fresh(self, media_id: str) -> MediaOut:
        """Return a file with a fresh link, for its owner. Raises `NotFound`."""
        row = await store.by_id(self._db, media_id)
        if row is None:
            raise NotFound("file_gone")
        return self._out(row)

    async def keep_video(
        self, user_id: str, generation_id: str, chunks: AsyncIterator[bytes]
    ) -> KeptFile:
        """Store a video, as MP4 also if it is WebM, MKV or GIF; one that is too much for a decoder
        stays what it is. Raises `UnsupportedMedia` with the reason `cut_short` (fetched again it
        may be whole) or `unusable_video`, `TooLarge`, `StorageFull`, `Conflict` when the process
        ends, and what `chunks` raises."""
        async with self.files.receive(chunks, VIDEO_MAX) as received:
            container = file_types.video_format(received.head)
            if container is None:
                raise UnsupportedMedia("unusable_video")
            if container == "mp4":
                clip = await self._decoders.read_clip(received.path)
                return await self._keep_clip(received, clip, user_id, generation_id)
            with (
                storage_errors(writing=True),
                tempfile.TemporaryDirectory(prefix="allucanget-mp4-") as folder,
            ):
                made = Path(folder, "made.mp4")
                async with self._converting:
                    done = await self._decoders.to_mp4(received.path, container, made, self._stop)
                if not done:
                    log.warning("kept_as_it_came", generation=generation_id, container=container)
                    unseen = Clip(None, None, None, None)
                    return await self._keep_clip(received, unseen, user_id, generation_id)
                log.info(
                    "made_mp4", generation=generation_id, container=container, before=received.size
                )
                async with self.files.receive(read_file(made), VIDEO_MAX) as converted:
                    clip = await self._decoders.read_clip(converted.path)
                    return await self._keep_clip(converted, clip, user_id, generation_id)

    async def _keep_clip(
        self, received: Received, clip: Clip, user_id: str, generation_id: str
    ) -> KeptFile:
        content_type = file_types.video_type(received.head)
        key = key_of(received.sha256, generation_id, file_types.EXTENSIONS[content_type])
        poster = self._keep_thumbnail(clip.thumbnail, user_id, generation_id, generation_id)
        thumbnail = await self._put(received.path, key, poster)
        row = MediaRow(
            user_id=user_id,
            generation_id=generation_id,
            role="video",
            content_type=content_type,
            size=received.size,
            sha256=received.sha256,
            key=key,
            width=clip.width,
            height=clip.height,
            duration_ms=clip.duration_ms,
            thumbnail_id=thumbnail.id if thumbnail else None,
        )
        return KeptFile(row, thumbnail)

    async def _keep_picture(
        self,
        picture: Picture,
        role: Role,
        user_id: str,
        generation_id: str | None,
        position: int = 0,
    ) -> KeptFile:
        media_id = ids.new_id()
        owner = generation_id or media_id
        sha256 = hashlib.sha256(picture.data).hexdigest()
        key = key_of(sha256, owner, picture.kind.extension)
        smaller = self._keep_thumbnail(picture.thumbnail, user_id, generation_id, owner)
        thumbnail = await self._put(picture.data, key, smaller)
        row = MediaRow(
            id=media_id,
            user_id=user_id,
            generation_id=generation_id,
            role=role,
            position=position,
            content_type=picture.kind.content_type,
            size=len(picture.data),
            sha256=sha256,
            key=key,
            width=picture.width,
            height=picture.height,
            thumbnail_id=thumbnail.id if thumbnail else None,
        )
        return KeptFile(row, thumbnail)

    async def _put(
        self, source: Path | bytes, key: str, thumbnail: Awaitable[MediaRow | None]
    ) -> MediaRow | None:
        """Store a file, and its thumbnail meanwhile. A thumbnail that cannot be stored costs itself
        alone. Raises when both have ended, because the file is read until then."""
        failed, made = await asyncio.gather(
            self.files.put(source, key), thumbnail, return_exceptions=True
        )
        if failed is not None:
            raise failed
        if isinstance(made, DomainError | OSError):
            log.warning("thumbnail_not_kept", key=key, error=str(made))
            return None
        if isinstance(made, BaseException):
            raise made
        return made

    async def _keep_thumbnail(
        self, made: Thumbnail | None, user_id: str, generation_id: str | None, owner: str
    ) -> MediaRow | None:
        if made is None:
            return None
        sha256 = hashlib.sha256(made.data).hexdigest()
        key = key_of(sha256, owner, "webp")
        await self.files.put(made.data, key)
        return MediaRow(
            user_id=user_id,
            generation_id=generation_id,
            role="thumbnail",
            content_type="image/webp",
            size=len(made.data),
            sha256=sha256,
            key=key,
            width=made.width,
            height=made.height,
        )

    async def record(self, sql: Sql, kept: KeptFile, owner_id: str | None = None) -> str:
        """Insert the rows of a stored file, inside the caller's transaction. `owner_id`: the owner
        by now. Returns the media id."""
        for row in kept.rows:
            await store.add(sql, replace(row, user_id=owner_id or row.user_id))
        return kept.file.id

    async def discard(self, kept: Sequence[KeptFile]) -> None:
        """Delete stored files that will not be recorded."""
        await self.delete_files([row.key for each in kept for row in each.rows])

    async def upload(self, user_id: str, data: bytes, key: str | None = None) -> UploadOut:
        """Store an input image of a user, cleaned; with the Idempotency-Key `key` of an earlier
        upload of the same file, return that one. Raises `UnsupportedMedia`, `TooLarge`,
        `StorageFull`, and `Conflict` when the key was used for something else."""
        if len(data) > UPLOAD_MAX:
            raise TooLarge("file_too_large", megabytes=UPLOAD_MAX // 1_000_000)
        body_hash = hashlib.sha256(data).hexdigest()
        if (earlier := await self._uploaded(user_id, key, body_hash)) is not None:
            return earlier
        await self.disk_space.require()
        # one file of a user at a time, so that slow ones hold up nobody else
        async with self._turns.setdefault(user_id, asyncio.Lock()):
            picture = await self._decoders.clean_picture(data)
        kept = await self._keep_picture(picture, "upload", user_id, None)
        made = UploadOut.model_validate(kept.file)
        try:
            async with self._db.transaction() as sql:
                await self.record(sql, kept)
                if key is not None:
                    used, subject = idempotency.key_of(user_id, key), UPLOADED + made.id
                    claim = idempotency.Claim(used, body_hash, subject)
                    await idempotency.claim(sql, [claim], ids.now())
                    await idempotency.keep(sql, [(used, subject, made.model_dump_json())])
        except Duplicate as error:
            await self.discard([kept])
            if (earlier := await self._uploaded(user_id, key, body_hash)) is None:
                raise Conflict("sent_at_same_moment") from error
            return earlier
        return made

    async def _uploaded(self, user_id: str, key: str | None, body_hash: str) -> UploadOut | None:
        if key is None:
            return None
        found = await idempotency.recall(self._db, idempotency.key_of(user_id, key))
        if found is None:
            return None
        if found.body_hash != body_hash or found.answer_json is None:
            raise Conflict("key_of_other_request")
        return UploadOut.model_validate_json(found.answer_json)

    async def upload_from_url(self, user_id: str, url: str) -> UploadOut:
        """Store the image at an https address. Raises as `upload`, and `InvalidRequest`."""
        return await self.upload(user_id, await self._fetcher.fetch(url))

    async def check_input(self, user_id: str, media_id: str) -> str | None:
        """Return the generation that made an image, None for an upload. Raises `NotFound` unless it
        is an upload or a generated image of this user."""
        return (await self._own_image(user_id, media_id)).generation_id

    async def input_image(self, user_id: str, media_id: str) -> ImageInput:
        """Read the image for a provider. Raises `NotFound`."""
        row = await self._own_image(user_id, media_id)
        try:
            return ImageInput(row.content_type, await self.files.read(row.key))
        except FileNotFoundError as error:
            log.exception("file_missing", media=media_id, key=row.key)
            raise NotFound("image_gone") from error

    async def _own_image(self, user_id: str, media_id: str) -> MediaRow:
        row = await store.by_id(self._db, media_id)
        if row is None or row.user_id != user_id or row.role not in {"upload", "image"}:
            raise NotFound("image_unknown")
        if not row.content_type.startswith("image/"):  # a document, or speech
            raise NotFound("image_unknown")
        return row

    async def own_images(self, user_id: str, media_ids: Sequence[str]) -> dict[str, MediaOut]:
        """Return the existing images of the user, with fresh links."""
        rows = await store.own_images(self._db, user_id, media_ids) if media_ids else []
        return {row.id: self._out(row) for row in rows}

    async def of_generations(self, generation_ids: Sequence[str]) -> dict[str, list[MediaOut]]:
        """Return the results of finished generations, in order, with fresh links. An id without
        files is left out."""
        found: dict[str, list[MediaOut]] = {}
        if not generation_ids:
            return found
        for row in await store.of_generations(self._db, generation_ids):
            if row.role in {"image", "video"} and row.generation_id is not None:
                found.setdefault(row.generation_id, []).append(self._out(row))
        return found

    def listed(self, kept: Sequence[KeptFile]) -> str:
        """Return the JSON of new files that `shown` reads later: their rows never change."""
        return json.dumps(
            [{name: getattr(each.file, name) for name in _LISTED_FIELDS} for each in kept]
        )

    def shown(self, listed: str) -> list[MediaOut]:
        """Return the files with fresh links, without asking the database."""
        return [self._out(_ListedFile(**each)) for each in json.loads(listed)]

    def _out(self, row: MediaRow | _ListedFile) -> MediaOut:
        return MediaOut(
            id=row.id,
            url=self.links.path(row.id),
            thumbnail_url=self.links.path(row.thumbnail_id) if row.thumbnail_id else None,
            content_type=row.content_type,
            size=row.size,
            width=row.width,
            height=row.height,
            duration=None if row.duration_ms is None else row.duration_ms / 1000,
        )

    async def fit(self, row: MediaRow, max_bytes: int) -> MediaOut:
        """Return the file, or a smaller copy of it. Raises as `SmallerCopies.fit`."""
        return self._out(await self._copies.fit(row, max_bytes))

    async def find(self, media_id: str) -> MediaRow | None:
        return await store.by_id(self._db, media_id)

    async def direct_link(self, row: MediaRow, disposition: str) -> str | None:
        """Return a link to the store itself; None when the file is to come from here, as thumbnails
        do, which browsers keep, and files that the store has not taken yet."""
        if self._direct is None or row.role == "thumbnail" or await self.files.waits(row.key):
            return None
        return self._direct.link(row.key, content_type=row.content_type, disposition=disposition)

    async def stream(self, row: MediaRow, start: int, end: int) -> AsyncIterator[bytes]:
        """Read the bytes from `start` to before `end`. Raises `NotFound`."""
        try:
            return await self.files.stream(row.key, start, end)
        except FileNotFoundError as error:
            log.exception("file_missing", media=row.id, key=row.key)
            raise NotFound("file_gone") from error

    async def files_of_user(self, user_id: str) -> list[MediaRow]:
        """Return the user's files without smaller copies."""
        return await store.of_user(self._db, user_id, copies=False)

    async def whole(self, media_id: str) -> AsyncIterator[bytes]:
        """Read a whole file. Raises `NotFound`."""
        row = await store.by_id(self._db, media_id)
        if row is None:
            raise NotFound("file_gone")
        return await self.stream(row, 0, row.size)

    async def drop_generation(self, sql: Sql, generation_id: str) -> list[str]:
        """Delete the rows of a generation's files, in the transaction that deletes it: nothing else
        names them. Returns the names of the files, for `delete_files` after the commit."""
        return await store.drop_generation(sql, generation_id)

    async def mark_used(self, sql: Sql, media_ids: Sequence[str]) -> None:
        """Begin the age of these uploads anew: something uses them from this transaction on."""
        if media_ids:
            await store.mark_used(sql, media_ids, ids.now())

    async def drop_uploads(
        self, sql: Sql, user_id: str, media_ids: Sequence[str], before: datetime | None = None
    ) -> list[str]:
        """Delete the rows of those uploads that nothing of the user's uses, and that were used last
        before then. Returns the names of their files, for `delete_files` after the commit."""
        return await store.drop_uploads(sql, user_id, media_ids, before) if media_ids else []

    async def erase_user(self, user_id: str) -> None:
        await self._erase(await store.of_user(self._db, user_id))

    async def _erase(self, rows: Sequence[MediaRow]) -> None:
        """Delete files, then rows, which tell the rest of the work after a crash in between."""
        if rows:
            await self.delete_files(sorted({row.key for row in rows}))
            await store.delete(self._db, [row.id for row in rows])

    async def delete_files(self, keys: Sequence[str]) -> None:
        """Delete files of rows that are gone or go now. A store that is away stops nothing: files
        without rows are swept."""
        try:
            await self.files.delete(keys)
        except errors.StorageUnavailable as error:
            log.warning("files_not_deleted", files=len(keys), error=error.detail)
