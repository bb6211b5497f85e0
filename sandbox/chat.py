"""`POST /chat/completions`: text, streamed or not, and pictures of the chat image models."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox import answers
from sandbox.calls import ImageUrl, IncomingCall, input_image
from sandbox.faults import ErrorAnswer, Timing, break_connection, error_of, invalid
from sandbox.files import FileContent, Gathered, Plugin, read_files, without_files
from sandbox.media import drawn, nearest_ratio
from sandbox.models import MODELS, ChatModel
from sandbox.prices import text_cost
from sandbox.reasoning import Effort, Reasoning, thinking_delta, thoughts
from sandbox.searches import Tool, search
from sandbox.simulation import new_id, usd
from sandbox.sizes import CHAT_RATIOS, CHAT_TIERS, image_size

_IMAGE_TOKENS = 258
_DONE = b"data: [DONE]\n\n"


class ContentPart(BaseModel):
    type: Literal["text", "image_url", "input_audio", "file", "video_url", "input_video"]
    text: str | None = None
    image_url: ImageUrl | None = None
    file: FileContent | None = None


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    annotations: list[dict[str, Any]] = Field(default_factory=list)

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""

    def images(self) -> list[str]:
        parts = self.content if isinstance(self.content, list) else []
        return [part.image_url.url for part in parts if part.image_url is not None]

    def files(self) -> list[FileContent]:
        parts = self.content if isinstance(self.content, list) else []
        return [part.file or FileContent() for part in parts if part.type == "file"]


class ChatRequest(BaseModel):
    """Unknown fields are ignored, as the provider does."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: StrictBool = False
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: StrictInt | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    image_config: dict[str, str | float | list[Any]] | None = None
    models: list[str] | None = None
    plugins: list[Plugin] = Field(default_factory=list)
    tools: list[Tool] = Field(default_factory=list)
    reasoning: Reasoning | None = None
    reasoning_effort: Effort | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None

    def read(self, model: ChatModel) -> Gathered:
        """Read the files that come along, and search the web."""
        sent = [file for message in self.messages for file in message.files()]
        known = [each for message in self.messages for each in message.annotations]
        gathered = read_files(sent, known, self.plugins, model)
        search(self.tools, without_files(last_question(self.messages).text())[0], model, gathered)
        return gathered

    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


@dataclass(slots=True)
class Completion:
    """An answer before it is sent; `usage` holds its cost."""

    id: str
    model: str
    pieces: list[str]
    images: list[str]
    finish: str
    usage: dict[str, Any]
    annotations: list[dict[str, Any]] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)

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

    def beside(self) -> list[dict[str, Any]]:
        """Return what comes behind the words, a part of a stream each."""
        parts = {"images": self.image_parts(), "annotations": self.annotations}
        return [{name: part} for name, part in parts.items() if part]


async def chat(call: IncomingCall) -> Response:
    ask = call.parse(ChatRequest)
    model = _model(ask)
    pictures = _input_images(ask, model)
    if "image" in (ask.modalities or []):
        answer = await _draw(call, ask, model, pictures)
    else:
        answer = _write(ask, model, len(pictures))
    if call.hit_by("empty"):
        answer.pieces, answer.images = [], []
    if not ask.stream or call.hit_by("lost"):
        _remember(call, ask, answer)
    headers = {"X-Generation-Id": answer.id}
    if ask.stream:
        headers["Cache-Control"] = "no-cache"
        return StreamingResponse(_recorded(call, ask, answer), 200, headers, "text/event-stream")
    if not answer.images:
        await asyncio.sleep(call.simulation.behaviour.timing.first_token)
    return JSONResponse(_whole(call, answer), headers=headers)


def _remember(
    call: IncomingCall, ask: ChatRequest, answer: Completion, *, cancelled: bool = False
) -> None:
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
    call.simulation.remember(answer.id, record)


