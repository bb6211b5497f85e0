"""A question that waits for a line of text. What it is about travels in the question itself, so that nothing has to be remembered.

The pen in front of the question is a link that names action and value. Telegram shows the question again with its answer, link and all.
"""

from urllib.parse import parse_qs, quote, urlsplit

from telegram import Bot, Message, MessageEntity
from telegram.constants import MessageEntityType

from bots.core.splitting import shorten, utf16_units
from bots.core.types import Ask
from bots.telegram.markup import OWN_HOST, Marked, clean

PEN = "✏️"
PLACEHOLDER = 64
TEXT_ROOM = 2_000


def question(ask: Ask, text: str, own_name: str) -> Marked:
    """`default` stands below, to be copied at a touch: a field for an answer can't be filled in beforehand."""
    says = f"{PEN} {shorten_lines(clean(text).strip() or clean(ask.title), TEXT_ROOM)}"
    link = f"https://{OWN_HOST}/{own_name}?ask={quote(f'{ask.action}:{ask.value}', safe='')}"
    entities = [MessageEntity(MessageEntityType.TEXT_LINK, 0, utf16_units(PEN), url=link)]
    default = shorten_lines(clean(ask.default).strip(), TEXT_ROOM)
    if default:
        entities.append(MessageEntity(MessageEntityType.CODE, utf16_units(says) + 1, utf16_units(default)))
        says = f"{says}\n{default}"
    return Marked(says, tuple(entities))


def shorten_lines(text: str, limit: int) -> str:
    return text if utf16_units(text) <= limit else shorten(text, limit, utf16_units)


def placeholder(ask: Ask) -> str:
    return shorten(clean(ask.title), PLACEHOLDER, utf16_units)


def asked(message: Message, bot: Bot) -> tuple[str, str] | None:
    """Action and value, if the message answers a question of this bot."""
    question_shown = message.reply_to_message
    if question_shown is None or question_shown.from_user is None or question_shown.from_user.id != bot.id:
        return None
    for entity in question_shown.entities:
        if entity.type == MessageEntityType.TEXT_LINK and entity.offset == 0 and entity.url is not None:
            return _named(entity.url, bot.username)
    return None


def _named(url: str, own_name: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    if parts.hostname != OWN_HOST or parts.path.strip("/").lower() != own_name.lower():
        return None
    action, colon, value = parse_qs(parts.query).get("ask", [""])[0].partition(":")
    return (action, value) if action and colon else None
