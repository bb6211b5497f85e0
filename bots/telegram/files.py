"""Files that people send, as the core takes them: their bytes come through the bot, their addresses
stay in it."""

from collections.abc import Sequence

from telegram import Bot, Message, PhotoSize
from telegram.error import BadRequest, TelegramError

from bots.core.types import Attachment
from client.errors import ApiError

UNREADABLE = "file_unreadable"
TOO_LARGE = "too_large"
DOWNLOAD_BYTES = 20_000_000
"""A bot can't fetch more; reading a larger file fails with `too_large`."""


def attachments(message: Message) -> tuple[Attachment, ...]:
    """The files of one message: a photo in its largest size that can be fetched, or any other
    file."""
    if message.photo:
        return (_photo(message, message.photo),)
    for file in (message.document, message.video, message.audio):
        if file is not None:
            name = file.file_name or f"file-{message.message_id}"
            return (
                _attachment(
                    message,
                    file.file_id,
                    name,
                    file.mime_type or "application/octet-stream",
                    file.file_size,
                ),
            )
    if message.voice is not None:
        voice = message.voice
        return (
            _attachment(
                message,
                voice.file_id,
                f"voice-{message.message_id}.ogg",
                voice.mime_type or "audio/ogg",
                voice.file_size,
            ),
        )
    if message.video_note is not None:
        note = message.video_note
        return (
            _attachment(
                message,
                note.file_id,
                f"video-{message.message_id}.mp4",
                "video/mp4",
                note.file_size,
            ),
        )
    sticker = message.sticker
    if sticker is not None and not sticker.is_animated and not sticker.is_video:
        return (
            _attachment(
                message,
                sticker.file_id,
                f"sticker-{message.message_id}.webp",
                "image/webp",
                sticker.file_size,
            ),
        )
    return ()


def attachments_elsewhere(message: Message) -> tuple[Attachment, ...]:
    """The files of a message in another chat that this one answers: a photo, or a file."""
    answered = message.external_reply
    if answered is not None and answered.photo:
        return (_photo(message, answered.photo),)
    file = None if answered is None else answered.document
    if file is None:
        return ()
    name = file.file_name or f"file-{message.message_id}"
    return (
        _attachment(
            message,
            file.file_id,
            name,
            file.mime_type or "application/octet-stream",
            file.file_size,
        ),
    )


def _photo(message: Message, sizes: Sequence[PhotoSize]) -> Attachment:
    fitting = [size for size in sizes if (size.file_size or 0) <= DOWNLOAD_BYTES]
    best = max(fitting or sizes, key=lambda size: size.width * size.height)
    return _attachment(
        message, best.file_id, f"photo-{message.message_id}.jpg", "image/jpeg", best.file_size
    )


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
        raise ApiError(
            UNREADABLE, "Telegram does not hand out this file. Please send it again."
        ) from None
    except TelegramError as error:
        raise ApiError(
            UNREADABLE,
            f"Telegram did not hand out the file ({type(error).__name__}). Please try again.",
        ) from None
