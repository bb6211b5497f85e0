"""The metrics of a process of the web."""

from client.version import VERSION
from telemetry.metrics import ProcessMetrics

UNKNOWN = "unknown"


class WebMetrics(ProcessMetrics):
    """A page is known by its endpoint, never by its address."""

    def __init__(self) -> None:
        super().__init__(VERSION)
        self._requests = self._counter(
            "web_requests", "Pages answered.", "method", "page", "status"
        )
        self._seconds = self._histogram(
            "web_request_seconds", "Time to the beginning of the answer.", "method", "page"
        )

    def answered(self, method: str, page: str | None, status: int, seconds: float) -> None:
        self._requests.labels(method, page or UNKNOWN, status).inc()
        self._seconds.labels(method, page or UNKNOWN).observe(seconds)
