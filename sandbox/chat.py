"""`POST /chat/completions` of the sandbox: text, streamed or not, and pictures of the chat image
models."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox import answers, models
from sandbox.calls import Work, input_image, new_id, usd
from sandbox.faults import Refusal, break_connection, refusal_of
from sandbox.media import drawn, nearest_ratio

_IMAGE_TOKENS = 258
_DONE = b"data: [DONE]\n\n"


class _Url(BaseModel):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class _Part(BaseModel):
    type: Literal["text", "image_url", "input_audio", "file", "video_url", "input_video"]
    text: str | None = None
    image_url: _Url | None = None


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""

    def images(self) -> list[str]:
        parts = self.content if isinstance(self.content, list) else []
        return [part.image_url.url for part in parts if part.image_url is not None]


class ChatRequest(BaseModel):
    """Fields that a model does not know are ignored, as the provider does."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: StrictBool = False
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: StrictInt | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    image_config: dict[str, str | float | list[Any]] | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None

    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


@dataclass(slots=True)
class _Answer:
    """What will be sent, and what it costs."""

    id: str
    model: str
    pieces: list[str]
    images: list[str]
    finish: str
    usage: dict[str, Any]

    def frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
            "provider": "Sandbox",
            "system_fingerprint": None,
        }

    def image_parts(self) -> list[dict[str, Any]]:
        return [
            {"type": "image_url", "image_url": {"url": url}, "index": index}
            for index, url in enumerate(self.images)
        ]


async def chat(work: Work) -> Response:
    ask = work.parse(ChatRequest)
    model = _model(ask)
    pictures = _input_images(ask, model)
    answer = (
        await _draw(work, ask, model, pictures)
        if "image" in (ask.modalities or [])
        else _write(ask, model, len(pictures))
    )
    if work.hit_by("empty"):
        answer.pieces, answer.images = [], []
    if not ask.stream or work.hit_by("lost"):
        _remember(work, ask, answer)
    headers = {"X-Generation-Id": answer.id}
    if ask.stream:
        return StreamingResponse(
            _recorded(work, ask, answer),
            headers={**headers, "Cache-Control": "no-cache"},
            media_type="text/event-stream",
        )
    if not answer.images:
        await asyncio.sleep(work.studio.faults.timing.first_token)
    return JSONResponse(_whole(work, answer), headers=headers)


def _remember(work: Work, ask: ChatRequest, answer: _Answer, *, cancelled: bool = False) -> None:
    record = {
        "model": answer.model,
        "api_type": "completions",
        "usage": answer.usage["cost"],
        "total_cost": answer.usage["cost"],
        "tokens_prompt": answer.usage["prompt_tokens"],
        "tokens_completion": answer.usage["completion_tokens"],
        "finish_reason": None if cancelled else answer.finish,
        "streamed": ask.stream,
        "cancelled": cancelled,
        "external_user": ask.user,
    }
    work.studio.remember(answer.id, record)


def _model(ask: ChatRequest) -> models.ChatModel:
    model = models.find_chat(ask.model)
    if model is None:
        known = models.find_image(ask.model) is not None or models.find_video(ask.model) is not None
        if known:
            raise Refusal(
                400, f"{ask.model} is not a chat model", {"error_type": "invalid_request"}
            )
        raise Refusal(400, f"{ask.model} is not a valid model ID")
    wanted = ask.modalities or ["text"]
    if not set(wanted) <= set(model.outputs):
        message = (
            f"No endpoints found that support the requested output modalities: {', '.join(wanted)}"
        )
        raise Refusal(
            404,
            message,
            {"routing_funnel": [], "failed_routing_step": "Filter by Model Output Modalities"},
        )
    return model


def _input_images(ask: ChatRequest, model: models.ChatModel) -> list[bytes | None]:
    urls = [url for message in ask.messages for url in message.images()]
    if urls and "image" not in model.inputs:
        raise Refusal(404, "No endpoints found that support image input")
    return [input_image(url, f"messages.image_url[{number}]") for number, url in enumerate(urls)]


def _last_question(ask: ChatRequest) -> _Message:
    return next(
        (message for message in reversed(ask.messages) if message.role == "user"), ask.messages[-1]
    )


def _usage(
    ask: ChatRequest, model: models.ChatModel, written: int, inputs: int, drawn: int
) -> dict[str, Any]:
    prompt = (
        sum(answers.tokens(message.text()) for message in ask.messages) + _IMAGE_TOKENS * inputs
    )
    cost = model.price("prompt") * prompt + model.price("completion") * written
    cost += model.price("image") * inputs + model.price("image_output") * drawn
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "cost": usd(cost),
        "is_byok": False,
        "cost_details": {"upstream_inference_cost": None},
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _write(ask: ChatRequest, model: models.ChatModel, inputs: int) -> _Answer:
    question = _last_question(ask)
    turns = sum(1 for message in ask.messages if message.role == "user")
    sampling = f"{ask.model}|{ask.seed}|{ask.temperature}|{ask.top_p}"
    text = answers.answer(
        question.text(), sampling=sampling, turns=turns, images=len(question.images())
    )
    pieces = answers.pieces(text)
    limit, finish = ask.limit(), "stop"
    if limit is not None and len(pieces) > limit:
        pieces, finish = pieces[:limit], "length"
    return _Answer(
        new_id(), ask.model, pieces, [], finish, _usage(ask, model, len(pieces), inputs, 0)
    )


