"""Marks in Telegram texts: a model's Markdown as entities, and names that must not ring."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from telegram import MessageEntity
from telegram.constants import MessageEntityType
from telegramify_markdown import MessageEntity as Found
from telegramify_markdown import RenderConfig, convert

from bots.core.splitting import split, utf16_units

ENTITIES = 100
"""Telegram leaves out further entities."""
OWN_HOST = "t.me"
"""No link of a model leads there: the adapter knows its own marks by it, and a link to a person
calls them."""

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

    @property
    def plain(self) -> "Marked":
        return Marked(self.text)


def _look() -> RenderConfig:
    look = RenderConfig.isolated()
    for name, sign in SYMBOLS.items():
        setattr(look.markdown_symbol, name, sign)
    return look


LOOK = _look()


def clean(text: str) -> str:
    """The text without halves of characters and zeros, which can't be sent at all."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def from_markdown(text: str) -> Marked:
    """A model's Markdown as marked text. Nothing is refused: unbalanced marks stay as they are, and
    a text that would show nothing is shown as it was written."""
    shown, found = convert(text.replace("<", _LESS_THAN), config=LOOK)
    shown = shown.replace(_LESS_THAN, "<").rstrip()
    if not shown.strip():
        return Marked(text)
    end = utf16_units(shown)
    kept = [
        replace(one, length=min(one.length, end - one.offset))
        for one in found
        if one.type in _KEPT and one.offset < end
    ]
    return Marked(
        shown,
        tuple(_entity(one) for one in kept if one.type != "text_link" or _harmless(one.url or "")),
    )


def _entity(found: Found) -> MessageEntity:
    url = None if found.url is None else found.url.replace(_LESS_THAN, "<")
    return MessageEntity(found.type, found.offset, found.length, url=url, language=found.language)


def _harmless(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname not in (
            None,
            OWN_HOST,
            "telegram.me",
        )
    except ValueError:
        return False


def silent(marked: Marked, own_name: str) -> Marked:
    """The text with silent names of others: an invisible joiner behind the @ makes them plain text.
    Code keeps its characters."""
    cuts = [
        match.end()
        for match in _NAME.finditer(marked.text)
        if not _is_name(marked.text, match.end(), own_name)
    ]
    places = [(cut, utf16_units(marked.text[:cut])) for cut in cuts]
    spared = [one for one in marked.entities if one.type in _VERBATIM]
    places = [
        (cut, unit)
        for cut, unit in places
        if not any(one.offset < unit <= one.offset + one.length for one in spared)
    ]
    if not places:
        return marked
    ends = [cut for cut, _ in places]
    pieces = [marked.text[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]
    return Marked(
        _JOINER.join(pieces),
        tuple(_stretched(one, [unit for _, unit in places]) for one in marked.entities),
    )


def _is_name(text: str, start: int, name: str) -> bool:
    return re.match(rf"{re.escape(name)}\b", text[start:], re.IGNORECASE) is not None


def _stretched(entity: MessageEntity, units: list[int]) -> MessageEntity:
    """The entity after a character was put in at each of the places."""
    end = entity.offset + entity.length
    before = sum(unit <= entity.offset for unit in units)
    within = sum(entity.offset < unit < end for unit in units)
    return MessageEntity(
        entity.type,
        entity.offset + before,
        entity.length + within,
        url=entity.url,
        language=entity.language,
    )


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
    if (
        utf16_units(whole.text) <= limit
        and whole.text == whole.text.strip()
        and len(whole.entities) <= ENTITIES
    ):
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
    units = utf16_units(prefix)
    moved = [
        MessageEntity(one.type, one.offset + units, one.length, url=one.url, language=one.language)
        for one in marked.entities
    ]
    return Marked(prefix + marked.text, (*more, *moved))


def _before_code(whole: Marked, start: int, end: int, limit: int) -> int:
    """The end of a part that would end in a block of code: before the block, if that has room in
    the next message as a whole."""
    if end >= len(whole.text):
        return end
    first, last = utf16_units(whole.text[:start]), utf16_units(whole.text[:end])
    for one in whole.entities:
        crossed = one.offset < last < one.offset + one.length
        if (
            one.type == MessageEntityType.PRE
            and crossed
            and one.length <= limit
            and one.offset - first >= limit * LEAST_FILL
        ):
            return start + len(_first_units(whole.text[start:], one.offset - first).rstrip())
    return end


def _between(whole: Marked, start: int, end: int) -> Marked:
    text = whole.text[start:end].rstrip()
    return Marked(
        text,
        tuple(_clipped(whole.entities, utf16_units(whole.text[:start]), utf16_units(text)))[
            :ENTITIES
        ],
    )


def _first_units(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le")


def _clipped(
    entities: tuple[MessageEntity, ...], start: int, length: int
) -> Iterator[MessageEntity]:
    for one in entities:
        first, last = max(one.offset - start, 0), min(one.offset + one.length - start, length)
        if first < last:
            yield MessageEntity(one.type, first, last - first, url=one.url, language=one.language)
