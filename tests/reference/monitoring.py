"""The page of metrics and of the board's warnings."""

import re
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from admin_web.words.admin_warnings import GRAVE, HINTS, TITLES
from api.metrics import PREFIX, Metrics

HEAD = f"""# Metrics and warnings

## Metrics

`GET /metrics` of the api has them. Each name begins with `{PREFIX}_`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""
WARNINGS = """
## Warnings

These are the warnings of the board, and the values of the label `code` of the metric `warnings`.

| code | grave | title | what it means |
|---|---|---|---|
"""

_VALUE = re.compile(r"%\((\w+)\)s")


def page() -> str:
    metrics = "".join(f"| `{name}` | {rest} |\n" for name, rest in sorted(_metrics()))
    warnings = "".join(
        f"| `{code}` | {'yes' if code in GRAVE else ''} | {_plain(title)} | "
        f"{_plain(HINTS[code])} |\n"
        for code, title in TITLES.items()
    )
    return HEAD + metrics + WARNINGS + warnings


def _metrics() -> Iterator[tuple[str, str]]:
    for metric in vars(Metrics()).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            described = next(iter(metric.describe()))
            name = described.name.removeprefix(f"{PREFIX}_")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            suffix = "_total" if described.type == "counter" else ""
            yield name + suffix, f"{described.type} | {labels} | {described.documentation}"


def _plain(sentence: str) -> str:
    """Return the sentence with the name of each fact in its place."""
    return _VALUE.sub(r"*\1*", sentence).replace("%%", "%")