def _model(ask: ChatRequest) -> ChatModel:
    model = MODELS.chat(ask.model)
    if model is None:
        if MODELS.image(ask.model) is not None or MODELS.video(ask.model) is not None:
            raise invalid(f"{ask.model} is not a chat model")
        raise ErrorAnswer(400, f"{ask.model} is not a valid model ID")
    wanted = ask.modalities or ["text"]
    if not set(wanted) <= set(model.architecture.output_modalities):
        raise ErrorAnswer(
            404,
            "No endpoints found that support the requested output modalities: " + ", ".join(wanted),
            {"routing_funnel": [], "failed_routing_step": "Filter by Model Output Modalities"},
        )
    return model


def _input_images(ask: ChatRequest, model: ChatModel) -> list[bytes | None]:
    urls = [url for message in ask.messages for url in message.images()]
    if urls and "image" not in model.architecture.input_modalities:
        raise ErrorAnswer(404, "No endpoints found that support image input")
    return [input_image(url, f"messages.image_url[{number}]") for number, url in enumerate(urls)]


def last_question(messages: Sequence[ChatMessage]) -> ChatMessage:
    return next((each for each in reversed(messages) if each.role == "user"), messages[-1])


def _usage(
    ask: ChatRequest,
    model: ChatModel,
    written: int,
    inputs: int,
    drawn: int,
    files: Gathered,
    thought: int = 0,
) -> dict[str, Any]:
    said = sum(answers.tokens(message.text()) for message in ask.messages)
    # each search is a turn of the model, which reads all of it once more
    prompt = (said + _IMAGE_TOKENS * inputs + files.tokens) * (1 + files.searches)
    written += thought
    cost = text_cost(model, prompt_tokens=prompt, written=written, inputs=inputs, drawn=drawn)
    cost += files.cost
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "cost": usd(cost),
        "is_byok": False,
        "cost_details": {"upstream_inference_cost": None},
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought},
        "server_tool_use_details": {
            "tool_calls_requested": files.searches,
            "tool_calls_executed": files.searches,
            "web_search_requests": files.searches,
        },
    }


def _write(ask: ChatRequest, model: ChatModel, inputs: int) -> Completion:
    question = last_question(ask.messages)
    thought = thoughts(ask.reasoning, ask.reasoning_effort, model)
    files = ask.read(model)
    words, notes = without_files(question.text())
    turns = sum(1 for message in ask.messages if message.role == "user")
    sampling = f"{ask.model}|{ask.seed}|{ask.temperature}|{ask.top_p}"
    text = answers.answer(
        words,
        sampling=sampling,
        turns=turns,
        images=len(question.images()),
        notes=[*notes, *files.notes],
    )
    pieces = answers.pieces(text)
    limit, finish = ask.limit(), "stop"
    limit = None if limit is None else max(0, limit - len(thought))
    if limit is not None and len(pieces) > limit:
        pieces, finish = pieces[:limit], "length"
    usage = _usage(ask, model, len(pieces), inputs, 0, files, len(thought))
    if ask.reasoning is not None and ask.reasoning.exclude:
        thought = []
    found = files.annotations
    return Completion(new_id(), ask.model, pieces, [], finish, usage, found, thought)


def _picture_size(config: dict[str, Any], base: bytes | None) -> tuple[int, int]:
    ratio = config.get("aspect_ratio") or nearest_ratio(base, CHAT_RATIOS) or "1:1"
    tier = config.get("image_size", "1K")
    if ratio not in CHAT_RATIOS:
        raise invalid(f"image_config.aspect_ratio: {ratio!r} is not supported")
    if tier not in CHAT_TIERS:
        raise invalid(f"image_config.image_size: {tier!r} is not supported")
    return image_size(ratio, tier)


async def _draw(
    call: IncomingCall, ask: ChatRequest, model: ChatModel, inputs: list[bytes | None]
) -> Completion:
    base = next((data for data in inputs if data is not None), None)
    size = _picture_size(ask.image_config or {}, base)
    prompt = last_question(ask.messages).text()
    if not prompt.strip():
        raise ErrorAnswer(400, "messages: a prompt is required", {"error_type": "invalid_prompt"})

    def make() -> str:
        data = drawn(prompt, size, seed=ask.seed, note=ask.model, base=base)
        return "data:image/png;base64," + base64.b64encode(data).decode()

    url, _ = await asyncio.gather(
        call.simulation.draw(make), asyncio.sleep(call.simulation.behaviour.timing.image)
    )
    said = f"Here is your picture: {prompt[:80]}" if "text" in (ask.modalities or []) else ""
    words = answers.pieces(said)
    usage = _usage(ask, model, len(words), len(inputs), 1, Gathered())
    return Completion(new_id(), ask.model, words, [url], "stop", usage)


