"""Messages on Telegram: texts, drafts, files and albums, sent, edited and deleted, with the texts
that stand in them."""

import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog
import telegram
from telegram.error import InvalidToken

from bots.core.recent import Recent
from bots.core.splitting import utf16_units
from bots.core.types import ReplyFile, SendFailed
from bots.telegram import render
from bots.telegram.calls import (
    ENTITIES_REFUSED,
    FILE_UNKNOWN,
    PHOTO_REFUSED,
    VOICE_REFUSED,
    Calls,
    TelegramRefusal,
)
from bots.telegram.drafts import draft_of
from bots.telegram.markup import Marked
from bots.telegram.render import AlbumStep, DraftStep, FileStep, TextStep, as_document, known_as

log = structlog.get_logger()

NO_TEXT = "no text in the message"
NOT_MODIFIED = "message is not modified"
UNDELETABLE = ("can't be deleted", "message_delete_forbidden")
NO_LINK_PREVIEW = telegram.LinkPreviewOptions(is_disabled=True)
MEMORY = 2_000
NO_WORDS_LEFT = "🗑️"
EMPTY_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAKAAAABaCAAAAAAarQKOAAAAVElEQVR42u3OMQEAAAgDoGn/YMayxg5IwFy6bQQFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQ"
    "UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQVrPFoGAXz8JysdAAAAAElFTkSuQmCC"
)


