"""The calls that show something: texts, drafts, files, albums. Each takes what `render` planned and
says which messages it became."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)

from bots.core.types import File
from bots.telegram.calls import Calls, Refusal
from bots.telegram.markup import Marked
from bots.telegram.render import (
    Album,
    Draft,
    Kind,
    Single,
    Text,
    as_document,
    keyboard,
    known_as,
    ref,
)

T = TypeVar("T")

ENTITIES_REFUSED = ("can't parse", "entities", "entity_", "entity beginning", "wrong http url")
PHOTO_REFUSED = (
    "image_process_failed",
    "photo_invalid_dimensions",
    "photo_save_file_invalid",
    "too big for a photo",
)
FILE_UNKNOWN = (
    "file identifier",
    "type of file mismatch",
    "file_reference",
    "file reference",
    "wrong type of the web page",
    "file_id",
)
NO_LINK_PREVIEW = LinkPreviewOptions(is_disabled=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes, in Telegram's types. `public`: others read along. `album`: messages
    that it stands below."""

    chat_id: int
    thread_id: int | None
    reply_to: int | None
    quiet: bool
    public: bool
    album: tuple[int, ...] = ()

    @property
    def how(self) -> dict[str, Any]:
        """What every call that sends has."""
        answering = (
            None
            if self.reply_to is None
            else ReplyParameters(self.reply_to, allow_sending_without_reply=True)
        )
        return {
            "message_thread_id": self.thread_id,
            "reply_parameters": answering,
            "disable_notification": self.quiet,
        }


@dataclass(frozen=True, slots=True)
class Sent:
    """Message ids, and of each file what Telegram knows it as."""

    message_ids: tuple[int, ...]
    refs: tuple[str | None, ...] = ()


class Sender:
    """All calls raise what `Calls.make` raises."""

    def __init__(self, bot: Bot, calls: Calls) -> None:
        self._bot = bot
        self._calls = calls

    async def text(self, place: Place, step: Text) -> Sent:
        markup = keyboard(step.buttons) if step.wanted is None else _field(step.wanted, place)

        async def send(words: Marked) -> Message:
            return await self._bot.send_message(
                place.chat_id,
                words.text,
                entities=words.entities,
                reply_markup=markup,
                link_preview_options=NO_LINK_PREVIEW,
                **place.how,
            )

        return Sent(((await self._marked(place.chat_id, step.words, send)).message_id,))

    async def draft(self, place: Place, draft_id: int, step: Draft) -> None:
        """A sign of life like this waits for nobody's turn."""
        # the library knows an older Bot API, which had no stop sign yet
        stop = {"can_stop": True, "keep_on_stop": True} if step.buttons else None

        async def send(words: Marked) -> bool:
            return await self._bot.send_message_draft(
                place.chat_id,
                draft_id,
                words.text,
                place.thread_id,
                entities=words.entities,
                api_kwargs=stop,
            )

        await self._marked(place.chat_id, step.words, send, patience=0.0, repeatable=True)

    async def edit(self, chat_id: int, message_id: int, step: Text) -> None:
        markup = keyboard(step.buttons)

        async def edit(words: Marked) -> object:
            return await self._bot.edit_message_text(
                words.text,
                chat_id,
                message_id,
                entities=words.entities,
                reply_markup=markup,
                link_preview_options=NO_LINK_PREVIEW,
            )

        await self._marked(chat_id, step.words, edit, repeatable=True)

    async def edit_caption(self, chat_id: int, message_id: int, step: Text) -> None:
        markup = keyboard(step.buttons)

        async def edit(words: Marked) -> object:
            return await self._bot.edit_message_caption(
                chat_id,
                message_id,
                caption=words.text,
                caption_entities=words.entities,
                reply_markup=markup,
            )

        await self._marked(chat_id, step.words, edit, repeatable=True)

    async def edit_picture(
        self, chat_id: int, message_id: int, picture: bytes, words: Marked
    ) -> None:
        media = InputMediaPhoto(picture, caption=words.text)
        await self._calls.make(
            chat_id,
            lambda: self._bot.edit_message_media(media, chat_id, message_id),
            repeatable=True,
        )

    async def file(self, place: Place, step: Single) -> Sent:
        markup = keyboard(step.buttons)

        async def send(file: File, caption: Marked) -> Sent:
            message = await self._marked(
                place.chat_id, caption, lambda words: self._send_file(place, file, words, markup)
            )
            return Sent((message.message_id,), (_ref(message),))

        return await _as_taken(step.file, lambda file: send(file, step.caption))

    async def _send_file(
        self, place: Place, file: File, words: Marked, markup: InlineKeyboardMarkup | None
    ) -> Message:
        kind, content = _content(file)
        how = place.how | {
            "caption": words.text or None,
            "caption_entities": words.entities,
            "reply_markup": markup,
        }
        if kind == "photo":
            return await self._bot.send_photo(
                place.chat_id, content, filename=file.name, has_spoiler=file.spoiler, **how
            )
        if kind == "video":
            return await self._bot.send_video(
                place.chat_id,
                content,
                filename=file.name,
                has_spoiler=file.spoiler,
                **_film(file),
                **how,
            )
        return await self._bot.send_document(
            place.chat_id,
            content,
            filename=file.name,
            thumbnail=file.thumbnail,
            disable_content_type_detection=True,
            **how,
        )

    async def album(self, place: Place, step: Album) -> Sent:
        async def send(files: tuple[File, ...], words: Marked) -> Sent:
            shown = await self._calls.make(
                place.chat_id,
                lambda: self._bot.send_media_group(
                    place.chat_id, _media(files, words), **place.how
                ),
                cost=len(files) if place.public else 1,
            )
            return Sent(tuple(one.message_id for one in shown), tuple(_ref(one) for one in shown))

        files, words = step.files, step.caption
        try:
            return await send(files, words)
        except Refusal as refused:
            if refused.says(*FILE_UNKNOWN) and any(known_as(one) for one in files):
                files = tuple(replace(one, ref=None) for one in files)
            elif refused.says(*PHOTO_REFUSED):
                files = tuple(as_document(one) for one in files)
            elif refused.says(*ENTITIES_REFUSED) and words.entities:
                words = words.plain
            else:
                raise
        return await send(files, words)

    async def delete(self, chat_id: int, message_id: int) -> None:
        await self._calls.make(
            chat_id, lambda: self._bot.delete_message(chat_id, message_id), cost=0, repeatable=True
        )

    async def _marked(
        self, chat_id: int, words: Marked, send: Callable[[Marked], Awaitable[T]], **how: Any
    ) -> T:
        """With marks if Telegram takes them, else as plain text."""
        try:
            return await self._calls.make(chat_id, lambda: send(words), **how)
        except Refusal as refused:
            if not words.entities or not refused.says(*ENTITIES_REFUSED):
                raise
        return await self._calls.make(chat_id, lambda: send(words.plain), **how)


