"""The way of one call through the sandbox: key check, log entry, faults and error bodies."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox import faults
from sandbox.media import BadImage, read_data_url, read_image
from sandbox.simulation import Simulation

_MAX_BODY = 64 * 1024 * 1024
_BROKEN_PAGE = b"<html><body>502 Bad Gateway</body>"

Body = TypeVar("Body", bound=BaseModel)


class ImageUrl(BaseModel):
    """An image in a request: a data URL, or an address."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class IncomingCall:
    """A call under way: its body, and the fault that hits it."""

    def __init__(
        self,
        request: Request,
        simulation: Simulation,
        record: faults.CallRecord,
        body: dict[str, Any],
    ) -> None:
        self.request = request
        self.simulation = simulation
        self.record = record
        self.body = body
        model = body.get("model")
        named = model if isinstance(model, str) else None
        self.fault = simulation.behaviour.take(record.kind, named, self._words)
        self._fall_back(body.get("models"))
        record.body = summary(body) or None
        record.fault = self.fault.kind if self.fault is not None else None

    def _fall_back(self, models: object) -> None:
        """Go to the next of `models` while one fails."""
        others = [one for one in models if isinstance(one, str)] if isinstance(models, list) else []
        for other in others:
            if self.fault is None or self.fault.kind != "status":
                return
            if other != self.body.get("model"):
                self.body["model"] = other
                take = self.simulation.behaviour.take
                self.fault = take(self.record.kind, other, self._words)

    def _words(self) -> str:
        if self.body:
            return json.dumps(self.body, ensure_ascii=False, default=str)
        return self.simulation.prompts.get(self.request.path_params.get("id", ""), "")

    def hit_by(self, kind: str) -> faults.Fault | None:
        return self.fault if self.fault is not None and self.fault.kind == kind else None

    def parse(self, shape: type[Body]) -> Body:
        try:
            return shape.model_validate(self.body)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise faults.invalid(f"{place}: {first['msg']}" if place else first["msg"]) from None


Handler = Callable[[IncomingCall], Awaitable[Response]]


def endpoint(
    simulation: Simulation, kind: faults.CallKind, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """Return a route's endpoint around its handler."""

    async def run(request: Request) -> Response:
        record = faults.CallRecord(request.method, _path(request), kind)
        simulation.behaviour.calls.append(record)
        try:
            response = await _answer(request, simulation, record, handler)
        except faults.ErrorAnswer as error:
            headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
            response = JSONResponse(error.body(), error.status, headers)
        except (faults.Dropped, ClientDisconnect):
            faults.break_connection(request)
            return Response()
        record.status = response.status_code
        return response

    return run


async def _answer(
    request: Request, simulation: Simulation, record: faults.CallRecord, handler: Handler
) -> Response:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise faults.ErrorAnswer(401, "Missing Authentication header")
    raw = await request.body()
    body = await _body(request, raw, record.kind) if request.method == "POST" else {}
    call = IncomingCall(request, simulation, record, body)
    await faults.before_work(request, call.fault)
    if (replay := call.hit_by("replay")) is not None:
        events = _replayed(request, replay, simulation.behaviour.timing.token)
        return StreamingResponse(events, media_type=replay.media_type)
    response = await _spoilt(call, await handler(call))
    if (gone := call.hit_by("gone")) is not None:
        response.background = BackgroundTask(faults.go_away, request, gone.seconds)
    return response


async def _body(request: Request, raw: bytes, kind: faults.CallKind) -> dict[str, Any]:
    if len(raw) > _MAX_BODY:
        raise faults.ErrorAnswer(413, metadata={"error_type": "payload_too_large"})
    told = request.headers.get("content-type", "")
    if kind == "audio.transcriptions" and told.startswith("multipart/form-data"):
        return await _form(request)
    return _parsed(raw)


async def _form(request: Request) -> dict[str, Any]:
    """Return the fields of a form, with the bytes of its file and `file.name`, `file.type`. A field
    that comes more than once is a list."""
    found: dict[str, Any] = {}
    async with request.form() as form:
        for name in form:
            values = form.getlist(name)
            first = values[0]
            if isinstance(first, UploadFile):
                found |= {f"{name}.name": first.filename or "", f"{name}.type": first.content_type}
                found[name] = await first.read()
            else:
                found[name] = values if len(values) > 1 else first
    return found


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise faults.invalid("Request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise faults.invalid("Request body must be a JSON object")
    return body


async def _spoilt(call: IncomingCall, response: Response) -> Response:
    """Return the answer as the faults leave it that strike when the work is done."""
    fault = call.fault
    if fault is None:
        return response
    if fault.kind == "lost":
        raise faults.Dropped
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    generation = response.headers.get("X-Generation-Id")
    named = {} if generation is None else {"X-Generation-Id": generation}
    if fault.kind == "garbage":
        return Response(_BROKEN_PAGE, 200, named, "text/html")
    if fault.kind == "instead":
        return _instead(fault)
    if fault.kind == "error_in_200":
        call.record.cost_usd = 0
        return JSONResponse(_failed_body(fault))
    if isinstance(response, StreamingResponse):
        return response
    if fault.kind == "cut":
        broken = half(call.request, bytes(response.body))
        return StreamingResponse(broken, response.status_code, named, response.media_type)
    return response


async def _replayed(request: Request, fault: faults.Fault, pause: float) -> AsyncIterator[bytes]:
    for part in fault.body.split("\n\n"):
        yield f"{part}\n\n".encode()
        await asyncio.sleep(pause)
    if fault.breaks:
        await asyncio.sleep(0.05)
        faults.break_connection(request)


def _instead(fault: faults.Fault) -> Response:
    head, comma, text = fault.value.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        body, media_type = base64.b64decode(text), head[5:-7]
    else:
        body, media_type = fault.value.encode(), "application/json"
    headers = {str(name): str(value) for name, value in (fault.metadata or {}).items()}
    return Response(body, fault.status, headers, media_type)


def _failed_body(fault: faults.Fault) -> dict[str, Any]:
    """Return the body of an HTTP 200 that is a failure: on the choice, or at the top."""
    error = faults.error_of(fault).error()
    if fault.value == "choice":
        message = {"role": "assistant", "content": ""}
        choice = {"index": 0, "finish_reason": "error", "message": message, "error": error}
        return {"choices": [choice]}
    return {"error": error}


async def half(request: Request, body: bytes) -> AsyncIterator[bytes]:
    """Yield the first half, then break the connection."""
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)
    faults.break_connection(request)


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def summary(value: Any) -> Any:
    """Return a body for the log: long strings (pictures) are shortened."""
    if isinstance(value, str):
        return value if len(value) <= 200 else f"{value[:60]}… ({len(value)} characters)"
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, list):
        return [summary(item) for item in value]
    if isinstance(value, dict):
        return {key: summary(item) for key, item in value.items()}
    return value


def input_image(url: str, place: str) -> bytes | None:
    """Return the bytes of a data URL. An outside address is taken, except that it is not fetched
    (None); a local one is refused."""
    if url.startswith(("http://", "https://")):
        host = url.split("/")[2].rsplit(":", 1)[0]
        if host in {"localhost", "127.0.0.1", "[::1]"}:
            said = f"Invalid reference URL: {place}: Localhost URLs are not allowed"
            raise faults.ErrorAnswer(400, said, {"error_type": "image_download_failed"})
        return None
    try:
        data = read_data_url(url)
        read_image(data)
    except BadImage as error:
        raise faults.ErrorAnswer(
            400, f"Invalid image: {place}: {error}", {"error_type": "invalid_image"}
        ) from None
    return data
