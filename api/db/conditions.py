"""The end of a statement that lists ids, newest first, with filters: only what is asked for is in it, so that either engine can use what it
has for it."""

from collections.abc import Sequence

Condition = tuple[str, object]
"""SQL of our own with `{0}` where its parameter goes, and the parameter; None: not asked for."""


def newest(conditions: Sequence[Condition], limit: int) -> tuple[str, list[object]]:
    """From WHERE to LIMIT, and its parameters from `$1` on."""
    asked = [(text, value) for text, value in conditions if value is not None]
    texts = [text.format(f"${number}") for number, (text, _) in enumerate(asked, 1)]
    where = f"WHERE {' AND '.join(texts)} " if texts else ""
    return f"{where}ORDER BY id DESC LIMIT ${len(asked) + 1}", [*(value for _, value in asked), limit]