def _picture_size(config: dict[str, Any], base: bytes | None) -> tuple[int, int]:
    ratio = config.get("aspect_ratio") or nearest_ratio(base, models.CHAT_RATIOS) or "1:1"
    tier = config.get("image_size", "1K")
    if ratio not in models.CHAT_RATIOS:
        raise Refusal(
            400,
            f"image_config.aspect_ratio: {ratio!r} is not supported",
            {"error_type": "invalid_request"},
        )
    if tier not in models.CHAT_TIERS:
        raise Refusal(
            400,
            f"image_config.image_size: {tier!r} is not supported",
            {"error_type": "invalid_request"},
        )
    return models.image_size(ratio, tier)


async def _draw(
    work: Work, ask: ChatRequest, model: models.ChatModel, inputs: list[bytes | None]
) -> _Answer:
    base = next((data for data in inputs if data is not None), None)
    size = _picture_size(ask.image_config or {}, base)
    prompt = _last_question(ask).text()
    if not prompt.strip():
        raise Refusal(400, "messages: a prompt is required", {"error_type": "invalid_prompt"})

    def make() -> str:
        data = drawn(prompt, size, seed=ask.seed, note=ask.model, base=base)
        return "data:image/png;base64," + base64.b64encode(data).decode()

    url, _ = await asyncio.gather(
        work.studio.draw(make), asyncio.sleep(work.studio.faults.timing.image)
    )
    words = (
        answers.pieces(f"Here is your picture: {prompt[:80]}")
        if "text" in (ask.modalities or [])
        else []
    )
    return _Answer(
        new_id(), ask.model, words, [url], "stop", _usage(ask, model, len(words), len(inputs), 1)
    )


def _whole(work: Work, answer: _Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(answer.pieces) or None,
        "refusal": None,
    }
    if answer.images:
        message["images"] = answer.image_parts()
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": answer.finish,
        "native_finish_reason": answer.finish,
        "message": message,
        "logprobs": None,
    }
    work.call.cost_usd = answer.usage["cost"]
    return {**answer.frame("chat.completion"), "choices": [choice], "usage": answer.usage}


async def _recorded(work: Work, ask: ChatRequest, answer: _Answer) -> AsyncIterator[bytes]:
    """The events. What was sent is billed, also where the client goes away or the connection
    breaks; an answer that ends in an error is not."""
    sent, event = 0, b""
    try:
        async for event in _events(work, answer):
            yield event
            sent += b'"content"' in event
    finally:
        if event == _DONE:
            _remember(work, ask, answer)
        elif not work.hit_by("stream_error"):
            model = _model(ask)
            answer.usage = _usage(ask, model, sent, len(_input_images(ask, model)), 0)
            _remember(work, ask, answer, cancelled=True)


def _event(value: object) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


async def _events(work: Work, answer: _Answer) -> AsyncIterator[bytes]:
    timing = work.studio.faults.timing
    chunk = answer.frame("chat.completion.chunk")
    yield b": OPENROUTER PROCESSING\n\n"
    waited = 0.0
    while waited < timing.first_token:
        step = min(timing.keepalive, timing.first_token - waited)
        await asyncio.sleep(step)
        waited += step
        yield b": OPENROUTER PROCESSING\n\n"

    def delta(part: dict[str, Any], finish: str | None = None) -> bytes:
        return _event(
            {
                **chunk,
                "choices": [
                    {
                        "index": 0,
                        "delta": part,
                        "finish_reason": finish,
                        "native_finish_reason": finish,
                    }
                ],
            }
        )

    for number, piece in enumerate([*answer.pieces, ""]):
        if (
            work.fault is not None
            and number == work.fault.after
            and work.fault.kind in {"stream_error", "cut", "stall"}
        ):
            if work.fault.kind != "stall":
                async for last in _broken(work, chunk):
                    yield last
                return
            await asyncio.sleep(work.fault.seconds)
        if piece:
            yield delta({"role": "assistant", "content": piece})
            await asyncio.sleep(timing.token)
    if answer.images:
        yield delta({"role": "assistant", "content": "", "images": answer.image_parts()})
    yield delta({"role": "assistant", "content": ""}, answer.finish)
    work.call.cost_usd = answer.usage["cost"]
    yield _event({**chunk, "choices": [], "usage": answer.usage})
    yield _DONE


async def _broken(work: Work, chunk: dict[str, Any]) -> AsyncIterator[bytes]:
    """The end of a stream that fails: an error chunk, or nothing at all."""
    if work.hit_by("cut"):
        await asyncio.sleep(0.05)
        break_connection(work.request)
        return
    assert work.fault is not None
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    yield _event({**chunk, "error": refusal_of(work.fault).error(), "choices": [choice]})
