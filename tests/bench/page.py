"""The tables of what was measured, and the page `docs/benchmarks.md` with a section for each
bench."""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine
from tests.bench.measured import Figure, Result

INTRODUCTION = Path(__file__).with_name("introduction.txt")
COLUMNS = 6
QUOTED, QUOTE_ENDS = "<!-- written by ./run bench -->", "<!-- up to here -->"


def table(result: Result) -> str:
    """Return Markdown: a row for each thing measured, a column for each figure, in several tables
    when there are many columns, and below them what is missing."""
    figures = list(result.figures.values())
    notes = [f"- {of}: not measured, since {reason}." for of, reason in result.left_out.items()]
    if result.failure is not None:
        notes.append(f"- It ended early: {result.failure}")
    if any(_target(figure) for figure in figures):
        notes.append("- In brackets: the target. Bold: it is missed.")
    if result.parameters:
        said = ", ".join(f"{name} {value}" for name, value in result.parameters.items())
        notes.append(f"- Parameters: {said}.")
    tables = [_table(columns, figures) for columns in _packed(figures)]
    return "\n\n".join([*(tables or ["Nothing was measured."]), "\n".join(notes)]).rstrip()


def _packed(figures: Sequence[Figure]) -> Iterator[list[str]]:
    """Yield the columns of each table. Those of one unit stay together, and units share a table
    when they have a row in common."""
    units: dict[str, list[Figure]] = {}
    for figure in figures:
        units.setdefault(figure.unit, []).append(figure)
    packed: list[str] = []
    rows: set[str] = set()
    for own in units.values():
        columns, of = list(dict.fromkeys(map(_heading, own))), {figure.of for figure in own}
        if packed and (len(packed) + len(columns) > COLUMNS or not rows & of):
            yield packed
            packed, rows = [], set()
        packed, rows = packed + columns, rows | of
    if packed:
        yield packed


def _table(columns: Sequence[str], figures: Sequence[Figure]) -> str:
    cells = {(figure.of, _heading(figure)): _cell(figure) for figure in figures}
    rows = dict.fromkeys(of for of, column in cells if column in columns)
    if len(rows) == 1:
        (of,) = rows
        return "\n".join(
            [_row([of, ""]), _row(["---", "---:"])]
            + [_row([column, cells[of, column]]) for column in columns]
        )
    lines = [_row(["", *columns]), _row(["---", *["---:"] * len(columns)])]
    lines += [_row([of, *(cells.get((of, column), "") for column in columns)]) for of in rows]
    return "\n".join(lines)


def put(
    path: Path,
    name: str,
    result: Result,
    benches: Mapping[str, str],
    facts: Mapping[str, str],
    *,
    notes: str,
    quick: bool,
) -> None:
    """Write the section of this bench into the page, and leave those of the others."""
    sections = _sections(path)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC{', short rounds' if quick else ''}"
    version, busy = facts[machine.OURS], facts[machine.BUSY]
    own = [f"{benches[name]}.", *inspect.cleandoc(notes).split("\n\n"), table(result)]
    own[-1] += f"\n- Measured {when}, version {version}, load of the machine before it {busy}."
    sections[name] = "\n\n".join(map(_filled, own))
    said = [INTRODUCTION.read_text().strip(), "", "| machine of the last run | |", "|---|---|"]
    said += [f"| {fact} | {value} |" for fact, value in facts.items() if fact != machine.BUSY]
    kept = [f"## {each}\n\n{sections[each]}" for each in benches if each in sections]
    path.write_text("\n".join(said) + "\n\n" + "\n\n".join(kept) + "\n")


def quote(path: Path, result: Result) -> None:
    """Put the first table of a result between the marks of a document."""
    before, _, rest = path.read_text().partition(QUOTED)
    _, _, after = rest.partition(QUOTE_ENDS)
    first = table(result).partition("\n\n")[0]
    path.write_text(f"{before}{QUOTED}\n{first}\n{QUOTE_ENDS}{after}")


def _sections(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    parts = re.split(r"^## (\w+)\n", path.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def _filled(paragraph: str) -> str:
    """Break lines at the width of all documents, except those of tables. The lines of a list stay
    apart."""
    if not paragraph.startswith(("|", "-")):
        return textwrap.fill(" ".join(paragraph.split()), 100)
    return "\n".join(
        line if line.startswith("|") else textwrap.fill(line, 100, subsequent_indent="  ")
        for line in paragraph.splitlines()
    )


def _heading(figure: Figure) -> str:
    return f"{figure.name}, {figure.unit}" if figure.unit not in {"", "x"} else figure.name


def _cell(figure: Figure) -> str:
    value = number(figure.value)
    return (f"**{value}**" if figure.is_missed else value) + _target(figure)


def _target(figure: Figure) -> str:
    bounds = []
    if figure.at_least is not None:
        bounds.append(f"\u2265 {number(figure.at_least)}")
    if figure.at_most is not None:
        bounds.append(f"\u2264 {number(figure.at_most)}")
    return f" ({', '.join(bounds)})" if bounds else ""


def number(value: float) -> str:
    """Return three digits that count, and whole thousands with a comma."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.01 else f"{float(f'{value:.3g}'):g}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
