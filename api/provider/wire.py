"""Requests and answers of the provider as plain JSON values."""

import base64
import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from api.provider import types
from api.provider.failures import refuses_content, tidy
from api.schemas import MICRO, micro
from api.unicode import storable_json

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CHAT_SIZES = {
    "1024x1024": "1:1",
    "832x1248": "2:3",
    "1248x832": "3:2",
    "864x1184": "3:4",
    "1184x864": "4:3",
    "896x1152": "4:5",
    "1152x896": "5:4",
    "768x1344": "9:16",
    "1344x768": "16:9",
    "1536x672": "21:9",
}
"""Pixels of the documented aspect ratios at 1K."""
CHAT_RATIOS = tuple(_CHAT_SIZES.values())
CHAT_SIZES = tuple(_CHAT_SIZES)
_GENERATIONS_SIZES = {"1:1": "1024x1024", "16:9": "1792x1024", "9:16": "1024x1792"}
SPEECH_RATE = 24_000
"""Samples in a second of speech whose type does not say it."""
_RATES = 8_000, 192_000
_MP3 = re.compile(rb"ID3|\xff[\xe2-\xff]")
_MOST = 1_000_000_000
"""Largest number of dollars or tokens: more is a mistake, and no column of ours holds it."""
_STATES: dict[str, types.VideoState] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}


class Unreadable(Exception):
    """The answer does not have the shape that the documentation promises."""


def parsed(raw: str | bytes) -> Any:
    """Return the JSON value with its text unchanged: a stream may cut it inside a character."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreadable from None


def read_json(raw: str | bytes) -> Any:
    """Return the JSON value of a whole document, with text that our encoders and our store take."""
    try:
        return storable_json(parsed(raw))
    except RecursionError:
        raise Unreadable from None


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable
    return value


def fields_of(value: object) -> dict[str, Any]:
    """Return the fields of a part that may be missing or of another type."""
    return value if isinstance(value, dict) else {}


def items_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def generation_cost(answer: object) -> int | None:
    """Return the cost of a call by `GET /generation`, in micro-dollars."""
    data = mapping(mapping(answer).get("data"))
    upstream = data.get("upstream_inference_cost")
    return charged_micro(data.get("total_cost"), is_byok=data.get("is_byok"), upstream=upstream)


def key_state(answer: dict[str, Any]) -> types.KeyState:
    """Read our key's state. An unreadable field counts as missing: it only serves warnings."""
    fields = fields_of(answer.get("data"))
    ends = fields.get("expires_at")
    return types.KeyState(
        left_micro=_dollars(fields.get("limit_remaining")),
        expires_at=_moment(ends) if isinstance(ends, str) else None,
        used_micro=_dollars(fields.get("usage")),
    )


def _dollars(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value * MICRO)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def cost_micro(usage: object) -> int | None:
    """Return the cost of a call in micro-dollars, rounded up: `cost`, and where the supplier
    bills a key of ours (`is_byok`) also the supplier's price. None when either is missing or no
    amount."""
    if not isinstance(usage, dict):
        return None
    upstream = fields_of(usage.get("cost_details")).get("upstream_inference_cost")
    return charged_micro(usage.get("cost"), is_byok=usage.get("is_byok"), upstream=upstream)


def charged_micro(cost: object, *, is_byok: object, upstream: object) -> int | None:
    charged, beside = _amount(cost), _amount(upstream) if is_byok else Decimal(0)
    return None if charged is None or beside is None else micro(charged + beside)


def _amount(value: object) -> Decimal | None:
    """Read a number within our bounds, also from a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() and 0 <= number <= _MOST else None


def _count(value: object) -> int | None:
    number = _amount(value)
    return int(number) if number is not None and number == int(number) else None


def usage_of(value: object) -> types.Usage | None:
    if not isinstance(value, dict):
        return None
    counted = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    thought = _count(fields_of(value.get("completion_tokens_details")).get("reasoning_tokens"))
    return types.Usage(*counted, cost_micro(value), thought, _searches(value))


def _searches(usage: dict[str, Any]) -> int:
    """Count the searches of the web, under both names that usage has had for them."""
    told = (fields_of(usage.get(name)) for name in ("server_tool_use_details", "server_tool_use"))
    return max(_count(each.get("web_search_requests")) or 0 for each in told)


def _image_part(image: types.ImageInput) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": image.data_url()}}


def _file_part(file: types.FileInput) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": file.name, "file_data": file.data_url()}}


def _message(message: types.TextMessage) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.images or message.files:
        words = {"type": "text", "text": message.text}
        images, files = map(_image_part, message.images), map(_file_part, message.files)
        sent["content"] = [words, *images, *files]
    if message.parsed:
        sent["annotations"] = [json.loads(each.json) for each in message.parsed]
    return sent


def _given(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def text_body(ask: types.TextAsk) -> dict[str, Any]:
    return _given(
        model=ask.model,
        models=[ask.model, *ask.fallbacks] if ask.fallbacks else None,
        session_id=ask.session,
        messages=[_message(message) for message in ask.messages],
        stream=True,
        max_completion_tokens=ask.max_tokens,
        plugins=_plugins(ask),
        tools=_tools(ask),
        reasoning=_reasoning(ask),
        user=ask.user,
    )


def _reasoning(ask: types.TextAsk) -> dict[str, Any] | None:
    if ask.effort is None:
        return None
    return {"effort": "none" if ask.effort == "off" else ask.effort}


def _tools(ask: types.TextAsk) -> list[dict[str, Any]] | None:
    if ask.web is None:
        return None
    bounds = {
        "engine": ask.web.engine,
        "max_uses": ask.web.searches,
        "max_results": ask.web.results,
        "max_total_results": ask.web.searches * ask.web.results,
        "max_characters": ask.web.chars,
    }
    return [{"type": "openrouter:web_search", "parameters": bounds}]


def _plugins(ask: types.TextAsk) -> list[dict[str, Any]] | None:
    if ask.pdf_engine is None:
        return None
    return [{"id": "file-parser", "pdf": {"engine": ask.pdf_engine}}]


def image_body(ask: types.ImageAsk) -> dict[str, Any]:
    """Return the body for the ask's route. The chat route makes one image a call."""
    if ask.route == "images":
        references = [_image_part(image) for image in ask.inputs] or None
        return _given(
            model=ask.model,
            prompt=_image_prompt(ask),
            n=ask.n if ask.n > 1 else None,
            size=ask.size,
            aspect_ratio=ask.aspect_ratio,
            resolution=ask.image_size,
            quality=ask.quality,
            seed=ask.seed,
            input_references=references,
            user=ask.user,
        )
    if ask.route == "generations":
        size = ask.size or _GENERATIONS_SIZES.get(ask.aspect_ratio or "")
        # such gateways answer with an address unless asked for the bytes
        return _given(
            model=ask.model,
            prompt=_image_prompt(ask),
            n=ask.n,
            size=size,
            response_format="b64_json",
            user=ask.user,
        )
    return _chat_image_body(ask)


