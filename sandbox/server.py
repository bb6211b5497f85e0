"""The HTTP server of the sandbox, whose connections can be broken in the middle of an answer."""

import asyncio

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _BreakableConnection(HttpToolsProtocol):
    """Lets the app tear its connection down, which ASGI has no message for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.abort": {"call": self.transport.abort}}


def _calm(app: ASGIApp) -> ASGIApp:
    """End the calls that a stop interrupts by closing their connections, without a traceback for
    each."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            scope["extensions"]["sandbox.abort"]["call"]()
            await asyncio.sleep(0)

    return run


def server(app: Starlette, port: int, host: str = "127.0.0.1") -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            _calm(app),
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
