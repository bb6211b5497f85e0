"""What the sandbox's routes share: the way in and out of a call, ids, money, and the threads that
draw."""

import asyncio
import base64
import json
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox.faults import (
    Call,
    CallKind,
    Dropped,
    Fault,
    Faults,
    Refusal,
    before_work,
    break_connection,
    refusal_of,
)
from sandbox.media import BadImage, read_data_url, read_image

_KEEP = 1000
_MAX_BODY = 64 * 1024 * 1024
_UNSAID = (
    "api_type", "app_id", "cache_discount", "cancelled", "external_user", "finish_reason",
    "generation_time", "http_referer",
    "latency",
    "moderation_latency", "native_finish_reason", "native_tokens_cached",
    "native_tokens_completion",
    "native_tokens_completion_images",
    "native_tokens_prompt", "native_tokens_reasoning", "num_fetches", "num_input_audio_prompt",
    "num_media_completion",
    "num_media_prompt", "num_search_results", "preset_id", "provider_responses", "router",
    "service_tier", "streamed",
    "tokens_completion", "tokens_prompt", "upstream_id", "upstream_inference_cost", "user_agent",
    "web_search_engine", "workspace_id",
)  # fmt: skip
"""Fields of `GET /generation` that are null where nothing is known."""
_ALPHABET = string.ascii_letters + string.digits

P = ParamSpec("P")
R = TypeVar("R")
Body = TypeVar("Body", bound=BaseModel)


def new_id(prefix: str = "gen") -> str:
    return f"{prefix}-{int(time.time())}-{''.join(secrets.choice(_ALPHABET) for _ in range(20))}"


def usd(amount: Decimal) -> float:
    return float(round(amount, 10))


class Studio:
    """State of one sandbox; in memory only, so a restart forgets jobs and generations."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._generations: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._drawing = asyncio.Semaphore(2)
        self.spent = 0.0
        """All that was ever billed, in dollars."""

    async def draw(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        async with self._drawing:
            return await asyncio.to_thread(work, *args, **kwargs)

    def remember(self, generation_id: str, data: dict[str, Any]) -> None:
        """For `GET /generation`."""
        self.spent += data["total_cost"]
        known_at = time.monotonic() + self.faults.timing.generation
        record = {
            **dict.fromkeys(_UNSAID),
            "id": generation_id,
            "created_at": datetime.now(UTC).isoformat(),
            "data_region": "global",
            "origin": "",
            "provider_name": "Sandbox",
            "is_byok": False,
            **data,
        }
        self._generations[generation_id] = known_at, record
        while len(self._generations) > _KEEP:
            self._generations.popitem(last=False)

    def recall(self, generation_id: str) -> dict[str, Any] | None:
        """None also for a call that ended only a moment ago."""
        known_at, record = self._generations.get(generation_id, (0.0, None))
        return record if time.monotonic() >= known_at else None


class Work:
    """One call on its way through: what was asked, and what shall go wrong with it."""

    def __init__(self, request: Request, studio: Studio, call: Call, body: dict[str, Any]) -> None:
        self.request = request
        self.studio = studio
        self.call = call
        self.body = body
        self.fault: Fault | None = None

    def hit_by(self, kind: str) -> Fault | None:
        return self.fault if self.fault is not None and self.fault.kind == kind else None

    def parse(self, shape: type[Body]) -> Body:
        try:
            return shape.model_validate(self.body)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise Refusal(
                400,
                f"{place}: {first['msg']}" if place else first["msg"],
                {"error_type": "invalid_request"},
            ) from None


Handler = Callable[[Work], Awaitable[Response]]


def endpoint(
    studio: Studio, kind: CallKind, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a handler in what every call has: key check, log entry, faults, error bodies."""

    async def run(request: Request) -> Response:
        call = Call(request.method, _path(request), kind)
        studio.faults.calls.append(call)
        try:
            response = await _answer(request, studio, call, kind, handler)
        except Refusal as refusal:
            headers = (
                {} if refusal.retry_after is None else {"Retry-After": f"{refusal.retry_after:g}"}
            )
            response = JSONResponse(refusal.body(), refusal.status, headers)
        except (Dropped, ClientDisconnect):
            break_connection(request)
            return Response()
        call.status = response.status_code
        return response

    return run