def _image_prompt(ask: types.ImageAsk) -> str:
    return (
        ask.prompt if ask.avoid is None else f"{ask.prompt}\n\nDo not show any of this: {ask.avoid}"
    )


def _chat_image_body(ask: types.ImageAsk) -> dict[str, Any]:
    ratio, size = ask.aspect_ratio, ask.size
    if size in _CHAT_SIZES:
        ratio, size = _CHAT_SIZES[size], None
    config = _given(aspect_ratio=ratio, image_size=ask.image_size, quality=ask.quality, size=size)
    message = _message(types.TextMessage("user", _image_prompt(ask), ask.inputs))
    return _given(
        model=ask.model,
        messages=[message],
        modalities=list(ask.modalities),
        image_config=config or None,
        seed=ask.seed,
        user=ask.user,
    )


def video_body(ask: types.VideoAsk) -> dict[str, Any]:
    frames = [
        {**_image_part(image), "frame_type": name}
        for name, image in (("first_frame", ask.first_frame), ("last_frame", ask.last_frame))
        if image
    ]
    return _given(
        model=ask.model,
        prompt=ask.prompt,
        duration=ask.duration,
        resolution=ask.resolution,
        aspect_ratio=ask.aspect_ratio,
        generate_audio=ask.generate_audio,
        seed=ask.seed,
        frame_images=frames or None,
        callback_url=ask.callback_url,
        user=ask.user,
    )


def transcription_body(ask: types.TranscriptionAsk) -> dict[str, Any]:
    sound = {"data": base64.b64encode(ask.data).decode(), "format": ask.form}
    return _given(model=ask.model, input_audio=sound, language=ask.language, user=ask.user)


def transcript(answer: object, provider_id: str | None) -> types.Transcript:
    fields = mapping(answer)
    text = fields.get("text")
    if not isinstance(text, str):
        raise Unreadable
    return types.Transcript(text.strip(), cost_micro(fields.get("usage")), provider_id)


def speech_body(ask: types.SpeechAsk, form: str) -> dict[str, Any]:
    return _given(
        model=ask.model, input=ask.text, voice=ask.voice, response_format=form, user=ask.user
    )


def speech(data: bytes, content_type: str, provider_id: str | None) -> types.Speech:
    """Read spoken words by their declared type, such as `audio/pcm;rate=24000;channels=1`. Raises
    `Unreadable` for what is no sound."""
    kind, _, params = content_type.lower().partition(";")
    if not data or not kind.strip().startswith(("audio/", "application/octet-stream")):
        raise Unreadable
    if _MP3.match(data) and "pcm" not in kind:
        return types.Speech(data, None, 1, provider_id)
    named = dict(one.strip().split("=", 1) for one in params.split(";") if "=" in one)
    rate, channels = (_count(named.get(name)) for name in ("rate", "channels"))
    rate = rate if rate and _RATES[0] <= rate <= _RATES[1] else SPEECH_RATE
    return types.Speech(data, rate, channels if channels in {1, 2} else 1, provider_id)


def choice_of(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Unreadable
    return mapping(choices[0])


def video_job(answer: object) -> types.VideoJob:
    fields = mapping(answer)
    provider_id, status = fields.get("id"), fields.get("status")
    if (
        not isinstance(provider_id, str)
        or not JOB_ID.fullmatch(provider_id)
        or not isinstance(status, str)
    ):
        raise Unreadable
    state = _STATES.get(status, "running")
    cost = None if state == "running" else cost_micro(fields.get("usage"))
    if state in {"running", "completed"}:
        return types.VideoJob(provider_id, state, status[:64], cost_micro=cost)
    said = fields.get("error")
    message = said if isinstance(said, str) else str(fields_of(said).get("message", ""))
    refused = state == "failed" and refuses_content(message)
    return types.VideoJob(provider_id, state, status[:64], tidy(message) or None, cost, refused)
