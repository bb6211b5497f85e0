"""Updates from Telegram as `Inbound`: commands, plain questions, answers to questions, pressed
buttons."""

import re
from collections.abc import Awaitable, Callable, Sequence

from telegram import Bot, CallbackQuery, Chat, ChatMemberAdministrator, Message, User
from telegram.constants import ChatMemberStatus, ChatType
from telegram.error import TelegramError

from bots.core.commands.ask import STOP_ANSWER
from bots.core.types import Address, Inbound, Place, QuotedMessage, Sender
from bots.telegram.drafts import asked_by
from bots.telegram.hidden_links import asked
from bots.telegram.markup import clean
from bots.telegram.received_files import attachments, attachments_elsewhere

PLATFORM = "telegram"
ASK = "ask"
GENERAL = "general"
"""The topic of messages that are in none."""

_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,32})(?:@(?P<bot>\w+))?(?=\s|$)")


def from_messages(messages: Sequence[Message], update_id: int, bot: Bot) -> Inbound | None:
    """One message, or those of one album: all their captions in order, a command before the others.

    None for a message that is not meant for this bot: other bots' commands, group talk, messages
    without a person behind them.
    """
    worded = [
        (one, words) for one in messages if (words := clean(one.text or one.caption or "").strip())
    ]
    worded.sort(key=lambda each: _COMMAND.match(each[1]) is None)
    message = worded[0][0] if worded else messages[0]
    if message.from_user is None or message.from_user.is_bot:
        return None
    said_text = "\n".join(words for _, words in worded)
    said = _said(message, said_text, bot)
    if said is None:
        return None
    command, text, plain = said
    return Inbound(
        _address(message),
        _sender(message.from_user),
        str(update_id),
        command,
        text,
        attachments=tuple(file for one in messages for file in attachments(one)),
        quoted=_quoted(message, bot),
        moderates=_moderates(bot, message.chat, message.from_user) if _public(message) else None,
        plain=plain,
        addressed=_names(said_text, bot) or _answers(message, bot),
        place=_place(bot, message.chat, _address(message), message.from_user),
    )


def from_press(query: CallbackQuery, update_id: int, bot: Bot) -> Inbound | None:
    if query.message is None or not isinstance(query.data, str):
        return None
    message, pressed = query.message, str(query.message.message_id)
    if isinstance(message, Message):
        address = _address(message)
    else:  # too old for Telegram to show it again: its topic is unknown
        private = message.chat.type == ChatType.PRIVATE
        address = Address(PLATFORM, str(message.chat.id), None, pressed, private)
    action, _, value = query.data.partition(":")
    return Inbound(
        address,
        _sender(query.from_user),
        str(update_id),
        action,
        value,
        pressed=pressed,
        moderates=None if address.private else _moderates(bot, message.chat, query.from_user),
        place=_place(bot, message.chat, address, query.from_user),
    )


def from_stop(stopped: object, update_id: int) -> Inbound | None:
    """The stop sign of a draft, which the platform shows by itself. The draft's id names the
    message that it answers."""
    try:
        chat, draft_id = stopped["chat"], int(stopped["draft_id"])  # type: ignore[index]
        chat_id, name = int(chat["id"]), str(chat.get("first_name", ""))
        thread = stopped.get("message_thread_id")  # type: ignore[attr-defined]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    # drafts are shown in private chats only, and such a chat has the id of its person
    thread_id = None if thread is None else str(thread)
    address = Address(PLATFORM, str(chat_id), thread_id, asked_by(draft_id))
    return Inbound(address, Sender(str(chat_id), name), str(update_id), STOP_ANSWER.name, "")


