"""Texts for Discord: plain text stays plain, and a model's Markdown becomes Discord's own, which
has no tables, rules or tasks."""

import re
from collections.abc import Iterator, Sequence

from bots.core.formulas import readable
from bots.core.splitting import split

FENCE = "```"
RULE = "─" * 12
TABLE_WIDTH = 60
"""A wider table breaks on phones; its rows become lists."""

_URL = r"https?://[^\s<>]+"
_PLAIN = re.compile(
    rf"(?P<url>{_URL})"
    r"|^(?P<start>\s*(?:#{1,3}\s|-#\s|>+\s))"
    r"|(?P<mark>[*`\[]|~~|\|\||\\(?=[^\w\s])|(?<!\w)_|_(?!\w)|<(?=[@#:/a]|t:|id:))",
    re.MULTILINE,
)
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+#.-]*)[^`]*$")
_HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})\s+(?P<title>.+?)\s*#*\s*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_SETEXT = re.compile(r"^ {0,3}(?:=+|-{2,})\s*$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_CODE = re.compile(r"(`+)(?:.+?)(?<!`)\1(?!`)")
_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<br\s*/?>", re.IGNORECASE), "\n"),
    (re.compile(r"!\[([^\]]*)\]\((\S+?)(?:\s+[\"'][^)]*)?\)"), r"[\1](\2)"),
    (re.compile(r"\[\]\((\S+?)\)"), r"\1"),
    (re.compile(r"(?<!!)\[([^\]]+)\]\((\S+?)\s+[\"'][^)]*\)"), r"[\1](\2)"),
    (re.compile(r"(?<![\\\w_])__(?=\S)(.+?)(?<=\S)__(?![\w_])"), r"**\1**"),
    (re.compile(r"(?<!\\)\|\|"), r"\\|\\|"),
)
_STARTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(\s*)[-*+]\s+\[ \]\s+"), r"\1- ☐ "),
    (re.compile(r"^(\s*)[-*+]\s+\[[xX]\]\s+"), r"\1- ☑ "),
    (re.compile(r"^(\s*)\+\s+"), r"\1- "),
    (re.compile(r"^(\s*\d+)\)\s+"), r"\1. "),
    (re.compile(r"^\s*>(?:\s*>)+\s?"), "> "),
)


