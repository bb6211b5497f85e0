"""Conversations: read, searched, renamed, deleted, and the current one of a chat."""

from datetime import datetime

from api import ids
from api.callers import Caller
from api.db import Db
from api.errors import InvalidRequest, NotFound
from api.media.service import MediaService
from api.schemas import Page, usd
from api.text import store
from api.text.context import title_of
from api.text.schemas import ConversationDetailOut, ConversationOut, MessageOut, TextIn
from api.text.store import Conversation, ConversationChat

SHOWN = 1_000


class Conversations:
    def __init__(self, db: Db, media: MediaService) -> None:
        self._db = db
        self._media = media

    async def asked_in(self, caller: Caller, body: TextIn) -> tuple[Conversation, bool]:
        """Return the conversation that a question belongs to, and whether it is a new one, not
        stored yet. Raises `NotFound`."""
        if body.after is not None:
            return await self.own(
                caller.user_id, await store.conversation_of(self._db, body.after) or ""
            ), False
        if body.conversation_id is not None:
            return await self.own(caller.user_id, body.conversation_id), False
        chat = None
        if body.chat_thread is not None:
            chat = _chat(caller, body.chat_thread)
            found = await store.newest_of_chat(self._db, caller.user_id, chat)
            if found is not None:
                return found, False
        now = ids.now()
        return Conversation(
            ids.new_id(), caller.user_id, title_of(body.prompt), now, now, chat
        ), True

    async def leave(self, caller: Caller, thread: str) -> None:
        """Let the chat's next question begin a new conversation; the old one stays among the
        user's."""
        async with self._db.transaction() as sql:
            await store.leave_chat(sql, caller.user_id, _chat(caller, thread), ids.now())

    async def take_up(self, caller: Caller, conversation_id: str, thread: str) -> ConversationOut:
        """Let the chat's next question go on with this conversation, wherever it was before. Raises
        `NotFound`, also for another user's."""
        await self.own(caller.user_id, conversation_id)
        if caller.platform is None:
            raise InvalidRequest("conversation_of_bots")
        chat = _chat(caller, thread)
        async with self._db.transaction() as sql:
            await store.leave_chat(sql, caller.user_id, chat, ids.now())
            await store.move_to_chat(sql, conversation_id, chat, ids.now())
        return ConversationOut.model_validate(await self.own(caller.user_id, conversation_id))

    async def page(
        self, user_id: str, words: str | None, cursor: str | None, limit: int
    ) -> Page[ConversationOut]:
        """Return a page, the last used first; with `words`, only those with them in the title or in
        a message."""
        found = await store.page(self._db, user_id, words, _place(cursor), limit + 1)
        shown = found[:limit]
        next_cursor = store.cursor_of(shown) if len(found) > limit else None
        return Page(
            items=[ConversationOut.model_validate(each) for each in shown], next_cursor=next_cursor
        )

    async def detail(self, user_id: str, conversation_id: str) -> ConversationDetailOut:
        """Raises `NotFound`, also for another user's."""
        found = await self.own(user_id, conversation_id)
        said = await store.messages(self._db, conversation_id, SHOWN)
        pictures = await self._media.own_images(
            user_id, [image for message in said for image in message.images]
        )
        documents = await self._media.documents.shown(
            user_id, [each for message in said for each in message.documents]
        )
        messages = [
            MessageOut(
                id=message.id,
                role=message.role,
                text=message.content,
                images=[pictures[image] for image in message.images if image in pictures],
                documents=[documents[each] for each in message.documents if each in documents],
                model=message.model,
                cost_usd=None if message.cost_micro is None else usd(message.cost_micro),
                finish_reason=message.finish_reason,
                citations=list(message.citations),
                thinking_seconds=(message.thought_ms or 0) / 1000,
                created_at=message.created_at,
            )
            for message in said
        ]
        about = ConversationOut.model_validate(found)
        return ConversationDetailOut(**about.model_dump(), messages=messages)

    async def own_answer(self, user_id: str, answer_id: str) -> str:
        """Return the words of an answer. Raises `NotFound`, also for one of another user's."""
        conversation_id = await store.conversation_of(self._db, answer_id)
        if conversation_id is None:
            raise NotFound("answer_unknown")
        await self.own(user_id, conversation_id)
        return await store.content_of(self._db, answer_id)

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """Delete it with the pictures and documents that were uploaded for it and are used nowhere
        else."""
        await self.own(user_id, conversation_id)
        await self._delete(user_id, conversation_id, None)

    async def delete_unused(self, user_id: str, conversation_id: str, since: datetime) -> bool:
        """Delete it as `delete` does, except one that was used since then: a question makes it
        used when it is accepted. Returns whether it was deleted."""
        return await self._delete(user_id, conversation_id, since)

    async def _delete(self, user_id: str, conversation_id: str, since: datetime | None) -> bool:
        async with self._db.transaction() as sql:
            uploads = await store.delete(sql, conversation_id, unused_since=since)
            if uploads is None:
                return False
            files = await self._media.drop_uploads(sql, user_id, uploads)
        await self._media.delete_files(files)
        return True

    async def rename(self, user_id: str, conversation_id: str, title: str) -> ConversationOut:
        await self.own(user_id, conversation_id)
        await store.rename(self._db, conversation_id, title)
        return ConversationOut.model_validate(await self.own(user_id, conversation_id))

    async def own(self, user_id: str, conversation_id: str) -> Conversation:
        found = await store.conversation(self._db, conversation_id)
        if found is None or found.user_id != user_id:
            raise NotFound("conversation_unknown")
        return found


def _chat(caller: Caller, thread: str) -> ConversationChat:
    if caller.platform is None or caller.chat_id is None:
        raise InvalidRequest("conversation_of_bots", field="chat_thread")
    return ConversationChat(caller.platform, caller.chat_id, thread)


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, last = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError as error:
        raise InvalidRequest("cursor_not_valid", field="cursor") from error
    if at.tzinfo is None or not last:
        raise InvalidRequest("cursor_not_valid", field="cursor")
    return at, last
