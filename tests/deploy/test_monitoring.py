"""The dashboard and the alerts ask for metrics that exist, by labels that these have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from admin_web.metrics import WebMetrics
from api.metrics import Metrics
from bots.core.metrics import ChatMetrics
from telemetry.exporter import PLACES
from tests.rules.source import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
SCRAPED = {"job", "instance", "process", "worker", "le"}
"""Labels that a scrape, a histogram and the web's processes add."""
_NAME = re.compile(r"\b((?:allucanget|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\bby \(([^)]*)\)")
_SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


def known() -> dict[str, set[str]]:
    """Return the labels of each sample by name."""
    found: dict[str, set[str]] = {}
    for metrics in (Metrics(), WebMetrics(), ChatMetrics()):
        for family in metrics.registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        for metric in vars(metrics).values():
            if not hasattr(metric, "_labelnames"):
                continue
            described = next(iter(metric.describe()))
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            for end in ends.get(described.type, ("",)):
                found.setdefault(described.name + end, set()).update(metric._labelnames)
    return found


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads((FOLDER / "grafana.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def asked() -> Iterator[tuple[str, str]]:
    """Yield each expression, and the text that shows its labels."""
    for rule in alerts():
        yield rule["expr"], " ".join(rule["annotations"].values())
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def faults(expression: str, shown: str, there: dict[str, set[str]]) -> list[str]:
    """Return what the expression asks for and nobody has."""
    labels, found = set(SCRAPED), []
    for name, conditions in _NAME.findall(expression):
        if name not in there:
            found.append(name)
        labels |= there.get(name, set())
        wrong = set(_LABEL.findall(conditions)) - there.get(name, set()) - SCRAPED
        found += [f"{name} {label}" for label in wrong]
    grouped = {word.strip() for words in _BY.findall(expression) for word in words.split(",")}
    found += [f"by {label}" for label in grouped - labels]
    kept = grouped or labels
    found += [f"shown {label}" for label in set(_SHOWN.findall(shown)) - kept]
    return found


def test_all_that_is_asked_for_exists() -> None:
    there = known()
    assert [found for each in asked() if (found := faults(*each, there))] == []


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("allucanget_job > 0", ""),
        ('allucanget_jobs{status="x"} > 0', ""),
        ("sum by (model) (allucanget_jobs)", ""),
        ("sum by (kind) (allucanget_jobs)", "{{state}}"),
        ("rate(allucanget_http_requests[5m])", ""),
    ],
)
def test_a_mistake_is_found(expression: str, shown: str) -> None:
    assert faults(expression, shown, known())


def test_each_alert_says_what_to_do() -> None:
    assert [
        rule["alert"] for rule in alerts() if set(rule["annotations"]) != {"summary", "action"}
    ] == []
    assert {rule["labels"]["severity"] for rule in alerts()} == {"warning", "critical"}


def test_panels_lie_side_by_side_and_have_an_id_each() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    places = {
        (x, y)
        for panel in panels()
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in panels())
    assert max(x for x, _ in places) < 24


def test_scraped_ports_are_those_of_the_processes() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    ports = {
        each["labels"]["process"]: int(each["targets"][0].rpartition(":")[2])
        for each in job["static_configs"]
    }
    assert ports.pop("api") == 8000
    assert ports == {name: 9400 + PLACES[name] for name in ("web", "telegram", "discord")}