async def _as_taken(file: File, send: Callable[[File], Awaitable[Sent]]) -> Sent:
    """A file that Telegram does not know any more is uploaded; what is no photo to it goes as a
    document."""
    try:
        return await send(file)
    except Refusal as refused:
        if known_as(file) is not None and refused.says(*FILE_UNKNOWN):
            file = replace(file, ref=None)
        elif file.kind == "photo" and refused.says(*PHOTO_REFUSED):
            file = as_document(file)
        else:
            raise
        if not file.data:
            raise
    return await _as_taken(file, send)


def _field(hint: str, place: Place) -> ForceReply:
    """In a group only whoever is answered gets the field for an answer."""
    return ForceReply(selective=place.public, input_field_placeholder=hint or None)


def _content(file: File) -> tuple[Kind, bytes | str]:
    """The id that Telegram has for it, or the bytes."""
    known = known_as(file)
    return (file.kind, file.data) if known is None else known


def _film(file: File) -> dict[str, Any]:
    duration = None if file.duration is None else max(1, round(file.duration))
    return {
        "width": file.width,
        "height": file.height,
        "duration": duration,
        "thumbnail": file.thumbnail,
        "supports_streaming": True,
    }


def _media(
    files: tuple[File, ...], words: Marked
) -> list[InputMediaPhoto | InputMediaVideo | InputMediaDocument]:
    made: list[InputMediaPhoto | InputMediaVideo | InputMediaDocument] = []
    for position, file in enumerate(files):
        kind, content = _content(file)
        first = (
            {"caption": words.text, "caption_entities": words.entities}
            if position == 0 and words.text
            else {}
        )
        more: dict[str, Any] = first | (
            {"filename": file.name} if isinstance(content, bytes) else {}
        )
        if kind == "photo":
            made.append(InputMediaPhoto(content, has_spoiler=file.spoiler, **more))
        elif kind == "video":
            made.append(InputMediaVideo(content, has_spoiler=file.spoiler, **_film(file), **more))
        else:
            made.append(
                InputMediaDocument(
                    content, thumbnail=file.thumbnail, disable_content_type_detection=True, **more
                )
            )
    return made


def _ref(message: Message) -> str | None:
    if message.photo:
        return ref("photo", max(message.photo, key=lambda size: size.width * size.height).file_id)
    if message.video is not None:
        return ref("video", message.video.file_id)
    return ref("document", message.document.file_id) if message.document is not None else None
