"""Text from outside, as our encoders and both database engines can keep it: the provider's client
reads and the engines store only text that has gone through here."""

from datetime import datetime
from typing import Any


def storable(text: str) -> str:
    """Return the text with halves of a character joined, single halves as U+FFFD, and without
    NUL."""
    if text.isascii() and "\x00" not in text:
        return text
    return (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")
    )


def storable_args(args: tuple[object, ...]) -> tuple[object, ...]:
    """Return a statement's arguments as storable text; lists hold values of one kind."""
    return tuple(_argument(value) for value in args)


def _argument(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, list) or not value or isinstance(value[0], int | datetime):
        return value
    return [storable(item) if isinstance(item, str) else item for item in value]


def storable_json(value: Any) -> Any:
    """Return a parsed document as storable text, its names included. Raises RecursionError where it
    is nested too deeply."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable_json(item) for name, item in value.items()}
    return value
