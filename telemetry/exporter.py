"""The port at which a process without an HTTP server of its own serves its metrics."""

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from structlog import get_logger

from telemetry.access import Readers
from telemetry.pushed_metrics import push
from telemetry.settings import TelemetrySettings

log = get_logger("metrics")

PLACES = {"worker": 0, "web": 1, "telegram": 2, "discord": 3}
"""Each process listens so far above METRICS_PORT, so that one setting serves a whole machine."""
SLOW_SECONDS = 5.0


class _Exporter:
    """The port of this process, as its start has set it."""

    def __init__(self) -> None:
        self.access = Readers()
        self._place: tuple[str, int] | None = None

    def prepare(self, process: str, settings: TelemetrySettings) -> None:
        self.access = Readers.of(settings)
        if settings.metrics_port is not None and process in PLACES:
            self._place = settings.metrics_host, settings.metrics_port + PLACES[process]

    def serve(self, registry: CollectorRegistry) -> None:
        """Serve the metrics from a thread, if a port is set, and send them to a collector, if there
        is one. A port that is taken is no reason for the process not to start."""
        push(registry)
        if self._place is None:
            return
        host, port = self._place
        try:
            server = _MetricsServer(self._place, _handler(registry, self.access))
        except OSError as error:
            log.warning("metrics_not_served", host=host, port=port, error=error.strerror)
            return
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        log.info("metrics_served", host=host, port=port)


exporter = _Exporter()


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        super().__init__(place, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that left in the middle is no error."""
        log.debug("scrape_ended", by=str(client_address))


def _handler(registry: CollectorRegistry, access: Readers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SLOW_SECONDS
        server_version, sys_version = "allucanget", ""

        def do_GET(self) -> None:
            scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
            names = {name.lower() for name in self.headers}
            given = bearer.strip() if scheme.lower() == "bearer" else None
            if self.path.partition("?")[0] != "/metrics":
                self._answer(HTTPStatus.NOT_FOUND, b"Only /metrics is here.\n")
            elif access.is_allowed(self.client_address[0], names, given):
                self._answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._answer(
                    HTTPStatus.UNAUTHORIZED, b"METRICS_TOKEN or METRICS_ALLOW is needed.\n"
                )

        def _answer(
            self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing: a scraper asks every few seconds."""

    return Handler
