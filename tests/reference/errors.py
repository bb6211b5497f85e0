"""The page of errors: codes from the tree of errors and from the API's description, reasons with
the sentence of each."""

import re
from collections.abc import Iterable
from typing import Any, get_args

from api.errors import BY_CODE, reasons_of
from api.reasons import SENTENCES, CheckReason, Making, Reason, StatusReason
from client.words import deliveries

HEAD = """# Errors

An error is a problem document (RFC 9457, `application/problem+json`) with `title`, `status`,
`detail`, `code`, `reason` and `params`. Programs switch on `code` and `reason`, which keep their
meaning, and read the facts from `params`. `title` and `detail` are English sentences for people and
may change.

More fields, where they apply: `retry_after` (seconds), `charged_usd` (the amount that was booked
all the same), `fields` (the refused fields, each with `reason` and `params`), `cost_usd` and
`draft_id` (with `confirm_cost`).

A generation that failed, and a text answer that broke, carry the same `code` and `reason`. A
delivery that a chat did not take has a `reason` of its own list, at the end, and in `said` the
platform's own words.
"""

REASONS = """The names in a sentence are those of `params`. Names that end in `_usd` are dollars
with six digits. `said` is quoted from the provider, from a store or from a chat platform, and may
come with reasons whose sentence does not show it."""

_CODE = re.compile(r"`(\w+)`: (.+)")


def codes(schema: dict[str, Any]) -> dict[tuple[str, int], str]:
    """Return titles by code and status. Some codes are no domain errors, and stand in the API's
    description only."""
    found = {(code, error.status): error.title for code, error in BY_CODE.items()}
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                for code, title in _CODE.findall(answer.get("description", "")):
                    if status.isdigit() and not any(code == known for known, _ in found):
                        found[code, int(status)] = title
    return found


def page(schema: dict[str, Any]) -> str:
    lines = [HEAD, "## Codes", "", "| code | status | title |", "|---|---|---|"]
    lines += [
        f"| `{code}` | {status} | {title} |"
        for (code, status), title in sorted(codes(schema).items())
    ]
    lines += ["", "## Reasons", "", REASONS]
    making = sorted(get_args(Making))
    lines += ["", "### Of any code: why something was not made", "", *_table(making)]
    for code, error in sorted(BY_CODE.items()):
        if own := [reason for reason in reasons_of(error) if reason not in making]:
            lines += ["", f"### `{code}`", "", *_table(own)]
    lines += ["", "### Of the server itself", "", *_table(sorted(get_args(StatusReason)))]
    lines += ["", "### Of `/readyz`", "", *_table(sorted(get_args(CheckReason)))]
    lines += ["", "## Reasons of deliveries", "", "| reason | sentence |", "|---|---|"]
    lines += [f"| `{one}` | {_shown(said)} |" for one, said in sorted(deliveries.SENTENCES.items())]
    return "\n".join(lines) + "\n"


def _table(reasons: Iterable[Reason]) -> list[str]:
    return [
        "| reason | detail |",
        "|---|---|",
        *(f"| `{one}` | {_shown(SENTENCES[one])} |" for one in reasons),
    ]


def _shown(sentence: str) -> str:
    return re.sub(r"%\((\w+)\)s", r"`\1`", sentence)
