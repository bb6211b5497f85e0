"""The WHERE of a list with filters: only what is asked for is in it, so that either engine can use what it has for it."""

from collections.abc import Sequence

Condition = tuple[str, object]
"""SQL of our own with `{0}` where its parameter goes, and the parameter; None: not asked for."""


def where(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    """The clause, empty when nothing is asked for, and its parameters from `$1` on."""
    asked = [(text, value) for text, value in conditions if value is not None]
    texts = [text.format(f"${number}") for number, (text, _) in enumerate(asked, 1)]
    return f"WHERE {' AND '.join(texts)}" if texts else "", [value for _, value in asked]
