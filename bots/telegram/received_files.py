"""Files that people send, as the core takes them: their bytes come through the bot, their addresses
stay in it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from telegram import Audio, Bot, Document, Message, PhotoSize, Sticker, Video, VideoNote, Voice
from telegram.error import BadRequest, TelegramError

from bots.core.types import Attachment
from client.errors import ApiError

UNREADABLE = "file_unreadable"
TOO_LARGE = "too_large"
ANY_TYPE = "application/octet-stream"
SentFile = Document | Video | Audio | Voice | VideoNote | Sticker
DOWNLOAD_BYTES = 20_000_000
"""A bot can't fetch more; reading a larger file fails with `too_large`."""


def attachments(message: Message) -> tuple[Attachment, ...]:
    """The files of one message: a photo in its largest size that can be fetched, or any other
    file."""
    if message.photo:
        return (_photo(message, message.photo),)
    number, sticker = message.message_id, message.sticker
    if sticker is not None and (sticker.is_animated or sticker.is_video):
        sticker = None
    kinds = (
        (message.document or message.video or message.audio, f"file-{number}", ANY_TYPE),
        (message.voice, f"voice-{number}.ogg", "audio/ogg"),
        (message.video_note, f"video-{number}.mp4", "video/mp4"),
        (sticker, f"sticker-{number}.webp", "image/webp"),
    )
    return _first(message, kinds)


def attachments_elsewhere(message: Message) -> tuple[Attachment, ...]:
    """The files of a message in another chat that this one answers: a photo, or a file."""
    answered = message.external_reply
    if answered is not None and answered.photo:
        return (_photo(message, answered.photo),)
    if answered is None:
        return ()
    number = message.message_id
    kinds = (
        (answered.document or answered.audio, f"file-{number}", ANY_TYPE),
        (answered.voice, f"voice-{number}.ogg", "audio/ogg"),
        (answered.video_note, f"video-{number}.mp4", "video/mp4"),
    )
    return _first(message, kinds)


def _first(
    message: Message, kinds: Sequence[tuple[SentFile | None, str, str]]
) -> tuple[Attachment, ...]:
    return next(
        ((_file(message, file, name, kind),) for file, name, kind in kinds if file is not None), ()
    )


def _file(message: Message, file: SentFile, name: str, content_type: str) -> Attachment:
    """The file under its own name and type, where Telegram knows them."""
    name = getattr(file, "file_name", None) or name
    content_type = getattr(file, "mime_type", None) or content_type
    found = _attachment(message, file.file_id, name, content_type, file.file_size)
    length = getattr(file, "duration", None)
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    return replace(found, seconds=seconds, spoken=isinstance(file, Voice | VideoNote))


def _photo(message: Message, sizes: Sequence[PhotoSize]) -> Attachment:
    fitting = [size for size in sizes if (size.file_size or 0) <= DOWNLOAD_BYTES]
    best = max(fitting or sizes, key=lambda size: size.width * size.height)
    name = f"photo-{message.message_id}.jpg"
    return _attachment(message, best.file_id, name, "image/jpeg", best.file_size)


def _attachment(
    message: Message, file_id: str, name: str, content_type: str, size: int | None
) -> Attachment:
    bot = message.get_bot()

    # not functools.partial: a printed inbound would show the bot, and the bot its token
    async def read() -> bytes:
        if (size or 0) > DOWNLOAD_BYTES:
            raise ApiError(TOO_LARGE, f"more than {DOWNLOAD_BYTES} bytes")
        return await _read(bot, file_id)

    return Attachment(name, content_type, size or 0, read)


async def _read(bot: Bot, file_id: str) -> bytes:
    """The bytes of a file. Its address holds the bot's token, so neither it nor an error that may
    quote it goes any further."""
    try:
        file = await bot.get_file(file_id)
        return bytes(await file.download_as_bytearray())
    except BadRequest as error:
        if "too big" in error.message:
            raise ApiError(TOO_LARGE, f"more than {DOWNLOAD_BYTES} bytes") from None
        said = "Telegram does not hand out this file. Please send it again."
        raise ApiError(UNREADABLE, said) from None
    except TelegramError as error:
        said = f"Telegram did not hand out the file ({type(error).__name__}). Please try again."
        raise ApiError(UNREADABLE, said) from None
