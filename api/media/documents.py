"""Documents: files that people give to text models, kept as uploads with a name.

A PDF is kept as it came, everything else as the text in it. What the provider has made of a PDF is
kept beside it, in place of a thumbnail, and goes with it.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from api import ids
from api.db import Db, Duplicate
from api.errors import Conflict, NotFound, StorageUnavailable, TooLarge
from api.media import store
from api.media.decoders import Decoders
from api.media.disk_space import DiskSpace
from api.media.file_types import DOCUMENT_EXTENSIONS, PDF
from api.media.files import MediaStore, key_of
from api.media.signed_links import SignedLinks
from api.media.store import MediaRow
from api.provider.types import ParsedFile
from api.text import idempotency
from api.text.schemas import DocumentOut
from api.unicode import storable

log = structlog.get_logger("documents")

DOCUMENT_MAX = 20_000_000
"""Bytes; bots can fetch no more everywhere."""
NAME_MAX = 120
UNNAMED = "file"
UPLOADED = "upload:"
_PARSED_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Document:
    """`pages` of a PDF, else None. `parsed_id`: the file with what the provider has made of it."""

    id: str
    name: str
    pages: int | None
    chars: int
    key: str
    parsed_id: str | None

    @property
    def is_pdf(self) -> bool:
        return self.pages is not None


class Documents:
    def __init__(
        self,
        db: Db,
        files: MediaStore,
        disk_space: DiskSpace,
        links: SignedLinks,
        decoders: Decoders,
    ) -> None:
        self._db = db
        self._files = files
        self._disk_space = disk_space
        self._links = links
        self._decoders = decoders
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def upload(
        self, user_id: str, name: str, data: bytes, key: str | None = None
    ) -> DocumentOut:
        """Keep a file of a user; with the Idempotency-Key `key` of an earlier upload of the same
        file, return that one. Raises `UnsupportedMedia`, `TooLarge`, `StorageFull`, and `Conflict`
        when the key was used for something else."""
        if len(data) > DOCUMENT_MAX:
            raise TooLarge("file_too_large", megabytes=DOCUMENT_MAX // 1_000_000)
        # not the hash of the same bytes sent as a picture with the same key
        body_hash = hashlib.sha256(b"document\0" + data).hexdigest()
        if (earlier := await self._uploaded(user_id, key, body_hash)) is not None:
            return earlier
        await self._disk_space.require()
        # one file of a user at a time, so that slow ones hold up nobody else
        async with self._turns.setdefault(user_id, asyncio.Lock()):
            found = await self._decoders.read_document(data)
        kept = data if found.content_type == PDF else found.text.encode()
        media_id = ids.new_id()
        sha256 = hashlib.sha256(kept).hexdigest()
        row = MediaRow(
            id=media_id,
            user_id=user_id,
            role="upload",
            content_type=found.content_type,
            size=len(kept),
            sha256=sha256,
            key=key_of(sha256, media_id, DOCUMENT_EXTENSIONS[found.content_type]),
            name=_named(name),
            pages=found.pages,
            chars=found.chars,
        )
        await self._files.put(kept, row.key)
        try:
            await self._record(row, key, body_hash)
        except Duplicate as error:
            await self._discard(row.key)
            if (earlier := await self._uploaded(user_id, key, body_hash)) is None:
                raise Conflict("sent_at_same_moment") from error
            return earlier
        return self._out(row)

    async def _record(self, row: MediaRow, key: str | None, body_hash: str) -> None:
        async with self._db.transaction() as sql:
            await store.add(sql, row)
            if key is not None:
                used, subject = idempotency.key_of(row.user_id, key), UPLOADED + row.id
                claim = idempotency.Claim(used, body_hash, subject)
                await idempotency.claim(sql, [claim], ids.now())
                shown = self._out(row).model_dump_json()
                await idempotency.keep(sql, [(used, subject, shown)])

    async def _uploaded(self, user_id: str, key: str | None, body_hash: str) -> DocumentOut | None:
        if key is None:
            return None
        found = await idempotency.recall(self._db, idempotency.key_of(user_id, key))
        if found is None:
            return None
        if found.body_hash != body_hash or found.answer_json is None:
            raise Conflict("key_of_other_request")
        return DocumentOut.model_validate_json(found.answer_json)

    async def shown(self, user_id: str, document_ids: Sequence[str]) -> dict[str, DocumentOut]:
        """Return the existing documents of the user, with fresh links."""
        rows = await self._rows(user_id, document_ids)
        return {row.id: self._out(row) for row in rows}

    async def own(self, user_id: str, document_ids: Sequence[str]) -> list[Document]:
        """Return the existing documents of the user, in this order."""
        rows = {row.id: row for row in await self._rows(user_id, document_ids)}
        return [_document(rows[each]) for each in document_ids if each in rows]

    async def _rows(self, user_id: str, document_ids: Sequence[str]) -> list[MediaRow]:
        if not document_ids:
            return []
        return await store.own_documents(self._db, user_id, document_ids)

    async def read(self, document: Document) -> bytes:
        """Return the PDF, or the text in UTF-8. Raises `NotFound`."""
        try:
            return await self._files.read(document.key)
        except FileNotFoundError as error:
            log.exception("file_missing", media=document.id, key=document.key)
            raise NotFound("file_gone") from error

    async def parsed(self, document: Document) -> ParsedFile | None:
        """Return what the provider has made of a PDF; None: nothing is kept."""
        if document.parsed_id is None:
            return None
        row = await store.by_id(self._db, document.parsed_id)
        if row is None:
            return None
        try:
            told = await self._files.read(row.key)
        except FileNotFoundError:
            log.warning("parsed_file_missing", media=document.id, key=row.key)
            return None
        return ParsedFile(told.decode(), row.chars or len(told))

    async def keep_parsed(self, user_id: str, document_id: str, parsed: ParsedFile) -> None:
        """Keep what the provider has made of a PDF, unless there is something already."""
        data, media_id = parsed.json.encode(), ids.new_id()
        sha256 = hashlib.sha256(data).hexdigest()
        row = MediaRow(
            id=media_id,
            user_id=user_id,
            role="thumbnail",
            content_type=_PARSED_TYPE,
            size=len(data),
            sha256=sha256,
            key=key_of(sha256, media_id, "json"),
            chars=parsed.chars,
        )
        await self._files.put(data, row.key)
        async with self._db.transaction() as sql:
            is_first = await store.set_companion(sql, user_id, document_id, row.id)
            if is_first:
                await store.add(sql, row)
        if not is_first:
            await self._discard(row.key)

    async def _discard(self, key: str) -> None:
        """Delete a file that has no row. A store that is away stops nothing: such files are
        swept."""
        try:
            await self._files.delete([key])
        except StorageUnavailable as error:
            log.warning("files_not_deleted", files=1, error=error.detail)

    def _out(self, row: MediaRow) -> DocumentOut:
        return DocumentOut(
            id=row.id,
            name=row.name or UNNAMED,
            content_type=row.content_type,
            size=row.size,
            pages=row.pages,
            chars=row.chars or 0,
            url=self._links.path(row.id),
        )


def _document(row: MediaRow) -> Document:
    return Document(
        row.id, row.name or UNNAMED, row.pages, row.chars or 0, row.key, row.thumbnail_id
    )


def _named(name: str) -> str:
    """Return a file's name without its folders and without signs that nobody sees."""
    last = storable(name).replace("\\", "/").rpartition("/")[2]
    plain = "".join(sign for sign in last if sign.isprintable() and sign not in '<>"')
    return plain.strip()[-NAME_MAX:] or UNNAMED
