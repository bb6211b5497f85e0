"""The outermost middleware, which every request passes before FastAPI's own."""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger

from api.errors import InvalidRequest, TooLarge
from api.metrics import UNKNOWN, Metrics
from api.problems import problem_response
from telemetry.requests import HEADER, TRACE_HEADER, of_request
from telemetry.spans import OpenSpan, span

log = get_logger("api")

READS = {"GET", "HEAD", "OPTIONS"}
QUIET = {"/bot/deliveries/claim"}
"""Asked again and again while nothing happens."""


class Edge:
    """Middleware that names each request, as its caller does or anew: in its answer
    (`X-Request-Id`) and in every log line of its work. Adds the token for a bot (`X-Act`). Refuses
    a NUL in the address, which no database could look up. Turns the framework's plain 413 into a
    problem document. Counts and writes down what was answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
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
                message["headers"] = [
                    *message["headers"],
                    (ID_HEADER, request_id.encode()),
                    *_act(scope),
                ]
            elif replaced and message.get("body") == PLAIN_413:
                return
            await send(message)

        given = dict(scope["headers"])
        with (
            of_request(
                given.get(ID_HEADER, b"").decode("latin-1"),
                given.get(TRACE_HEADER.encode(), b"").decode("latin-1"),
            ) as request_id,
            span(scope["method"], "server") as opened,
        ):
            app = (
                problem_response(InvalidRequest("address_not_text"))
                if _has_nul(scope)
                else self._app
            )
            try:
                await app(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - started
                self._metrics.answered(scope, status, seconds)
                _write(scope, status, seconds)
                _finish(opened, scope, status)


def _act(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the header of an answer to a bot that has named the person it acts for."""
    act: str | None = scope.get("state", {}).get("act")
    return [] if act is None else [(ACT_HEADER, act.encode())]


def _finish(opened: OpenSpan, scope: Scope, status: int) -> None:
    """Name the span by the route, which is known only now."""
    route = getattr(scope.get("route"), "path", UNKNOWN)
    opened.rename(f"{scope['method']} {route}")
    opened.note(
        **{
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
        }
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        opened.fail()


def _write(scope: Scope, status: int, seconds: float) -> None:
    """Write what changes something, and what failed. The route is named, never the address, which
    may hold a secret."""
    route = getattr(scope.get("route"), "path", UNKNOWN)
    harmless = scope["method"] in READS or route in QUIET
    write = log.debug if harmless and status < HTTPStatus.INTERNAL_SERVER_ERROR else log.info
    write("answered", method=scope["method"], route=route, status=status, seconds=round(seconds, 3))


ID_HEADER = HEADER.lower().encode()
ACT_HEADER = b"x-act"
PLAIN_413 = b"Content Too Large"


def _is_plain_413(message: Message) -> bool:
    return (
        message["status"] == 413
        and (b"content-type", b"text/plain; charset=utf-8") in message["headers"]
    )


def _has_nul(scope: Scope) -> bool:
    return "\x00" in scope["path"] or b"%00" in scope["query_string"]
