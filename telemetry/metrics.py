"""The metrics that every process has, and the kinds of which processes make their own."""

import asyncio
import platform
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second time series for each one

PREFIX = "allucanget"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
OTHER = "other"
LOOK_SECONDS = 0.5


class ProcessMetrics:
    """A registry with memory, descriptors, processor time, version and the event loop's lag of this
    process. Each process adds its own metrics in a subclass."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._built = self._gauge(
            "build_info", "1, with the versions as labels.", "version", "python"
        )
        self._built.labels(version, platform.python_version()).set(1)
        self._lag = self._gauge(
            "event_loop_lag_seconds",
            "Longest time that the event loop was held up since the last look.",
        )
        self._lag_most = 0.0
        self._lag.set_function(self._take_lag)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = SECONDS
    ) -> Histogram:
        return Histogram(
            name, text, labels, namespace=PREFIX, registry=self.registry, buckets=buckets
        )

    def _take_lag(self) -> float:
        lag, self._lag_most = self._lag_most, 0.0
        return lag

    @asynccontextmanager
    async def watching_loop(self) -> "AsyncIterator[None]":
        """Measure the lag of the running event loop meanwhile."""
        watching = asyncio.create_task(self._watch_loop(), name="event-loop-lag")
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch_loop(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LOOK_SECONDS)
            self._lag_most = max(self._lag_most, time.perf_counter() - began - LOOK_SECONDS)


class Capped:
    """Label values of an open set: the first `most` that are used, then `other`. A provider has
    hundreds of models, and each value is a time series of its own for ever."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value
