"""The HTTP server of the sandbox, whose connections can be broken in the middle of an answer, and
which can be gone for a while."""

import asyncio
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _BreakableConnection(HttpToolsProtocol):
    """Lets the app tear its connection down, which ASGI has no message for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.abort": {"call": self.transport.abort}}


class _LeavingServer(uvicorn.Server):
    async def away(self, seconds: float) -> None:
        """Refuse connections for so long, and close those that are there."""
        for one in self.servers:
            one.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        await asyncio.sleep(seconds)
        self.servers = [
            await asyncio.get_running_loop().create_server(
                lambda: _BreakableConnection(
                    config=self.config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                ),
                self.config.host,
                self.config.port,
            )
        ]


def _calm(app: ASGIApp, away: Callable[[float], Awaitable[None]]) -> ASGIApp:
    """End the calls that a stop interrupts by closing their connections, without a traceback for
    each. `away` is there for the app as an extension."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["extensions"]["sandbox.away"] = {"call": away}
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            scope["extensions"]["sandbox.abort"]["call"]()
            await asyncio.sleep(0)

    return run


def server(app: Starlette, port: int, host: str = "127.0.0.1") -> uvicorn.Server:
    def away(seconds: float) -> Awaitable[None]:
        return made.away(seconds)

    made = _LeavingServer(
        uvicorn.Config(
            _calm(app, away),
            host=host,
            port=port,
            http=_BreakableConnection,
            ws="none",
            log_level="info",
            access_log=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
    )
    return made
