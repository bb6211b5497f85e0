"""`python -m admin_web`: the web's server."""

import asyncio
import os
import socket
import sys
import threading
import traceback
from types import FrameType
from typing import NoReturn

import uvicorn
from pydantic import ValidationError

from admin_web.app import MAX_BODY, create_app
from admin_web.serving import ThreadedApp
from admin_web.settings import WebSettings
from api.http_server import Listener, allow_many_files
from telemetry import ending
from telemetry.exporter import exporter

THREADS = 48
"""Pages that are made at once. A streamed answer takes one while its next part is waited
for."""
STOP_SECONDS = 3
"""Time to finish open requests, beside the time of the api's own answers."""
BACKLOG = 2048
TURN_SECONDS = 0.001
"""The time after which a thread that makes a page lets another one run. With Python's 5 ms the
event loop waits so often that eight pages at once take a third longer."""


class _WebServer(uvicorn.Server):
    """At the first signal open requests get so many seconds. At the second nobody waits."""

    def __init__(self, config: uvicorn.Config, served: ThreadedApp, seconds: int) -> None:
        super().__init__(config)
        self._served = served
        self._seconds = seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """uvicorn would end the process by this signal, which is no end for the supervisor."""
        if self.should_exit:
            os._exit(0)
        self.should_exit = True
        self._served.refuse_unfinished()
        ending_late = threading.Timer(self._seconds + 1, os._exit, [0])
        ending_late.daemon = True
        ending_late.start()


def main(settings: WebSettings) -> NoReturn:
    """Serve until SIGTERM or SIGINT; open requests get as long as the api gives its answers, and
    none at a second signal. Raises `SystemExit` with a sentence."""
    allow_many_files()
    sys.setswitchinterval(TURN_SECONDS)
    port = _listen(settings.web_host, settings.web_port)
    app = create_app(settings)
    metrics = app.extensions["metrics"]
    exporter.serve(metrics.registry)
    served = ThreadedApp(app, threads=THREADS, body_max=MAX_BODY, behind_proxy=settings.is_https)
    patience = settings.drain_seconds + STOP_SECONDS
    config = uvicorn.Config(
        served,
        http=Listener,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=patience,
    )

    async def serve() -> None:
        async with metrics.watching_loop():
            await _WebServer(config, served, patience).serve([port])
        await asyncio.to_thread(ending.end)
        os._exit(0)  # a thread that still waits for the api is not waited for

    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(serve())
    finally:
        traceback.print_exc()
        os._exit(1)


def _listen(host: str, number: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    port = socket.socket(family, kind, protocol)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        port.bind(address)
    except OSError as error:
        port.close()
        sys.stderr.write(
            f"WEB_HOST, WEB_PORT: {host}:{number} cannot be listened on: {error.strerror}\n"
        )
        raise SystemExit(1) from None
    port.listen(BACKLOG)
    return port


def _settings() -> WebSettings:
    try:
        return WebSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(_settings())
