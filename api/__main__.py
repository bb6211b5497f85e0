"""`python -m api`: one uvicorn worker, because one process owns the DuckDB file."""

import logging
import socket
import sys
from http import HTTPStatus
from types import FrameType

import uvicorn
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger

from api import malloc
from api.app import create_app
from api.http_server import Listener, allow_many_files
from api.problems import ProblemResponse, plain_problem
from api.services import Services
from api.settings import Settings
from api.start_errors import CannotStart

STOP_SECONDS = 3
"""Seconds. Connections that are still open are cut after these, once no answer runs any more."""


class _Start:
    """The app, and why it refused to start: the process' edge tells that in a sentence, so
    uvicorn's traceback of it is left out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refused: CannotStart | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: list[Message] = []

        async def hold_back(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_back)
        except CannotStart as error:
            self.refused = error
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            raise
        finally:
            for message in failed:
                await send(message)


class _Listener(Listener):
    methods = "DELETE, GET, HEAD, POST, PUT"

    def refusal(self, status: HTTPStatus) -> tuple[str, bytes]:
        return ProblemResponse.media_type, plain_problem(status).model_dump_json(
            exclude_none=True
        ).encode()


class _Server(uvicorn.Server):
    """At the first signal long polls are ended, so that they do not keep the process for their 25
    seconds, and answers that run get their time. At the second nobody waits for anything."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        services = self._services
        again = services is not None and services.stop.asked
        if services is not None:
            services.stop.ask()
            services.wake.close()
        if not again:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if (services := self._services) is not None:
            for server in self.servers:
                server.close()
            for connection in list(self.server_state.connections):
                connection.shutdown()  # after what it answers just now
            await services.text.drain(services.stop)
            await services.sound.drain(services.stop)
            if services.stop.at_once:
                self.config.timeout_graceful_shutdown = 1
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end."""
        services = self._services
        if services is not None and self.broken:
            services.wake.close()
            return True
        return await super().on_tick(counter)

    @property
    def broken(self) -> bool:
        return self._services is not None and self._services.background.broken.is_set()

    @property
    def _services(self) -> Services | None:
        return getattr(self._state, "services", None)


def main(settings: Settings) -> None:
    """Raises `CannotStart`."""
    malloc.give_back()
    allow_many_files()
    app = create_app(settings)
    start = _Start(app)
    config = uvicorn.Config(
        start,
        host=settings.api_host,
        port=settings.api_port,
        http=_Listener,
        ws="none",
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
    )
    server = _Server(config, app.state)
    try:
        server.run()
    except SystemExit:
        if start.refused is not None:
            raise start.refused from None
        raise
    if not server.started:
        get_logger("api").error("not_started")
        sys.exit(1)
    if server.broken:
        sys.exit(1)


if __name__ == "__main__":
    main(Settings())
