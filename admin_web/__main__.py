"""`python -m admin_web`: the web in two processes that share a port, so that pages are made on two
cores."""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import NoReturn

import uvicorn
from flask import Flask
from pydantic import ValidationError

from admin_web.app import MAX_BODY, create_app
from admin_web.serving import ThreadedApp
from admin_web.settings import WebSettings
from api.http_server import Listener, allow_many_files
from telemetry import ending
from telemetry.exporter import exporter, of_children, tell_parent

WORKERS = 2
STOPPING = (signal.SIGTERM, signal.SIGINT)
THREADS = 24
"""Pages that one process makes at once. A streamed answer takes one while its next part is waited
for."""
STOP_SECONDS = 3
"""Time to finish open requests, beside the time of the api's own answers."""
BACKLOG = 2048
TURN_SECONDS = 0.001
"""The time after which a thread that makes a page lets another one run. With Python's 5 ms the
event loop waits so often that eight pages at once take a third longer."""


def main(settings: WebSettings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get as long as the api gives its answers, and
    none at a second signal. A worker that ends by itself ends all. Raises `SystemExit` with a
    sentence."""
    allow_many_files()
    sys.setswitchinterval(TURN_SECONDS)
    port = _listen(settings.web_host, settings.web_port)
    app = create_app(settings)
    gc.freeze()  # what is here by now is shared by the workers until one of them writes to it
    alive, held = os.pipe()
    patience = settings.drain_seconds + STOP_SECONDS
    lines = [socket.socketpair() for _ in range(WORKERS)]
    # a worker may answer before this process can be asked to stop, which waits until it can
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    workers = [_fork(app, port, alive, held, patience, theirs) for _, theirs in lines]
    port.close()
    exporter.serve(of_children([ours for ours, _ in lines]))
    asked = False

    def kill() -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            kill()
        else:
            asked = True
            os.close(held)

    for number in STOPPING:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    ended, code = os.wait()
    failed = not asked
    if failed:
        kill()
    for worker in workers:
        if worker != ended:
            os.waitpid(worker, 0)
    if failed:
        sys.stderr.write(f"A worker ended by itself: {os.waitstatus_to_exitcode(code)}\n")
        raise SystemExit(1)


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


def _fork(
    app: Flask, port: socket.socket, alive: int, held: int, patience: int, line: socket.socket
) -> int:
    """Start a worker, which ends when nobody holds the other end of `alive` any more, and tells its
    metrics on `line`. Return its process id."""
    worker = os.fork()
    if worker == 0:
        os.close(held)
        tell_parent(app.extensions["metrics"], line)
        _work(app, port, alive, patience)
    return worker


def _work(app: Flask, port: socket.socket, alive: int, patience: int) -> NoReturn:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # uvicorn raises again what it has caught
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    served = ThreadedApp(
        app,
        threads=THREADS,
        body_max=MAX_BODY,
        behind_proxy=app.extensions["settings"].is_https,
    )
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
    server = uvicorn.Server(config)

    def end() -> None:
        asyncio.get_running_loop().remove_reader(alive)
        server.should_exit = True
        served.refuse_unfinished()
        threading.Timer(patience + 1, os._exit, [0]).start()

    async def serve() -> None:
        asyncio.get_running_loop().add_reader(alive, end)
        async with app.extensions["metrics"].watching_loop():
            await server.serve([port])
        await asyncio.to_thread(ending.end)
        os._exit(0)  # a thread that still waits for the api is not waited for

    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(serve())
    finally:
        traceback.print_exc()
        os._exit(1)


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
