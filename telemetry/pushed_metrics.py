"""The metrics of a process on their way to an OpenTelemetry collector: the same that Prometheus
reads, in the form of OTLP."""

import os
import threading
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from telemetry.ending import at_end
from telemetry.spans import SEND_SECONDS, collector

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricsData, NumberDataPoint
    from opentelemetry.sdk.metrics.export import Metric as PushedMetric

EVERY_SECONDS = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 30_000) / 1000
"""Between two sends; the variable is OpenTelemetry's own, in milliseconds."""
_UNITS = {"_seconds": "s", "_bytes": "By", "_usd": "USD"}
_STARTED = time.time_ns()


def push(registry: CollectorRegistry) -> None:
    """Send the metrics from a thread again and again, and once at the end, if there is a
    collector."""
    if collector.endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import MetricExportResult

    exporter = OTLPMetricExporter(
        f"{collector.endpoint}/v1/metrics", headers=collector.headers, timeout=SEND_SECONDS
    )

    def send() -> None:
        result = exporter.export(pushed(registry.collect()))
        collector.sent(well=result is MetricExportResult.SUCCESS)

    def send_on() -> None:
        while True:
            send()
            time.sleep(EVERY_SECONDS)

    threading.Thread(target=send_on, name="metrics-push", daemon=True).start()
    at_end(send)


def pushed(families: Iterable[Metric]) -> "MetricsData":
    """Return the metrics as OTLP has them."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    found = [made for family in families if family.samples and (made := _metric(family))]
    scope = ScopeMetrics(InstrumentationScope("allucanget"), found, "")
    resource = collector.resource or Resource.get_empty()
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Metric) -> "PushedMetric | None":
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Gauge,
        Histogram,
        Sum,
    )
    from opentelemetry.sdk.metrics.export import Metric as PushedMetric

    total = AggregationTemporality.CUMULATIVE
    data: Sum | Gauge | Histogram
    if family.type == "counter":
        data = Sum(_numbers(family.samples), total, is_monotonic=True)
    elif family.type == "gauge":
        data = Gauge(_numbers(family.samples))
    elif family.type == "histogram":
        data = Histogram(_histograms(family.samples), total)
    else:
        return None
    unit = next((unit for end, unit in _UNITS.items() if family.name.endswith(end)), "")
    return PushedMetric(family.name, family.documentation, unit, data)


def _numbers(samples: Iterable[Sample]) -> list["NumberDataPoint"]:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    at = time.time_ns()
    return [NumberDataPoint(each.labels, _STARTED, at, each.value) for each in samples]


def _histograms(samples: Iterable[Sample]) -> list["HistogramDataPoint"]:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    at = time.time_ns()
    series: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for each in samples:
        labels = {name: value for name, value in each.labels.items() if name != "le"}
        kind = each.labels.get("le") or each.name.rpartition("_")[2]
        series.setdefault(tuple(labels.items()), {})[kind] = each.value
    found = []
    for named, values in series.items():
        bounds = sorted((float(le), value) for le, value in values.items() if _is_bound(le))
        below = [0.0, *(value for _, value in bounds)]
        counts = [round(now - before) for before, now in pairwise(below)]
        found.append(
            HistogramDataPoint(
                attributes=dict(named),
                start_time_unix_nano=_STARTED,
                time_unix_nano=at,
                count=round(values["count"]),
                sum=values["sum"],
                bucket_counts=counts,
                explicit_bounds=[bound for bound, _ in bounds[:-1]],
                min=0.0,
                max=0.0,
            )
        )
    return found


def _is_bound(kind: str) -> bool:
    return kind not in {"count", "sum", "created"}
