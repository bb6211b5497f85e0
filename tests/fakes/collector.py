"""An OpenTelemetry collector and a Sentry server: they take what is sent, decode it and keep it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """`bodies` are all that came, decompressed; `reports` the events of the error reports."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dsn = f"{url.replace('//', '//publickey@')}/7"
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.spans: list[tuple[str, Span]] = []
        self.metrics: list[tuple[str, Metric]] = []
        self.reports: list[dict[str, Any]] = []
        self.secrets: list[str] = []
        """Tokens that must not be in it."""

    def take(self, path: str, body: bytes) -> bytes:
        """Keep a request and return the answer."""
        self.bodies.append(body)
        if path == "/v1/traces":
            for traced in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [
                    (_service(traced.resource), span)
                    for scope in traced.scope_spans
                    for span in scope.spans
                ]
            return bytes(ExportTraceServiceResponse().SerializeToString())
        if path == "/v1/metrics":
            for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [
                    (_service(measured.resource), metric)
                    for scope in measured.scope_metrics
                    for metric in scope.metrics
                ]
            return bytes(ExportMetricsServiceResponse().SerializeToString())
        if path.endswith("/envelope/"):
            _, *items = body.split(b"\n")
            for head, item in zip(items[::2], items[1::2], strict=False):
                if json.loads(head).get("type") == "event":
                    self.reports.append(json.loads(item))
            return b"{}"
        raise AssertionError(f"nobody sends to {path}")


def _service(resource: Any) -> str:
    return next(
        str(each.value.string_value) for each in resource.attributes if each.key == "service.name"
    )


@contextmanager
def running_collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding")
            body = gzip.decompress(sent) if packed == "gzip" else sent
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
