"""The page of metrics and of the board's warnings."""

import re
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from admin_web.metrics import WebMetrics
from admin_web.words.admin_warnings import GRAVE, HINTS, TITLES
from api.metrics import Metrics
from api.version import VERSION
from bots.core.metrics import ChatMetrics
from telemetry.metrics import PREFIX, ProcessMetrics

HEAD = f"""# Metrics and warnings

## Metrics

Each name begins with `{PREFIX}_`. Beside these every process has `process_*` (memory,
descriptors, processor time) and `python_info`.

| metric | kind | labels | of | meaning |
|---|---|---|---|---|
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
    own = {
        "all": ProcessMetrics(VERSION),
        "api, worker": Metrics(),
        "web": WebMetrics(),
        "bots": ChatMetrics(),
    }
    seen: set[str] = set()
    for process, metrics in own.items():
        for metric in vars(metrics).values():
            if isinstance(metric, Counter | Gauge | Histogram):
                described = next(iter(metric.describe()))
                name = described.name.removeprefix(f"{PREFIX}_")
                labels = ", ".join(f"`{label}`" for label in metric._labelnames)
                suffix = "_total" if described.type == "counter" else ""
                if name not in seen:
                    what = f"{labels} | {process} | {described.documentation}"
                    yield name + suffix, f"{described.type} | {what}"
                seen.add(name)


def _plain(sentence: str) -> str:
    """Return the sentence with the name of each fact in its place."""
    return _VALUE.sub(r"*\1*", sentence).replace("%%", "%")
