"""Retention: what is older than the operator wants to keep is counted, and deleted in batches.

What things cost stays in the books, which know no generation and no message. Every batch is in the
log and in the audit log.
"""

from datetime import datetime, timedelta

from structlog import get_logger

from api.db import Db
from api.generations.aged import Aged
from api.generations.erasure import GenerationEraser
from api.ids import now
from api.media.service import MediaService
from api.retention import store
from api.retention.schemas import DueOut, Kept, KeptDaysOut, PreviewOut, RetentionIn, RetentionOut
from api.retention.store import Found
from api.text.conversations import Conversations
from api.users import audit

log = get_logger("retention")

BATCH = 200
"""Things of one kind that are deleted in one turn."""
ACT = "retention"
"""The audit log's entries of a batch."""
EVERY, GO_ON = 3600.0, 1.0
"""Seconds between two turns, and between those while there is more."""


class Retention:
    def __init__(
        self,
        db: Db,
        eraser: GenerationEraser,
        conversations: Conversations,
        media: MediaService,
    ) -> None:
        self._db = db
        self._eraser = eraser
        self._conversations = conversations
        self._media = media

    async def settings(self) -> RetentionOut:
        found = await store.setting(self._db)
        return RetentionOut() if found is None else RetentionOut.model_validate_json(found)

    async def kept(self) -> KeptDaysOut:
        """Return what members are told."""
        found = await self.settings()
        return KeptDaysOut(media_days=found.media_days, conversations_days=found.conversations_days)

    async def change(self, body: RetentionIn, *, actor_id: str) -> RetentionOut:
        before = await self.settings()
        async with self._db.transaction() as sql:
            await store.set_setting(sql, body.model_dump_json(), now())
            await audit.record(
                sql,
                "retention_settings",
                actor_id=actor_id,
                subject="retention",
                before=before.model_dump(),
                after=body.model_dump(),
            )
        return await self.settings()

    async def preview(self, wanted: RetentionIn | RetentionOut) -> PreviewOut:
        """Return what would be deleted now with these settings."""
        at, items = now(), list[DueOut]()
        if wanted.media_days is not None:
            before = at - timedelta(days=wanted.media_days)
            aged = await self._eraser.count_aged(before)
            items.append(_due("generations", aged, aged.kept))
            items.append(_due("uploads", await store.uploads(self._db, before)))
        if wanted.conversations_days is not None:
            before = at - timedelta(days=wanted.conversations_days)
            items.append(_due("conversations", await store.conversations(self._db, before)))
        if wanted.audit_days is not None:
            before = at - timedelta(days=wanted.audit_days)
            items.append(_due("audit", await store.audit(self._db, before)))
        if wanted.trash_days is not None:
            before = at - timedelta(days=wanted.trash_days)
            items.append(_due("trash", Found(*await self._media.files.trash(before))))
        return PreviewOut(items=items)

    async def turn(self) -> float:
        """Delete a batch of each kind. Returns the seconds until the next turn."""
        wanted, at = await self.settings(), now()
        more = False
        for kind, days, delete in (
            ("generations", wanted.media_days, self._generations),
            ("uploads", wanted.media_days, self._uploads),
            ("conversations", wanted.conversations_days, self._old_conversations),
            ("trash", wanted.trash_days, self._trash),
        ):
            if days is None:
                continue
            deleted = await delete(at - timedelta(days=days))
            await self._told(kind, deleted, days, recorded=deleted > 0)
            more = more or deleted >= BATCH
        if wanted.audit_days is not None:
            before = at - timedelta(days=wanted.audit_days)
            acts = await audit.forget(self._db, before, BATCH)
            # an entry about such entries alone would be due one day, and make the next one
            await self._told("audit", len(acts), wanted.audit_days, recorded=not {*acts} <= {ACT})
            more = more or len(acts) >= BATCH
        return GO_ON if more else EVERY

    async def _told(self, kind: str, count: int, days: int, *, recorded: bool) -> None:
        """Log what was deleted. `recorded`: in the audit log, too."""
        if count:
            log.info("retention_deleted", kind=kind, count=count, older_than_days=days)
        if recorded:
            async with self._db.transaction() as sql:
                facts: audit.Facts = {"count": count, "older_than_days": days}
                await audit.record(sql, ACT, actor_id=None, subject=kind, after=facts)

    async def _generations(self, before: datetime) -> int:
        return await self._eraser.erase_aged(before, BATCH)

    async def _uploads(self, before: datetime) -> int:
        found = await store.old_uploads(self._db, before, BATCH)
        for user_id, media_ids in found.items():
            async with self._db.transaction() as sql:
                files = await self._media.drop_uploads(sql, user_id, media_ids, before)
            await self._media.delete_files(files)
        return sum(map(len, found.values()))

    async def _old_conversations(self, before: datetime) -> int:
        found = await store.old_conversations(self._db, before, BATCH)
        deleted = [
            await self._conversations.delete_unused(user_id, conversation_id, before)
            for conversation_id, user_id in found
        ]
        return sum(deleted)

    async def _trash(self, before: datetime) -> int:
        return await self._media.files.empty_trash(before)


def _due(kind: Kept, found: Found | Aged, kept: int = 0) -> DueOut:
    return DueOut(kind=kind, count=found.count, bytes=found.bytes, oldest=found.oldest, kept=kept)
