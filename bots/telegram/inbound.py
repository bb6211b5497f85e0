"""What arrives from Telegram as `Inbound`: commands, plain questions, pressed buttons."""

import re

from telegram import Bot, CallbackQuery, Message, Update, User
from telegram.constants import ChatType
from telegram.error import BadRequest, TelegramError

from bots.core.http import ApiError
from bots.core.types import Address, Attachment, Inbound, Sender

PLATFORM = "telegram"
ASK = "ask"
UNREADABLE = "file_unreadable"
DOWNLOAD_BYTES = 20_000_000
"""A bot can't fetch more; reading what is larger fails with `too_large`."""

_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,32})(?:@(?P<bot>\w+))?(?=\s|$)")


def to_inbound(update: Update, bot: Bot) -> Inbound | None:
    """None for what is not meant for this bot: other bots' commands, group talk, messages without a person behind them."""
    if update.callback_query is not None:
        return _pressed(update, update.callback_query)
    message = update.message
    if message is None or message.from_user is None or message.from_user.is_bot:
        return None
    attachments = _attachments(message)
    said = _said(message, bot, bool(attachments))
    if said is None:
        return None
    command, text = said
    return Inbound(_address(message), _sender(message.from_user), str(update.update_id), command, text, attachments=attachments)


def _said(message: Message, bot: Bot, has_files: bool) -> tuple[str, str] | None:
    """The command and what is behind it; a caption counts as text."""
    text = (message.text or message.caption or "").strip()
    match = _COMMAND.match(text)
    if match is not None:
        if match["bot"] is not None and match["bot"].lower() != bot.username.lower():
            return None
        return match["name"].lower(), text[match.end() :].strip()
    mention = re.compile(rf"@{re.escape(bot.username)}\b", re.IGNORECASE)
    addressed = message.chat.type == ChatType.PRIVATE or _answers(message, bot) or mention.search(text) is not None
    if not addressed or not (text or has_files):
        return None
    return ASK, mention.sub("", text).strip()


def _answers(message: Message, bot: Bot) -> bool:
    answered = message.reply_to_message
    return answered is not None and answered.from_user is not None and answered.from_user.id == bot.id


def _pressed(update: Update, query: CallbackQuery) -> Inbound | None:
    if query.message is None or not isinstance(query.data, str):
        return None
    message, pressed = query.message, str(query.message.message_id)
    if isinstance(message, Message):
        address = _address(message)
    else:  # too old for Telegram to show it again: its topic is unknown
        address = Address(PLATFORM, str(message.chat.id), None, pressed, message.chat.type == ChatType.PRIVATE)
    action, _, value = query.data.partition(":")
    return Inbound(address, _sender(query.from_user), str(update.update_id), action, value, pressed=pressed)


def _address(message: Message) -> Address:
    # outside of topics a thread id only names a chain of replies, and nothing can be sent to it
    thread = message.message_thread_id if message.is_topic_message else None
    return Address(
        platform=PLATFORM,
        chat_id=str(message.chat.id),
        thread_id=None if thread is None else str(thread),
        message_id=str(message.message_id),
        private=message.chat.type == ChatType.PRIVATE,
    )


def _sender(user: User) -> Sender:
    return Sender(str(user.id), user.full_name, user.language_code)


def _attachments(message: Message) -> tuple[Attachment, ...]:
    if message.photo:
        fitting = [size for size in message.photo if (size.file_size or 0) <= DOWNLOAD_BYTES]
        best = max(fitting or message.photo, key=lambda size: size.width * size.height)
        return (_attachment(message, best.file_id, f"photo-{message.message_id}.jpg", "image/jpeg", best.file_size),)
    for file in (message.document, message.video):
        if file is not None:
            name = file.file_name or f"file-{message.message_id}"
            return (_attachment(message, file.file_id, name, file.mime_type or "application/octet-stream", file.file_size),)
    return ()


def _attachment(message: Message, file_id: str, name: str, content_type: str, size: int | None) -> Attachment:
    bot = message.get_bot()

    async def read() -> bytes:  # not functools.partial: it would show the bot, and the bot its token, wherever the inbound is printed
        return await _read(bot, file_id)

    return Attachment(name, content_type, size or 0, read)


async def _read(bot: Bot, file_id: str) -> bytes:
    """The bytes of a file. Its address holds the bot's token, so neither it nor an error that may quote it goes any further."""
    try:
        file = await bot.get_file(file_id)
        return bytes(await file.download_as_bytearray())
    except BadRequest as error:
        if "too big" in error.message:
            raise ApiError("too_large", f"more than {DOWNLOAD_BYTES} bytes") from None
        raise ApiError(UNREADABLE, "Telegram does not hand out this file. Please send it again.") from None
    except TelegramError as error:
        raise ApiError(UNREADABLE, f"Telegram did not hand out the file ({type(error).__name__}). Please try again.") from None
