"""Links under the first sign of a message, by which it carries facts for the bot.

The pen in front of a question names action and value: Telegram shows the question again with its
answer, link and all. The arrow below an album names the album's messages, because buttons can't
stand under the album itself.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs, quote, urlsplit

from telegram import Bot, Message, MessageEntity

from bots.core.splitting import shorten, utf16_units
from bots.core.types import Ask
from bots.telegram.markup import OWN_HOST, Marked, clean, shifted

PEN = "✏️"
ARROW = "⬆️"
PLACEHOLDER = 64
TEXT_ROOM = 2_000
TEXT_UNITS = 4_096


def question(ask: Ask, text: str, own_name: str) -> Marked:
    """The words of a question. `default` stands below, to be copied at a touch: a field for an
    answer can't be filled in beforehand."""
    says = f"{PEN} {shorten_lines(clean(text).strip() or clean(ask.title), TEXT_ROOM)}"
    entities = [_link(PEN, "ask", f"{ask.action}:{ask.value}", own_name)]
    default = shorten_lines(clean(ask.default).strip(), TEXT_ROOM)
    if default:
        entities.append(
            MessageEntity(MessageEntity.CODE, utf16_units(says) + 1, utf16_units(default))
        )
        says = f"{says}\n{default}"
    return Marked(says, tuple(entities))


def shorten_lines(text: str, limit: int) -> str:
    return text if utf16_units(text) <= limit else shorten(text, limit, utf16_units)


def placeholder(ask: Ask) -> str:
    return shorten(clean(ask.title), PLACEHOLDER, utf16_units)


def asked(message: Message, bot: Bot) -> tuple[str, str] | None:
    """Action and value, if the message answers a question of this bot."""
    shown = message.reply_to_message
    if shown is None or shown.from_user is None or shown.from_user.id != bot.id:
        return None
    action, colon, value = _carried(shown, "ask", bot.username).partition(":")
    return (action, value) if action and colon else None


def below(words: Marked, album: Sequence[int], own_name: str) -> Marked:
    """The words, with an arrow to the album above them."""
    link = _link(ARROW, "album", "-".join(map(str, album)), own_name)
    if words.text == ARROW:
        return Marked(ARROW, (link,))
    shown = shifted(words, f"{ARROW} ", link)
    return shown if utf16_units(shown.text) <= TEXT_UNITS else words


def above(message: Message, own_name: str) -> tuple[int, ...]:
    """The messages of the album that this message of the bot stands below, if it does."""
    numbers = _carried(message, "album", own_name).split("-")
    return tuple(int(one) for one in numbers) if all(one.isdecimal() for one in numbers) else ()


def _link(sign: str, name: str, carried: str, own_name: str) -> MessageEntity:
    url = f"https://{OWN_HOST}/{own_name}?{name}={quote(carried, safe='')}"
    return MessageEntity(MessageEntity.TEXT_LINK, 0, utf16_units(sign), url=url)


def _carried(message: Message, name: str, own_name: str) -> str:
    first = [one for one in message.entities if one.offset == 0]
    link = next((one.url for one in first if one.type == MessageEntity.TEXT_LINK), None)
    parts = urlsplit(link or "")
    if parts.hostname != OWN_HOST or parts.path.strip("/").lower() != own_name.lower():
        return ""
    return parse_qs(parts.query).get(name, [""])[0]
