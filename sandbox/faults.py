"""Speed and faults of the sandbox: set at the start or at run time, for all calls or for the next
few of one kind."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

CallKind = Literal[
    "models", "images.models", "videos.models", "chat", "images", "generations", "key",
    "generation", "audio.speech", "audio.transcriptions", "videos.submit", "videos.status",
    "videos.content", "videos.job", "webhooks", "*",
]  # fmt: skip
"""`videos.job` is the fate of a job, decided when it is submitted; `webhooks` the way of a hook;
`*` every HTTP call."""

FaultKind = Literal[
    "status", "error_in_200", "stream_error", "stall", "cut", "hang", "delay", "garbage", "replay",
    "lost", "drop", "empty", "instead", "slow", "gone", "ends_as", "off", "duplicate", "late",
    "bad_signature",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fault(_Strict):
    """One thing that goes wrong. The fields that a kind uses stand behind it.

    - `status`: `status` in the provider's error shape (message, metadata, retry_after)
    - `error_in_200`: HTTP 200 that holds an error, at the top, or on the choice with `value`
      `choice` (status, message)
    - `stream_error`: an error chunk behind `after` chunks (status, message)
    - `stall`: a pause of `seconds` behind `after` chunks
    - `cut`: a broken connection behind `after` chunks, or half of the body
    - `hang`: no answer for `seconds`, then a broken connection
    - `delay`: `seconds` more before the answer
    - `garbage`: HTTP 200 with a body that is no JSON
    - `replay`: HTTP 200 with `body` word for word, event by event (media_type); with `breaks` a
      broken connection at the end
    - `lost`: a broken connection after the work, which is billed
    - `drop`: a broken connection before any work
    - `empty`: a well-formed answer without content
    - `instead`: the work is done; the answer is `value` (a body, or a data URL of one) with
      `metadata` as headers (status)
    - `slow`: the work is done at once; the answer comes after `seconds`
    - `gone`: all is well, and behind the answer no connection is taken for `seconds`
    - `ends_as`: the last status of a `videos.job`, also an invented word (value, message);
      `metadata` `cost` is billed all the same
    - `off`, `duplicate`, `late` (seconds), `bad_signature`: of `webhooks`
    """

    call: CallKind
    kind: FaultKind
    times: int | None = Field(default=None, ge=1)
    """Number of calls that it hits; None: all until the faults are set anew."""
    skip: int = Field(default=0, ge=0)
    """Number of calls that it would hit and lets pass first."""
    model: str | None = None
    """Only for this model."""
    prompt: str | None = None
    """Only for calls whose body has these words, or which ask for a video whose prompt has them."""
    status: int = 500
    message: str | None = None
    metadata: dict[str, Any] | None = None
    retry_after: float | None = None
    seconds: float = Field(default=3600, ge=0)
    after: int = Field(default=3, ge=0)
    value: str = "failed"
    body: str = ""
    media_type: str = "text/event-stream"
    breaks: bool = False


class Timing(_Strict):
    """Waits in seconds. The defaults let a person see each state without waiting long."""

    first_token: float = Field(default=0.35, ge=0)
    token: float = Field(default=0.02, ge=0)
    image: float = Field(default=1.5, ge=0)
    video: float = Field(default=6.0, ge=0)
    audio: float = Field(default=0.6, ge=0)
    keepalive: float = Field(default=1.0, gt=0)
    generation: float = Field(default=1.0, ge=0)
    """From the end of a call until `GET /generation` knows it."""


class FaultsIn(_Strict):
    """Body of `PUT /_sandbox/faults`; a part that is absent stays as it is."""

    faults: list[Fault] | None = None
    timing: Timing | None = None


STATUS_MESSAGES = {
    400: "Invalid request",
    401: "User not found.",
    402: "This request requires more credits, or fewer max_tokens. You requested up to 65536 "
    "tokens, but can only afford 10114.",
    403: "Your request was flagged by moderation",
    404: "No endpoints found for this model.",
    408: "Request timed out",
    409: "Video is not ready",
    410: "Video is gone",
    413: "Request entity too large",
    422: "Unprocessable",
    429: "Provider returned error",
    500: "Internal Server Error",
    502: "Provider returned error",
    503: "No available model provider meets your routing requirements",
    524: "Edge timeout",
    529: "Provider is overloaded",
}
_METADATA: dict[int, dict[str, Any]] = {
    402: {"provider_name": None},
    403: {
        "reasons": ["violence"],
        "flagged_input": "…",
        "provider_name": "Sandbox",
        "model_slug": "sandbox",
    },
    429: {
        "raw": "the model is temporarily rate-limited upstream. Please retry shortly",
        "provider_name": "Sandbox",
        "limit_source": "upstream_provider_shared_pool",
        "error_type": "rate_limit_exceeded",
    },
    502: {
        "provider_name": "Sandbox",
        "error_type": "provider_unavailable",
        "provider_code": "upstream_error",
    },
    503: {"error_type": "provider_overloaded"},
}


class ErrorAnswer(Exception):
    """An answer in the provider's error shape."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.message = message if message is not None else STATUS_MESSAGES.get(status, "Error")
        self.metadata = metadata
        self.retry_after = retry_after
        super().__init__(self.message)

    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.status, "message": self.message}
        if self.metadata is not None:
            error["metadata"] = self.metadata
        return error

    def body(self) -> dict[str, Any]:
        return {"error": self.error(), "user_id": "user_sandbox"}