async def _answer(
    request: Request, studio: Studio, call: Call, kind: CallKind, handler: Handler
) -> Response:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refusal(401, "Missing Authentication header")
    work = Work(request, studio, call, await _body(request) if request.method == "POST" else {})
    call.body = summary(work.body) or None
    model = work.body.get("model")
    work.fault = studio.faults.take(kind, model if isinstance(model, str) else None)
    call.fault = work.fault.kind if work.fault is not None else None
    if request.method == "GET":
        await request.body()
    await before_work(request, work.fault)
    if (replay := work.hit_by("replay")) is not None:
        return StreamingResponse(
            _replayed(request, replay, studio.faults.timing.token), media_type=replay.media_type
        )
    return await _spoilt(work, await handler(work))


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if len(raw) > _MAX_BODY:
        raise Refusal(413, metadata={"error_type": "payload_too_large"})
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(
            400, "Request body is not valid JSON", {"error_type": "invalid_request"}
        ) from None
    if not isinstance(body, dict):
        raise Refusal(400, "Request body must be a JSON object", {"error_type": "invalid_request"})
    return body


async def _spoilt(work: Work, response: Response) -> Response:
    """The faults that strike when the work is done."""
    fault = work.fault
    if fault is None:
        return response
    if fault.kind == "lost":
        raise Dropped
    named = {
        name: response.headers[name] for name in ("X-Generation-Id",) if name in response.headers
    }
    if fault.kind == "garbage":
        return Response(b"<html><body>502 Bad Gateway</body>", 200, named, "text/html")
    if fault.kind == "instead":
        return _instead(fault)
    if fault.kind == "error_in_200":
        work.call.cost_usd = 0
        return JSONResponse(_failed_body(fault))
    if isinstance(response, StreamingResponse):
        return response
    if fault.kind == "cut":
        return StreamingResponse(
            half(work.request, bytes(response.body)),
            response.status_code,
            named,
            response.media_type,
        )
    return response


async def _replayed(request: Request, fault: Fault, pause: float) -> AsyncIterator[bytes]:
    for part in fault.body.split("\n\n"):
        yield f"{part}\n\n".encode()
        await asyncio.sleep(pause)
    if fault.breaks:
        await asyncio.sleep(0.05)
        break_connection(request)


def _instead(fault: Fault) -> Response:
    head, comma, text = fault.value.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        body, media_type = base64.b64decode(text), head[5:-7]
    else:
        body, media_type = fault.value.encode(), "application/json"
    return Response(
        body,
        fault.status,
        {str(name): str(value) for name, value in (fault.metadata or {}).items()},
        media_type,
    )


def _failed_body(fault: Fault) -> dict[str, Any]:
    """HTTP 200 that is a failure, in its two shapes: on the choice, or at the top."""
    error = refusal_of(fault).error()
    if fault.value == "choice":
        return {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "error",
                    "message": {"role": "assistant", "content": ""},
                    "error": error,
                }
            ]
        }
    return {"error": error}


async def half(request: Request, body: bytes) -> AsyncIterator[bytes]:
    """The first half, then a torn connection."""
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)
    break_connection(request)


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def summary(value: Any) -> Any:
    """The body for the log: long strings (pictures) are shortened."""
    if isinstance(value, str):
        return value if len(value) <= 200 else f"{value[:60]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [summary(item) for item in value]
    if isinstance(value, dict):
        return {key: summary(item) for key, item in value.items()}
    return value


def input_image(url: str, place: str) -> bytes | None:
    """The bytes of a data URL. An outside address is taken but not fetched (None); a local one is
    refused."""
    if url.startswith(("http://", "https://")):
        host = url.split("/")[2].rsplit(":", 1)[0]
        if host in {"localhost", "127.0.0.1", "[::1]"}:
            raise Refusal(
                400,
                f"Invalid reference URL: {place}: Localhost URLs are not allowed",
                {"error_type": "image_download_failed"},
            )
        return None
    try:
        data = read_data_url(url)
        read_image(data)
    except BadImage as error:
        raise Refusal(
            400, f"Invalid image: {place}: {error}", {"error_type": "invalid_image"}
        ) from None
    return data
