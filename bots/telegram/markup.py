"""Marks in texts: what a model's Markdown becomes, and names that must not ring."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from telegram import MessageEntity
from telegramify_markdown import MessageEntity as Found
from telegramify_markdown import RenderConfig, convert

from bots.core.splitting import split, utf16_units

ENTITIES = 100
"""Telegram leaves out what is beyond."""
OWN_HOST = "t.me"
"""No link of a model leads there: the adapter knows its own marks by it, and a link to a person calls them."""

_LESS_THAN = "\ufdd0"
"""Stands for `<` while Markdown is read, for what looks like HTML would be left out. As long as `<`, and no text has it."""
_JOINER = "\u2060"
_NAME = re.compile(r"(?<![\w@/.])@(?=[A-Za-z]\w{3,31})")
_KEPT = {"bold", "italic", "strikethrough", "spoiler", "code", "pre", "text_link", "blockquote", "expandable_blockquote"}
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
    symbols = look.markdown_symbol
    symbols.heading_level_1 = symbols.heading_level_2 = symbols.heading_level_3 = symbols.heading_level_4 = ""
    symbols.unordered_list_item = "•"
    symbols.task_uncompleted = "☐"
    return look


LOOK = _look()


def clean(text: str) -> str:
    """Without what can't be sent at all: halves of characters, and zeros."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def from_markdown(text: str) -> Marked:
    """Never refuses: what is not balanced stays as it is. What would show nothing is shown as it was written."""
    shown, found = convert(text.replace("<", _LESS_THAN), config=LOOK)
    shown = shown.replace(_LESS_THAN, "<").rstrip()
    if not shown.strip():
        return Marked(text)
    end = utf16_units(shown)
    kept = [replace(one, length=min(one.length, end - one.offset)) for one in found if one.type in _KEPT and one.offset < end]
    return Marked(shown, tuple(_entity(one) for one in kept if one.type != "text_link" or _harmless(one.url or ""))[:ENTITIES])


def _entity(found: Found) -> MessageEntity:
    url = None if found.url is None else found.url.replace(_LESS_THAN, "<")
    return MessageEntity(found.type, found.offset, found.length, url=url, language=found.language)


def _harmless(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname not in (None, OWN_HOST, "telegram.me")
    except ValueError:
        return False


def silent(marked: Marked, own_name: str) -> Marked:
    """Names of others do not ring: an invisible joiner behind the @ makes them plain text. Code keeps its characters."""
    cuts = [match.end() for match in _NAME.finditer(marked.text) if not _is_name(marked.text, match.end(), own_name)]
    places = [(cut, utf16_units(marked.text[:cut])) for cut in cuts]
    spared = [one for one in marked.entities if one.type in _VERBATIM]
    places = [(cut, unit) for cut, unit in places if not any(one.offset < unit <= one.offset + one.length for one in spared)]
    if not places:
        return marked
    ends = [cut for cut, _ in places]
    pieces = [marked.text[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]
    return Marked(_JOINER.join(pieces), tuple(_stretched(one, [unit for _, unit in places]) for one in marked.entities))


def _is_name(text: str, start: int, name: str) -> bool:
    return re.match(rf"{re.escape(name)}\b", text[start:], re.IGNORECASE) is not None


def _stretched(entity: MessageEntity, units: list[int]) -> MessageEntity:
    """The entity after a character was put in at each of the places."""
    end = entity.offset + entity.length
    before = sum(unit <= entity.offset for unit in units)
    within = sum(entity.offset < unit < end for unit in units)
    return MessageEntity(entity.type, entity.offset + before, entity.length + within, url=entity.url, language=entity.language)


def messages(text: str, limit: int, *, markdown: bool, own_name: str | None) -> Iterator[Marked]:
    """The text as messages of at most `limit` units, none of them blank. `own_name`: names of others are not to ring there."""
    for part in split(clean(text), limit, utf16_units):
        marked = from_markdown(part) if markdown else Marked(part)
        yield from cut(marked if own_name is None else silent(marked, own_name), limit)


def cut(marked: Marked, limit: int) -> Iterator[Marked]:
    """Marks may make a text longer than its Markdown was. What reaches over a cut is marked on both sides."""
    if utf16_units(marked.text) <= limit:
        yield marked
        return
    place = 0
    for part in split(marked.text, limit, utf16_units):
        found = marked.text.find(part, place)
        if found < 0:  # the splitter closed and opened a code block, which is in no text that was read as Markdown
            yield Marked(part)
            continue
        place = found + len(part)
        yield Marked(part, tuple(_clipped(marked.entities, utf16_units(marked.text[:found]), utf16_units(part))))


def _clipped(entities: tuple[MessageEntity, ...], start: int, length: int) -> Iterator[MessageEntity]:
    for one in entities:
        first, last = max(one.offset - start, 0), min(one.offset + one.length - start, length)
        if first < last:
            yield MessageEntity(one.type, first, last - first, url=one.url, language=one.language)
