"""Passwords that are long enough and still guessed first: common ones, alone, padded or repeated;
keyboard runs; names at hand.

The list and where it comes from: `weak_passwords.md`.
"""

import gzip
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Literal

LIST = Path(__file__).with_name("weak_passwords.txt.gz")
PADDING = 8
"""Fewer characters than this around a common password or a name add too little."""
UNIT = 12
"""A repeated part shorter than this is as quickly guessed as the part alone."""
NAME_LEAST = 3
"""Shorter words than this are in too many good passwords by chance."""

_RUNS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
)
_RUN_LEAST = 4

Weakness = Literal["password_common", "password_repeats", "password_run", "password_named"]


def reason(password: str, words: Collection[str] = ()) -> Weakness | None:
    """Return the weakness of a password; None when it is not easily guessed."""
    folded = password.casefold()
    if len(_unit(folded)) < min(UNIT, len(folded)):
        return "password_repeats"
    if _is_common(folded):
        return "password_common"
    if len(_without_runs(folded)) < PADDING:
        return "password_run"
    for word in words:
        name = word.casefold().strip()
        if (
            len(name) >= NAME_LEAST
            and name in folded
            and len(_letters_and_digits(folded.replace(name, ""))) < PADDING
        ):
            return "password_named"
    return None


@cache
def common() -> frozenset[str]:
    """Read the 40,000 common passwords, at the first password that is set."""
    with gzip.open(LIST, "rt", encoding="utf-8") as file:
        return frozenset(file.read().split("\n"))


def _is_common(folded: str) -> bool:
    """Yield it as it is, without the digits and marks around it, and cut off after a common
    beginning that is most of it."""
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    cores = {folded, core, _letters_and_digits(folded), _letters_and_digits(core)}
    return any(
        len(folded) - len(each) < PADDING and each in common()
        for each in cores
        if len(each) >= NAME_LEAST
    )


def _unit(text: str) -> str:
    """Return the shortest part whose repetition is the text; the last repetition may be cut."""
    for length in range(1, len(text) // 2 + 1):
        if (text[:length] * (len(text) // length + 1)).startswith(text):
            return text[:length]
    return text


def _without_runs(folded: str) -> str:
    """Return the text with each part that follows a row of the keyboard or the alphabet, in either
    direction, as one character."""
    left, at = "", 0
    while at < len(folded):
        length = _run_at(folded, at)
        left += folded[at]
        at += length if length >= _RUN_LEAST else 1
    return left


def _run_at(folded: str, at: int) -> int:
    for length in range(min(len(folded) - at, 26), _RUN_LEAST - 1, -1):
        part = folded[at : at + length]
        if any(part in run or part[::-1] in run for run in _RUNS):
            return length
    return 1


def _letters_and_digits(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)
