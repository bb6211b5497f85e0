"""The outermost middleware, which every request passes before FastAPI's own."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.errors import InvalidRequest, TooLarge
from api.ids import short_id
from api.metrics import Metrics
from api.problems import problem_response


class Edge:
    """Middleware that gives each request an id, in its answer (`X-Request-Id`) and in every log
    line of its work. Refuses a NUL in the address, which no database could look up. Turns the
    framework's plain 413 into a problem document. Counts what was answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = short_id()
        replaced, status, started = False, 500, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal replaced, status
            if message["type"] == "http.response.start":
                status = message["status"]
                if _is_plain_413(message):
                    replaced = True
                    await problem_response(TooLarge("request_too_large"))(
                        scope, receive, send_with_id
                    )
                    return
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif replaced and message.get("body") == PLAIN_413:
                return
            await send(message)

        with bound_contextvars(request_id=request_id):
            app = (
                problem_response(InvalidRequest("address_not_text"))
                if _has_nul(scope)
                else self._app
            )
            try:
                await app(scope, receive, send_with_id)
            finally:
                self._metrics.answered(scope, status, time.perf_counter() - started)


PLAIN_413 = b"Content Too Large"


def _is_plain_413(message: Message) -> bool:
    return (
        message["status"] == 413
        and (b"content-type", b"text/plain; charset=utf-8") in message["headers"]
    )


def _has_nul(scope: Scope) -> bool:
    return "\x00" in scope["path"] or b"%00" in scope["query_string"]
