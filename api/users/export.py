"""Everything that is held about an account, as one zip that is written while it is sent: JSON
files, and the media.

Only secrets, which are hashes, and the server's working data are left out.
"""

import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from api.db import Db, Row
from api.errors import NotFound
from api.media.zip_stream import Sink, add_file

log = structlog.get_logger("export")

PAGE = 500
BUDGETS = "budgets"
"""The file of amounts by month."""

# One file each. `$1` is the user; what can be long is read in pages of `$3` after the id `$2`.
SHORT = {
    "profile": (
        "SELECT id, email, display_name, role, status, language, monthly_micro, guest, "
        "preferences_json, created_at, updated_at "
        "FROM users WHERE id = $1"
    ),
    "links": "SELECT platform, platform_user_id, display_name, chat_id, created_at FROM links "
    "WHERE user_id = $1",
    "joins": (
        "SELECT joins.platform, joins.platform_user_id, joins.name, joins.chat_id, joins.place, "
        "joins.state, joins.created_at, joins.decided_at FROM joins JOIN links "
        "ON links.platform = joins.platform AND links.platform_user_id = joins.platform_user_id "
        "WHERE links.user_id = $1"
    ),
    "sessions": (
        "SELECT client, ip, created_at, last_seen_at, expires_at, revoked_at, revoke_reason "
        "FROM sessions WHERE user_id = $1"
    ),
    "chats_left": "SELECT platform, chat_id, thread_id, left_at FROM chats_left WHERE user_id = $1",
    "drafts": (
        "SELECT id, kind, request_json, parent_id, created_at FROM generation_drafts "
        "WHERE user_id = $1"
    ),
}
LONG = {
    "conversations": (
        "SELECT id, title, created_at, updated_at FROM conversations "
        "WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
    "messages": (
        "SELECT id, conversation_id, role, content, model, cost_micro, images_json, "
        "documents_json, finish_reason, citations_json, thought_ms, "
        "created_at "
        "FROM messages WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
    "generations": (
        "SELECT id, short_id, kind, mode, model, model_name, prompt, options_json, inputs_json, "
        "status, estimate_micro, cost_micro, error_code, error_message, error_reason, "
        "error_params_json, source, platform, chat_id, user_name, parent_id, favourite, "
        "created_at, started_at, finished_at "
        "FROM generations WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
    "ledger": "SELECT id, month, subject, kind, model, amount_micro, created_at FROM ledger "
    "WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    "media": (
        "SELECT id, generation_id, role, position, content_type, size, sha256, width, height, "
        "duration_ms, name, pages, created_at "
        "FROM media WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
    "deliveries": (
        "SELECT id, platform, chat_id, thread_id, user_name, event, generation_id, notice_json, "
        "state, reason, said, created_at, done_at, read_at "
        "FROM deliveries WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
    "audit": (
        "SELECT id, action, before_json, after_json, created_at FROM audit "
        "WHERE subject = $1 AND id > $2 ORDER BY id LIMIT $3"
    ),
}


class ExportedFile(Protocol):
    """A file of the media store."""

    @property
    def id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def content_type(self) -> str: ...


class FileSource(Protocol):
    async def files_of_user(self, user_id: str) -> Sequence[ExportedFile]: ...

    async def whole(self, file_id: str) -> AsyncIterator[bytes]:
        """Raises `NotFound`."""
        ...


class BudgetSource(Protocol):
    async def of_months(self, user_id: str) -> Sequence[Row]:
        """Return the amounts of each month, also those that are held in memory."""
        ...


class ExportService:
    def __init__(self, db: Db, files: FileSource, budgets: BudgetSource) -> None:
        self._db = db
        self._files = files
        self._budgets = budgets

    async def archive(self, user_id: str) -> AsyncIterator[bytes]:
        """Yield the zip. A file that is missing in the media store is left out."""
        sink = Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (*SHORT, BUDGETS, *LONG):
                with archive.open(f"{name}.json", "w") as entry:
                    separator = b"["
                    async for rows in self._pages(name, user_id):
                        for row in rows:
                            entry.write(separator + b"\n" + _json(row))
                            separator = b","
                        yield sink.take()
                    entry.write(b"\n]\n" if separator == b"," else b"[]\n")
            for file in await self._files.files_of_user(user_id):
                async for chunk in self._add_file(archive, sink, file):
                    yield chunk
        yield sink.take()

    async def _pages(self, name: str, user_id: str) -> AsyncIterator[Sequence[Row]]:
        if name == BUDGETS:
            yield await self._budgets.of_months(user_id)
            return
        if name in SHORT:
            yield await self._db.fetch(SHORT[name], user_id)
            return
        after = ""
        while rows := await self._db.fetch(LONG[name], user_id, after, PAGE):
            yield rows
            after = rows[-1]["id"]

    async def _add_file(
        self, archive: zipfile.ZipFile, sink: Sink, file: ExportedFile
    ) -> AsyncIterator[bytes]:
        try:
            chunks = await self._files.whole(file.id)
        except NotFound:
            log.warning("file_left_out", media=file.id)
            return
        async for part in add_file(
            archive, sink, f"media/{file.id}.{file.content_type.partition('/')[2]}", chunks
        ):
            yield part


def _json(row: Row) -> bytes:
    shown = {
        name.removesuffix("_json"): json.loads(value) if name.endswith("_json") and value else value
        for name, value in row.items()
    }
    return json.dumps(shown, ensure_ascii=False, default=_moment).encode()


def _moment(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