def _whole(call: IncomingCall, answer: Completion) -> dict[str, Any]:
    words = "".join(answer.pieces) or None
    message: dict[str, Any] = {"role": "assistant", "content": words, "refusal": None}
    if answer.images:
        message["images"] = answer.image_parts()
    if answer.thought:
        message |= thinking_delta("".join(answer.thought)) | {"content": words}
    if answer.annotations:
        message["annotations"] = answer.annotations
    choice = _choice(answer.finish, message=message, logprobs=None)
    call.record.cost_usd = answer.usage["cost"]
    return {**answer.frame("chat.completion"), "choices": [choice], "usage": answer.usage}


def _choice(finish: str | None, **content: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, "native_finish_reason": finish, **content}


async def _recorded(
    call: IncomingCall, ask: ChatRequest, answer: Completion
) -> AsyncIterator[bytes]:
    """Yield the events. The sent part is billed, also when the client leaves or the connection
    breaks; an answer that ends in an error is not."""
    sent, event = 0, b""
    try:
        async for event in _events(call, answer):
            yield event
            sent += b'"content"' in event
    finally:
        if event == _DONE:
            _remember(call, ask, answer)
        elif not call.hit_by("stream_error"):
            model = _model(ask)
            inputs, files = len(_input_images(ask, model)), ask.read(model)
            answer.usage = _usage(ask, model, sent, inputs, 0, files)
            _remember(call, ask, answer, cancelled=True)


def _event(value: object) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


async def _signs_of_life(timing: Timing) -> AsyncIterator[bytes]:
    """Yield comments until the first piece is due."""
    yield b": OPENROUTER PROCESSING\n\n"
    waited = 0.0
    while waited < timing.first_token:
        step = min(timing.keepalive, timing.first_token - waited)
        await asyncio.sleep(step)
        waited += step
        yield b": OPENROUTER PROCESSING\n\n"


async def _events(call: IncomingCall, answer: Completion) -> AsyncIterator[bytes]:
    timing = call.simulation.behaviour.timing
    chunk = answer.frame("chat.completion.chunk")
    async for sign in _signs_of_life(timing):
        yield sign

    def delta(part: dict[str, Any], finish: str | None = None) -> bytes:
        return _event({**chunk, "choices": [_choice(finish, delta=part)]})

    for thought in map(thinking_delta, answer.thought):
        yield delta(thought)
        await asyncio.sleep(timing.token)
    for number, piece in enumerate([*answer.pieces, ""]):
        if (
            call.fault is not None
            and number == call.fault.after
            and call.fault.kind in {"stream_error", "cut", "stall"}
        ):
            if call.fault.kind != "stall":
                async for last in _broken(call, chunk):
                    yield last
                return
            await asyncio.sleep(call.fault.seconds)
        if piece:
            yield delta({"role": "assistant", "content": piece})
            await asyncio.sleep(timing.token)
    for beside in answer.beside():
        yield delta({"role": "assistant", "content": "", **beside})
    yield delta({"role": "assistant", "content": ""}, answer.finish)
    call.record.cost_usd = answer.usage["cost"]
    yield _event({**chunk, "choices": [], "usage": answer.usage})
    yield _DONE


async def _broken(call: IncomingCall, chunk: dict[str, Any]) -> AsyncIterator[bytes]:
    """Yield the end of a stream that fails: an error chunk, or nothing."""
    if call.hit_by("cut"):
        await asyncio.sleep(0.05)
        break_connection(call.request)
        return
    assert call.fault is not None
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    yield _event({**chunk, "error": error_of(call.fault).error(), "choices": [choice]})
