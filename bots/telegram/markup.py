"""Marks in Telegram texts: a model's Markdown as entities, and names that must not ring."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram import MessageEntity
from telegramify_markdown import MessageEntity as Found
from telegramify_markdown import RenderConfig, convert

from bots.core.formulas import readable
from bots.core.splitting import split, utf16_units

ENTITIES = 100
"""Telegram leaves out further entities."""
OWN_HOST = "t.me"
"""No link of a model leads there: the adapter knows its own marks by it, and a link to a person
calls them."""

_HARMFUL_HOSTS = (None, OWN_HOST, "telegram.me")
_LESS_THAN = "\ufdd0"
"""A sign in place of `<` while Markdown is read: text that looks like HTML would be left out. It
has the same length, and no text has it."""
_JOINER = "\u2060"
_NAME = re.compile(r"(?<![\w@/.])@(?=[A-Za-z]\w{3,31})")
_KEPT = {
    "bold",
    "italic",
    "strikethrough",
    "spoiler",
    "code",
    "pre",
    "text_link",
    "blockquote",
    "expandable_blockquote",
}
CUT_OFF = "…\n"
"""The sign in front of the end of a text."""
LEAST_FILL = 0.25
"""A message is at least this full before a block of code is kept whole by beginning a new one."""
SYMBOLS = {f"heading_level_{level}": "" for level in range(1, 7)} | {
    "unordered_list_item": "•",
    "task_uncompleted": "☐",
}
"""Signs instead of the library's own; titles need none."""
_VERBATIM = ("code", "pre")


@dataclass(frozen=True, slots=True)
class Marked:
    """Offsets and lengths of entities count UTF-16 units."""

    text: str
    entities: tuple[MessageEntity, ...] = ()


LOOK = RenderConfig.isolated()
for _name, _sign in SYMBOLS.items():
    setattr(LOOK.markdown_symbol, _name, _sign)


def clean(text: str) -> str:
    """The text without halves of characters and zeros, which can't be sent at all."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def from_markdown(text: str) -> Marked:
    """A model's Markdown as marked text. Nothing is refused: unbalanced marks stay as they are, and
    a text that would show nothing is shown as it was written."""
    plain = readable(text).replace("<", _LESS_THAN)
    shown, found = convert(plain, latex_escape=False, config=LOOK)
    shown = shown.replace(_LESS_THAN, "<").rstrip()
    if not shown.strip():
        return Marked(text)
    end = utf16_units(shown)
    kept = [one for one in found if one.type in _KEPT and one.offset < end]
    safe = [one for one in kept if one.type != "text_link" or _harmless(one.url or "")]
    return Marked(shown, tuple(_entity(one, end) for one in safe))


def _entity(found: Found, end: int) -> MessageEntity:
    url = None if found.url is None else found.url.replace(_LESS_THAN, "<")
    length = min(found.length, end - found.offset)
    return MessageEntity(found.type, found.offset, length, url=url, language=found.language)


def _harmless(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname not in _HARMFUL_HOSTS
    except ValueError:
        return False


def silent(marked: Marked, own_name: str) -> Marked:
    """The text with silent names of others: an invisible joiner behind the @ makes them plain text.
    Code keeps its characters."""
    own = re.compile(rf"{re.escape(own_name)}\b", re.IGNORECASE)
    spared = [one for one in marked.entities if one.type in _VERBATIM]
    ends: list[int] = []
    units: list[int] = []
    for found in _NAME.finditer(marked.text):
        unit = utf16_units(marked.text[: found.end()])
        in_code = any(one.offset < unit <= one.offset + one.length for one in spared)
        if not in_code and not own.match(marked.text, found.end()):
            ends.append(found.end())
            units.append(unit)
    pieces = [marked.text[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]
    entities = tuple(_stretched(one, units) for one in marked.entities)
    return Marked(_JOINER.join(pieces), entities)


def _stretched(entity: MessageEntity, units: list[int]) -> MessageEntity:
    """The entity after a character was put in at each of the places."""
    end = entity.offset + entity.length
    before = sum(unit <= entity.offset for unit in units)
    within = sum(entity.offset < unit < end for unit in units)
    return _placed(entity, entity.offset + before, entity.length + within)


def _placed(entity: MessageEntity, offset: int, length: int) -> MessageEntity:
    """The same mark on another part of a text."""
    return MessageEntity(entity.type, offset, length, url=entity.url, language=entity.language)


def marked(text: str, *, markdown: bool, own_name: str | None) -> Marked:
    """The whole text, however long. `own_name`: names of others must not ring there."""
    whole = from_markdown(clean(text)) if markdown else Marked(clean(text))
    return whole if own_name is None else silent(whole, own_name)


def cut(whole: Marked, limit: int) -> Iterator[Marked]:
    """Messages of at most `limit` units, none of them blank. An entity that reaches over a cut
    marks both sides.

    The marked text is cut, not its Markdown: marks may make it longer, and half a block of code
    would be read as something else.
    """
    fits = utf16_units(whole.text) <= limit and len(whole.entities) <= ENTITIES
    if fits and whole.text == whole.text.strip():
        if whole.text:
            yield whole
        return
    start = len(whole.text) - len(whole.text.lstrip())
    while start < len(whole.text):
        # the first part depends on no more than what could be in it
        part = split(whole.text[start : start + limit + 2], limit, utf16_units)[0]
        end = _before_code(whole, start, start + len(part), limit)
        yield _between(whole, start, end)
        start = end + len(whole.text[end:]) - len(whole.text[end:].lstrip())


def ending(whole: Marked, limit: int) -> Marked:
    """The end of a text that is too long, from the start of a line; all of any other text."""
    if utf16_units(whole.text) <= limit:
        return whole
    start = len(whole.text) - limit // 2 + utf16_units(CUT_OFF)
    start = max(start, whole.text.find("\n", start) + 1)
    start += len(whole.text[start:]) - len(whole.text[start:].lstrip())
    return shifted(_between(whole, start, len(whole.text)), CUT_OFF)


def shifted(marked: Marked, prefix: str, *more: MessageEntity) -> Marked:
    """The text with something in front, and more marks there."""
    moved = MessageEntity.shift_entities(utf16_units(prefix), marked.entities)
    return Marked(prefix + marked.text, (*more, *moved))


def _before_code(whole: Marked, start: int, end: int, limit: int) -> int:
    """The end of a part that would end in a block of code: before the block, if that has room in
    the next message as a whole."""
    if end >= len(whole.text):
        return end
    first, last = utf16_units(whole.text[:start]), utf16_units(whole.text[:end])
    for one in whole.entities:
        crossed = one.type == MessageEntity.PRE and one.offset < last < one.offset + one.length
        if crossed and one.length <= limit and one.offset - first >= limit * LEAST_FILL:
            return start + len(_first_units(whole.text[start:], one.offset - first).rstrip())
    return end


def _between(whole: Marked, start: int, end: int) -> Marked:
    text = whole.text[start:end].rstrip()
    entities = _clipped(whole.entities, utf16_units(whole.text[:start]), utf16_units(text))
    return Marked(text, tuple(entities)[:ENTITIES])


def _first_units(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le")


def _clipped(
    entities: tuple[MessageEntity, ...], start: int, length: int
) -> Iterator[MessageEntity]:
    for one in entities:
        first, last = max(one.offset - start, 0), min(one.offset + one.length - start, length)
        if first < last:
            yield _placed(one, first, last - first)
