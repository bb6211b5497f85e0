"""The page of errors: codes from the tree of errors and from the API's description, reasons with
the sentence that chats have for each."""

import re
from typing import Any, get_args

from api.errors import BY_CODE
from api.schemas import Reason
from bots.core.texts.errors import CAUSES

HEAD = """# Errors

An error is a problem document (RFC 9457, `application/problem+json`) with `title`, `status`,
`detail` and `code`. Programs switch on `code` and `reason`, which keep their meaning. `title` and
`detail` are English sentences for people and may change.

More fields, where they apply: `retry_after` (seconds), `charged_usd` (the amount that was booked
all the same), `fields` (the refused fields, each with `reason` and `params`), `cost_usd` and
`draft_id` (with `confirm_cost`).

A generation that failed, and a text answer that broke, carry the same `code` and `reason`.
"""

_CODE = re.compile(r"`(\w+)`: (.+)")
_VALUES = {"%(detail)s": "…", "%(wait)s": ""}
"""Stand-ins for the facts of a case in a sentence."""


def codes(schema: dict[str, Any]) -> dict[tuple[str, int], str]:
    """By code and status: the title. Some codes are no domain errors, and stand in the API's
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
    lines += ["", "## Reasons", "", "Why something was not made, and what a chat says about it."]
    lines += ["", "| reason | sentence |", "|---|---|"]
    lines += [f"| `{reason}` | {_plain(CAUSES[reason])} |" for reason in get_args(Reason)]
    return "\n".join(lines) + "\n"


def _plain(sentence: str) -> str:
    for value, stand_in in _VALUES.items():
        sentence = sentence.replace(value, stand_in)
    return sentence