def _said(message: Message, text: str, bot: Bot) -> tuple[str, str, bool] | None:
    """The command, the text behind it, and whether it was only meant and not written. A forwarded
    message commands nothing."""
    match = None if message.forward_origin is not None else _COMMAND.match(text)
    if match is not None:
        if match["bot"] is not None and match["bot"].lower() != bot.username.lower():
            return None
        return match["name"].lower(), text[match.end() :].strip(), False
    wanted = asked(message, bot)
    if wanted is not None:
        return wanted[0], f"{wanted[1]} {text}".strip(), False
    mention = _mention(bot)
    addressed = not _public(message) or _answers(message, bot) or _names(text, bot)
    # a pinned message or a new member has neither: nobody said anything
    if not addressed or not (text or message.effective_attachment):
        return None
    return ASK, mention.sub("", text).strip(), True


def _mention(bot: Bot) -> re.Pattern[str]:
    return re.compile(rf"@{re.escape(bot.username)}\b[ \t]*", re.IGNORECASE)


def _names(text: str, bot: Bot) -> bool:
    return _mention(bot).search(text) is not None


def _public(message: Message) -> bool:
    return message.chat.type != ChatType.PRIVATE


def _answers(message: Message, bot: Bot) -> bool:
    answered = _answered(message)
    author = None if answered is None else answered.from_user
    return author is not None and author.id == bot.id


def _answered(message: Message) -> Message | None:
    """The answered message. In a topic, a message that answers nothing is shown as an answer to the
    one that opened the topic."""
    answered = message.reply_to_message
    opened = (
        answered is not None
        and message.is_topic_message
        and answered.message_id == message.message_thread_id
    )
    return None if opened else answered


def _quoted(message: Message, bot: Bot) -> QuotedMessage | None:
    picked = message.quote.text if message.quote is not None else None
    answered = _answered(message)
    if answered is None:
        return _quoted_elsewhere(message, picked)
    words = answered.text or answered.caption or "" if picked is None else picked
    author = answered.from_user.full_name if answered.from_user is not None else ""
    if answered.sender_chat is not None:
        author = answered.sender_chat.effective_name or author
    mine = _answers(message, bot)
    return QuotedMessage(
        str(answered.message_id),
        clean(words),
        mine,
        attachments(answered),
        clean(author),
        picked is not None,
    )


def _quoted_elsewhere(message: Message, picked: str | None) -> QuotedMessage | None:
    """A message of another chat that was answered here: Telegram shows its pictures, and the words
    that were marked."""
    answered = message.external_reply
    if answered is None:
        return None
    answered_id, files = str(answered.message_id or ""), attachments_elsewhere(message)
    said = clean(picked or "")
    return QuotedMessage(answered_id, said, attachments=files, picked=picked is not None)


def _moderates(bot: Bot, chat: Chat, user: User) -> Callable[[], Awaitable[bool]]:
    """A function that asks for the rights of a member."""

    # not functools.partial: a printed inbound would show the bot, and the bot its token
    async def moderates() -> bool:
        try:
            member = await bot.get_chat_member(chat.id, user.id)
        except TelegramError:
            return False
        return member.status == ChatMemberStatus.OWNER or (
            isinstance(member, ChatMemberAdministrator) and member.can_delete_messages
        )

    return moderates


def _place(bot: Bot, chat: Chat, address: Address, user: User) -> Place | None:
    """The group or channel of a message. Its topics are its channels."""
    if address.private:
        return None

    async def administers() -> bool:
        try:
            member = await bot.get_chat_member(chat.id, user.id)
        except TelegramError:
            return False
        return member.status in (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)

    channels = (address.thread_id or GENERAL,)
    return Place(str(chat.id), clean(chat.effective_name or ""), channels, administers)


def _address(message: Message) -> Address:
    # outside of topics a thread id only names a chain of replies, and nothing can be sent to it
    thread = message.message_thread_id if message.is_topic_message else None
    thread_id = None if thread is None else str(thread)
    chat_id, message_id = str(message.chat.id), str(message.message_id)
    return Address(PLATFORM, chat_id, thread_id, message_id, private=not _public(message))


def _sender(user: User) -> Sender:
    return Sender(str(user.id), user.full_name, user.language_code)