def invalid(message: str) -> ErrorAnswer:
    return ErrorAnswer(400, message, {"error_type": "invalid_request"})


def error_of(fault: Fault) -> ErrorAnswer:
    metadata = fault.metadata if fault.metadata is not None else _METADATA.get(fault.status)
    return ErrorAnswer(fault.status, fault.message, metadata, retry_after=fault.retry_after)


class Dropped(Exception):
    """A connection that breaks without an answer."""


@dataclass(slots=True)
class CallRecord:
    """A line of the log of calls; `cost_usd` is the amount billed for it."""

    method: str
    path: str
    kind: CallKind
    body: Any = None
    status: int | None = None
    cost_usd: float = 0.0
    fault: str | None = None


class Behaviour:
    """The present timing and faults, and the log of calls."""

    def __init__(self, timing: Timing, faults: list[Fault]) -> None:
        self._first = timing, faults
        self.calls: deque[CallRecord] = deque(maxlen=2000)
        self.reset()

    def reset(self) -> None:
        timing, faults = self._first
        self.timing = timing.model_copy()
        self.active = [fault.model_copy() for fault in faults]
        self.calls.clear()

    def set(self, control: FaultsIn) -> None:
        if control.timing is not None:
            self.timing = control.timing
        if control.faults is not None:
            self.active = [fault.model_copy() for fault in control.faults]

    def state(self) -> dict[str, Any]:
        return {
            "timing": self.timing.model_dump(),
            "faults": [fault.model_dump() for fault in self.active],
        }

    def log(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls]

    def take(
        self, call: CallKind, model: str | None = None, words: Callable[[], str] = str
    ) -> Fault | None:
        """Return the fault that hits this call; one with `times` is used up by it. `words` returns
        what the call is about."""
        for fault in self.active:
            if fault.call not in {call, "*"} or (fault.model is not None and fault.model != model):
                continue
            if fault.prompt is not None and fault.prompt not in words():
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self.active.remove(fault)
            return fault
        return None


async def before_work(request: Request, fault: Fault | None) -> None:
    """Let the faults strike that come before any work. The body must have been read."""
    if fault is None:
        return
    if fault.kind == "status":
        raise error_of(fault)
    if fault.kind == "drop":
        raise Dropped
    if fault.kind in {"hang", "delay"}:
        with contextlib.suppress(TimeoutError):
            # the next message after the body comes when the client has gone
            await asyncio.wait_for(request.receive(), fault.seconds)
            raise Dropped
        if fault.kind == "hang":
            raise Dropped


def break_connection(request: Request) -> None:
    """Tear the socket down, so that the client gets no (more) answer."""
    _of_server(request, "sandbox.abort")()


def go_away(request: Request, seconds: float) -> Awaitable[None]:
    """Take no connection for so long."""
    gone: Awaitable[None] = _of_server(request, "sandbox.away")(seconds)
    return gone


def _of_server(request: Request, name: str) -> Callable[..., Any]:
    extension = request.scope.get("extensions", {}).get(name)
    if extension is None:
        raise RuntimeError("this server cannot break connections: start it with sandbox.server")
    act: Callable[..., Any] = extension["call"]
    return act
