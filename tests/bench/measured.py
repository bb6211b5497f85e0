"""The result of a bench: figures with their units and targets, kept as soon as they are known."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: `of` is its row ("ours on DuckDB"), `name` its column ("p50, 32 connections").

    The unit `x` is a ratio to something measured in the same run, written such that more is better:
    these can be compared between machines.
    """

    of: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_missed(self) -> bool:
        above = self.at_most is not None and self.value > self.at_most
        return above or (self.at_least is not None and self.value < self.at_least)


@dataclass(slots=True)
class Result:
    """All that one bench found. `left_out` has the reasons by what could not be measured."""

    figures: dict[tuple[str, str], Figure] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    failure: str | None = None


class Measured:
    """The place where a bench puts what it finds. Each fact is a line of the file at once, so that
    an interrupted bench keeps its figures; a figure put again replaces the one before."""

    def __init__(self, kept: Path, *, quick: bool = False) -> None:
        self.quick = quick
        self._kept = kept

    def add(
        self,
        of: str,
        name: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        self._keep("figure", asdict(Figure(of, name, value, unit, at_most, at_least)))

    def leave_out(self, of: str, reason: str) -> None:
        self._keep("left_out", {of: reason})

    def parameter(self, name: str, value: object) -> None:
        self._keep("parameter", {name: str(value)})

    def fail(self, reason: str) -> None:
        self._keep("failure", reason)

    def say(self, line: str) -> None:
        """Tell a person who waits how far it is."""
        print(line, flush=True)

    def _keep(
        self, kind: Literal["figure", "left_out", "parameter", "failure"], of: object
    ) -> None:
        with self._kept.open("a") as file:
            file.write(json.dumps({kind: of}) + "\n")


def read(kept: Path) -> Result:
    """Return what a bench has put into the file so far. A line cut short by a kill is no fact."""
    found = Result()
    for line in kept.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        ((kind, of),) = json.loads(line).items()
        if kind == "figure":
            figure = Figure(**of)
            found.figures[figure.of, figure.name] = figure
        elif kind == "left_out":
            found.left_out |= of
        elif kind == "parameter":
            found.parameters |= of
        else:
            found.failure = of
    return found