@dataclass(frozen=True, slots=True)
class SendTarget:
    """The chat, topic and message that a message answers to, in Telegram's types. `public`: other
    people read along. `album`: the messages above it that it points at."""

    chat_id: int
    thread_id: int | None
    reply_to: int | None
    quiet: bool
    public: bool
    album: tuple[int, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of every call that sends a message."""
        fields = {"message_thread_id": self.thread_id, "disable_notification": self.quiet}
        if self.reply_to is None:
            return fields
        answered = telegram.ReplyParameters(self.reply_to, allow_sending_without_reply=True)
        return fields | {"reply_parameters": answered}


@dataclass(frozen=True, slots=True)
class Sent:
    """Message ids, and the ref of each file."""

    message_ids: tuple[int, ...]
    refs: tuple[str | None, ...] = ()


class TelegramMessages:
    """All methods raise the errors of `Calls.make`. `draftless`: chats that take no drafts."""

    def __init__(self, bot: telegram.Bot, calls: Calls) -> None:
        self._bot = bot
        self._calls = calls
        self._texts: Recent[tuple[int, int], TextStep] = Recent(MEMORY)
        self._drafts: Recent[tuple[int, int], DraftStep] = Recent(MEMORY)
        self.draftless: Recent[int, None] = Recent(MEMORY)
        self._with_file: Recent[tuple[int, int], None] = Recent(MEMORY)
        self._changed: Recent[int, tuple[float, int]] = Recent(MEMORY)

    def has_file(self, chat_id: int, message_id: int) -> None:
        """Remember that the message has a caption and no text. It spares an edit that Telegram
        would refuse."""
        self._with_file[chat_id, message_id] = None

    def changed(self, chat_id: int) -> tuple[float, int]:
        """The time of the last text in the chat, and its length."""
        return self._changed.get(chat_id, (float("-inf"), 0))

    async def take(self, target: SendTarget, step: render.Step, earlier: Sent | None) -> Sent:
        """Carry out one step. `earlier` is its result, if it was carried out before: a text is
        edited then, files stay."""
        if isinstance(step, DraftStep):
            return await self._draft(target, step)
        if isinstance(step, TextStep):
            message_id = step.message_id if earlier is None else earlier.message_ids[0]
            if message_id is not None:
                return await self._edit(target.chat_id, message_id, step)
            fields = _text_fields(step) | target.fields
            if step.hint is not None:
                # in a group, only the person who is answered gets the field
                fields["reply_markup"] = telegram.ForceReply(
                    selective=target.public, input_field_placeholder=step.hint or None
                )
            message = await self._calls.make(self._bot.send_message, target.chat_id, **fields)
            self._remember(target.chat_id, message.message_id, step)
            return Sent((message.message_id,))
        if earlier is not None:
            return earlier
        if isinstance(step, AlbumStep):
            return await self._album(target, step)
        return await self._file(target, step)

    async def _draft(self, target: SendTarget, step: DraftStep) -> Sent:
        """Show a draft, which waits for nobody's turn and may be left out. A chat that takes no
        drafts gets a message, which the next preview edits."""
        draft_id = draft_of(target.reply_to)
        if self._drafts.get((target.chat_id, draft_id)) == step:
            return Sent(())
        try:
            await self._calls.make(
                self._bot.send_message_draft,
                target.chat_id,
                draft_id=draft_id,
                text=step.words.text,
                message_thread_id=target.thread_id,
                entities=step.words.entities,
                # the library knows an older Bot API, which had no stop sign yet
                api_kwargs={"can_stop": True, "keep_on_stop": True} if step.buttons else None,
                patience=0.0,
                repeatable=True,
            )
        except SendFailed as failed:
            refused = isinstance(failed, TelegramRefusal)
            if not refused and not isinstance(failed.__cause__, InvalidToken):
                return Sent(())
            self.draftless[target.chat_id] = None
            log.info("no_drafts_here", reason=str(failed))
            if not step.words.text:
                return Sent(())
            return await self.take(target, TextStep(step.words, step.buttons), None)
        self._drafts[target.chat_id, draft_id] = step
        return Sent(())

    async def _edit(self, chat_id: int, message_id: int, step: TextStep) -> Sent:
        """Edit a text or a caption. Telegram refuses an edit that changes nothing, and counts it: a
        text that stands there already is not sent again."""
        known = self._texts.get((chat_id, message_id))
        if known is not None and (known.words, known.buttons) == (step.words, step.buttons):
            return Sent((message_id,))
        captioned = (chat_id, message_id) in self._with_file
        edit = self._edit_caption if captioned else self._edit_text
        try:
            await edit(chat_id, message_id, step)
        except TelegramRefusal as refused:
            if refused.says(NO_TEXT) and not captioned:
                self.has_file(chat_id, message_id)
                return await self._edit(chat_id, message_id, step)
            if not refused.says(NOT_MODIFIED):
                raise
        if step.idle:
            self._texts[chat_id, message_id] = step  # a growing answer is not held up by it
        else:
            self._remember(chat_id, message_id, step)
        return Sent((message_id,))

    async def _edit_text(self, chat_id: int, message_id: int, step: TextStep) -> None:
        await self._calls.make(
            self._bot.edit_message_text,
            chat_id,
            message_id=message_id,
            repeatable=True,
            idle=step.idle,
            **_text_fields(step),
        )

    async def _edit_caption(self, chat_id: int, message_id: int, step: TextStep) -> None:
        if utf16_units(step.words.text) > render.LIMITS.caption:
            raise TelegramRefusal("the text is too long for a caption")
        await self._calls.make(
            self._bot.edit_message_caption,
            chat_id,
            message_id=message_id,
            caption=step.words.text,
            caption_entities=step.words.entities,
            reply_markup=render.keyboard(step.buttons),
            repeatable=True,
        )

    async def _file(self, target: SendTarget, step: FileStep) -> Sent:
        file = step.file
        while True:
            call, fields = self._sending(file)
            try:
                message = await self._calls.make(
                    call,
                    target.chat_id,
                    filename=file.name,
                    caption=step.caption.text or None,
                    caption_entities=step.caption.entities,
                    reply_markup=render.keyboard(step.buttons),
                    **fields,
                    **target.fields,
                )
            except TelegramRefusal as refused:
                if known_as(file) is not None and refused.says(*FILE_UNKNOWN):
                    file = replace(file, ref=None)
                elif file.kind == "photo" and refused.says(*PHOTO_REFUSED):
                    file = as_document(file)
                elif file.kind == "voice" and refused.says(*VOICE_REFUSED):
                    return await self._audio(target, step)
                else:
                    raise
                if not file.data:
                    raise
            else:
                return Sent((message.message_id,), (_ref(message),))

    async def _audio(self, target: SendTarget, step: FileStep) -> Sent:
        """Send a voice as a piece of music, to a person who takes no voice messages."""
        message = await self._calls.make(
            self._bot.send_audio,
            target.chat_id,
            audio=step.file.data,
            duration=_whole_seconds(step.file),
            filename=step.file.name,
            caption=step.caption.text or None,
            caption_entities=step.caption.entities,
            reply_markup=render.keyboard(step.buttons),
            **target.fields,
        )
        return Sent((message.message_id,), (_ref(message),))

    def _sending(
        self, file: ReplyFile
    ) -> tuple[Callable[..., Awaitable[telegram.Message]], dict[str, Any]]:
        """The method that sends such a file, and its fields."""
        kind, content = known_as(file) or (file.kind, file.data)
        if kind == "photo":
            return self._bot.send_photo, {"photo": content, "has_spoiler": file.spoiler}
        if kind == "video":
            video = {"video": content, "has_spoiler": file.spoiler}
            return self._bot.send_video, video | _video_fields(file)
        if kind == "voice":
            return self._bot.send_voice, {"voice": content, "duration": _whole_seconds(file)}
        document = {"document": content, "thumbnail": file.thumbnail}
        return self._bot.send_document, document | {"disable_content_type_detection": True}

    async def _album(self, target: SendTarget, step: AlbumStep) -> Sent:
        try:
            return await self._send_album(target, step)
        except TelegramRefusal as refused:
            files, words = step.files, step.caption
            if refused.says(*FILE_UNKNOWN) and any(known_as(one) for one in files):
                files = tuple(replace(one, ref=None) for one in files)
            elif refused.says(*PHOTO_REFUSED):
                files = tuple(as_document(one) for one in files)
            elif refused.says(*ENTITIES_REFUSED) and words.entities:
                words = Marked(words.text)
            else:
                raise
        return await self._send_album(target, AlbumStep(files, words))

    async def _send_album(self, target: SendTarget, step: AlbumStep) -> Sent:
        first, *more = step.files
        media = [_medium(first, step.caption), *map(_medium, more)]
        cost = len(media) if target.public else 1
        sent = await self._calls.make(
            self._bot.send_media_group, target.chat_id, media=media, cost=cost, **target.fields
        )
        return Sent(tuple(one.message_id for one in sent), tuple(_ref(one) for one in sent))

    async def delete(self, chat_id: int, message_id: int) -> None:
        await self._calls.make(
            self._bot.delete_message, chat_id, message_id=message_id, cost=0, repeatable=True
        )

    async def take_away(self, chat_id: int, message_id: int, words: Marked) -> None:
        """Delete a message, or empty it: Telegram deletes none that is older than two days."""
        try:
            await self.delete(chat_id, message_id)
        except TelegramRefusal as refused:
            if refused.says(*UNDELETABLE):
                await self._empty(chat_id, message_id, words)
            elif not refused.says("not found"):
                raise

    async def _empty(self, chat_id: int, message_id: int, words: Marked) -> None:
        """Leave only these words of a message, and in place of its picture an empty one."""
        step = TextStep(words if words.text.strip() else Marked(NO_WORDS_LEFT))
        try:
            await self._edit_text(chat_id, message_id, step)
        except TelegramRefusal as refused:
            if not refused.says(NO_TEXT):
                log.info("message_left", reason=str(refused))
                return
            await self._calls.make(
                self._bot.edit_message_media,
                chat_id,
                message_id=message_id,
                media=telegram.InputMediaPhoto(EMPTY_PICTURE, caption=step.words.text),
                repeatable=True,
            )
        self._texts.pop((chat_id, message_id), None)

    def _remember(self, chat_id: int, message_id: int, step: TextStep) -> None:
        self._texts[chat_id, message_id] = step
        self._changed[chat_id] = time.monotonic(), utf16_units(step.words.text)


def _text_fields(step: TextStep) -> dict[str, Any]:
    return {
        "text": step.words.text,
        "entities": step.words.entities,
        "reply_markup": render.keyboard(step.buttons),
        "link_preview_options": NO_LINK_PREVIEW,
    }


def _video_fields(file: ReplyFile) -> dict[str, Any]:
    return {
        "width": file.width,
        "height": file.height,
        "duration": _whole_seconds(file),
        "thumbnail": file.thumbnail,
        "supports_streaming": True,
    }


def _whole_seconds(file: ReplyFile) -> int | None:
    return None if file.duration is None else max(1, round(file.duration))


def _medium(file: ReplyFile, words: Marked = render.NOTHING) -> telegram.InputMedia:
    """One file of an album, with its caption."""
    kind, content = known_as(file) or (file.kind, file.data)
    fields: dict[str, Any] = {"filename": file.name} if isinstance(content, bytes) else {}
    if words.text:
        fields |= {"caption": words.text, "caption_entities": words.entities}
    if kind == "photo":
        return telegram.InputMediaPhoto(content, has_spoiler=file.spoiler, **fields)
    if kind == "video":
        fields |= _video_fields(file)
        return telegram.InputMediaVideo(content, has_spoiler=file.spoiler, **fields)
    return telegram.InputMediaDocument(
        content, thumbnail=file.thumbnail, disable_content_type_detection=True, **fields
    )


def _ref(message: telegram.Message) -> str | None:
    """The id of the message's file with its kind: Telegram knows a file only as the kind that it
    was sent as."""
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return f"photo:{best.file_id}"
    if message.video is not None:
        return f"video:{message.video.file_id}"
    return f"document:{message.document.file_id}" if message.document is not None else None