def clean(text: str) -> str:
    """The text without halves of characters, which no JSON may carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(text: str) -> str:
    """The text with every sign escaped that Discord would take for formatting, a link or a
    mention."""
    return _PLAIN.sub(_escaped, text)


def plain_parts(text: str, limit: int) -> list[str]:
    """Plain text as messages of at most `limit` characters."""
    return [plain(part) for part in split(text, limit, lambda piece: len(plain(piece)))]


def markdown_parts(text: str, limit: int) -> list[str]:
    """A model's Markdown as messages of at most `limit` characters; a block of code is cut only
    when it is longer than a message."""
    parts: list[str] = []
    for block in _blocks(converted(readable(text))):
        joined = f"{parts[-1]}\n{block}" if parts else block
        if parts and len(joined) <= limit:
            parts[-1] = joined
        elif len(block) <= limit:
            parts.append(block)
        else:
            room = limit - len(parts[-1]) - 1 if parts and not block.startswith(FENCE) else 0
            parts += _cut(block, limit, parts, room)
    return [part.strip("\n") for part in parts if part.strip()]


def converted(text: str) -> str:
    """CommonMark with GitHub's additions as Discord Markdown. A block of code without an end, as in
    a text still growing, is closed."""
    made: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    place = 0
    while place < len(lines):
        fence = _FENCE.match(lines[place])
        if fence is not None:
            place = _fenced(lines, place, fence, made)
        elif "|" in lines[place] and place + 1 < len(lines) and _is_rule_of_table(lines[place + 1]):
            place = _table(lines, place, made)
        else:
            place = _line(lines, place, made)
    return "\n".join(made)


def _escaped(found: re.Match[str]) -> str:
    if found["url"]:
        return found["url"]
    if found["start"]:
        bare = found["start"].lstrip()
        return found["start"][: -len(bare)] + "\\" + bare
    return "".join(f"\\{letter}" for letter in found["mark"])


def _fenced(lines: Sequence[str], place: int, fence: re.Match[str], made: list[str]) -> int:
    """Take a block of code over, and return the line behind it."""
    later = range(place + 1, len(lines))
    end = next((one for one in later if _closes(lines[one], fence["fence"])), len(lines))
    body = [line.replace(FENCE, "``\u200b`") for line in lines[place + 1 : end]]
    made += [f"{FENCE}{fence['language']}", *body, FENCE]
    return end + 1


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(fence) and set(stripped) == {fence[0]}


def _line(lines: Sequence[str], place: int, made: list[str]) -> int:
    """Take one line over, and the line under it that makes it a heading."""
    line = lines[place]
    heading = _HEADING.match(line)
    under = lines[place + 1] if place + 1 < len(lines) else ""
    if heading is not None:
        level, title = heading["level"], _inline(heading["title"])
        made.append(f"{level} {title}" if len(level) <= 3 else f"**{title.replace('**', '')}**")
    elif (
        line.strip() and not _RULE.match(line) and _SETEXT.match(under) and line[:1] not in "->*+ |"
    ):
        made.append(f"{'#' if '=' in under else '##'} {_inline(line.strip())}")
        return place + 2
    elif _RULE.match(line):
        made.append(RULE)
    else:
        for pattern, to in _STARTS:
            line = pattern.sub(to, line)
        made.append(_inline(line))
    return place + 1


def _inline(text: str) -> str:
    """Rewrite the parts that are not code."""
    made, place = "", 0
    for code in _CODE.finditer(text):
        made += _rewritten(text[place : code.start()]) + code[0]
        place = code.end()
    return made + _rewritten(text[place:])


def _rewritten(text: str) -> str:
    for pattern, to in _INLINE:
        text = pattern.sub(to, text)
    return text


def _is_rule_of_table(line: str) -> bool:
    return "-" in line and ("|" in line or ":" in line) and _TABLE_RULE.match(line) is not None


def _table(lines: Sequence[str], place: int, made: list[str]) -> int:
    """Take a table over as lined-up text, or as lists if it is too wide for that."""
    head = _cells(lines[place])
    rows = []
    place += 2
    while place < len(lines) and "|" in lines[place]:
        cells = _cells(lines[place])
        rows.append((cells + [""] * len(head))[: len(head)])
        place += 1
    bare = [[_bare(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in bare) for column in range(len(head))]
    if sum(widths) + 2 * len(widths) <= TABLE_WIDTH:
        lined = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in bare
        ]
        made += [FENCE, lined[0], "  ".join("─" * width for width in widths), *lined[1:], FENCE]
    else:
        made += list(_listed(head, rows))
    return place


def _listed(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        named = [
            f"{_inline(name)}: {_inline(cell)}" if name else _inline(cell)
            for name, cell in zip(head[1:], row[1:], strict=True)
            if cell
        ]
        first = _inline(row[0]).replace("**", "")
        yield f"- **{first}**" if first else "-"
        yield from (f"  - {one}" for one in named)


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _bare(cell: str) -> str:
    """A cell without marks, which would be seen in a block of code."""
    cell = re.sub(r"!?\[([^\]]*)\]\((\S+?)\)", r"\1", cell)
    return re.sub(r"(\*\*|__|~~|`)", "", cell).replace("<br>", " ")


def _blocks(text: str) -> Iterator[str]:
    """Blocks of code whole, other text by paragraphs, an empty line staying with what is before
    it."""
    held: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith(FENCE) and not inside:
            if held:
                yield "\n".join(held)
            held, inside = [line], True
        elif line.startswith(FENCE) and inside:
            yield "\n".join([*held, line])
            held, inside = [], False
        else:
            held.append(line)
            if not inside and not line.strip():
                yield "\n".join(held)
                held = []
    if held:
        yield "\n".join(held)


def _cut(block: str, limit: int, parts: list[str], room: int) -> list[str]:
    """Cut a block that is longer than a message. Text may begin in the `room` that the last message
    has left."""
    if block.startswith(FENCE):
        opening, *body = block.split("\n")[:-1]
        around = len(opening) + len(FENCE) + 2
        return [f"{opening}\n{piece}\n{FENCE}" for piece in _lines_within(body, limit - around)]
    text = block.strip()
    if room > limit // 2:
        first = split(text, room)[0]
        parts[-1] += f"\n{first}"
        text = text[len(first) :].lstrip()
    pieces = split(text, limit)
    return [*pieces[:-1], f"{pieces[-1]}\n"] if pieces else []


def _lines_within(lines: Sequence[str], limit: int) -> Iterator[str]:
    held: list[str] = []
    room = limit
    for line in lines:
        for piece in [line[start : start + limit] for start in range(0, len(line), limit)] or [""]:
            if held and len(piece) + 1 > room:
                yield "\n".join(held)
                held, room = [], limit
            held.append(piece)
            room -= len(piece) + 1
    if held:
        yield "\n".join(held)
