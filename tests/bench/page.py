"""The tables of what was measured, and the page `docs/benchmarks.md` with a section for each
bench."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine
from tests.bench.measured import Figure, Result

INTRODUCTION = Path(__file__).with_name("introduction.txt")
MISSED = " **missed**"


def table(result: Result) -> str:
    """Return Markdown: a row for each thing measured, a column for each figure, and below it what
    is missing. Benches with many columns for few rows are laid on their side."""
    figures = list(result.figures.values())
    rows = list(dict.fromkeys(figure.of for figure in figures))
    columns = list(dict.fromkeys(_heading(figure) for figure in figures))
    cells = {(figure.of, _heading(figure)): _cell(figure) for figure in figures}
    lines = [_row(["", *columns]), _row(["---", *["---:"] * len(columns)])]
    lines += [_row([of, *(cells.get((of, column), "") for column in columns)]) for of in rows]
    if len(rows) == 1:
        lines = [_row([rows[0], ""]), _row(["---", "---:"])]
        lines += [_row([column, cells[rows[0], column]]) for column in columns]
    notes = [f"- {of}: not measured, since {reason}." for of, reason in result.left_out.items()]
    if result.failure is not None:
        notes.append(f"- It ended early: {result.failure}")
    if targets := [_target(figure) for figure in figures if _has_target(figure)]:
        notes.append(f"- Targets: {'; '.join(dict.fromkeys(targets))}.")
    if result.parameters:
        said = ", ".join(f"{name} {value}" for name, value in result.parameters.items())
        notes.append(f"- Parameters: {said}.")
    return "\n".join([*(lines if figures else ["Nothing was measured."]), "", *notes]).rstrip()


def put(
    path: Path,
    name: str,
    result: Result,
    benches: Mapping[str, str],
    facts: Mapping[str, str],
    *,
    quick: bool,
) -> None:
    """Write the section of this bench into the page, and leave those of the others."""
    sections = _sections(path)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC{', short rounds' if quick else ''}"
    intro = INTRODUCTION.read_text().strip()
    said = [intro, "", "| machine of the last run | |", "|---|---|"]
    said += [f"| {fact} | {value} |" for fact, value in facts.items()]
    own = f"{benches[name]}.\n\n{table(result)}\n- Measured {when}, version {facts[machine.OURS]}."
    sections[name] = _paragraphs(own)
    kept = [f"## {each}\n\n{sections[each]}" for each in benches if each in sections]
    path.write_text("\n".join(said) + "\n\n" + "\n\n".join(kept) + "\n")


def _sections(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    parts = re.split(r"^## (\w+)\n", path.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def _paragraphs(text: str) -> str:
    """Break the lines outside of tables at the width of all documents."""
    from textwrap import fill

    return "\n".join(
        line if line.startswith("|") else fill(line, 100, subsequent_indent="  ")
        for line in text.splitlines()
    )


def _heading(figure: Figure) -> str:
    return f"{figure.name}, {figure.unit}" if figure.unit else figure.name


def _cell(figure: Figure) -> str:
    return number(figure.value) + (MISSED if figure.is_missed else "")


def number(value: float) -> str:
    """Return three digits that count, and whole thousands with a comma."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.01 else f"{float(f'{value:.3g}'):g}"


def _has_target(figure: Figure) -> bool:
    return figure.at_most is not None or figure.at_least is not None


def _target(figure: Figure) -> str:
    bounds = []
    if figure.at_least is not None:
        bounds.append(f"at least {number(figure.at_least)}")
    if figure.at_most is not None:
        bounds.append(f"at most {number(figure.at_most)}")
    return f"{_heading(figure)} {' and '.join(bounds)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
