"""`POST /audio/speech` and `POST /audio/transcriptions`, the latter as JSON and as a form."""

import asyncio
import base64
import binascii
import hashlib
import json
from collections import OrderedDict
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox import sounds
from sandbox.calls import Body, IncomingCall, half
from sandbox.faults import ErrorAnswer, invalid
from sandbox.models import MODELS, ChatModel
from sandbox.prices import speech_cost, transcription_cost
from sandbox.simulation import new_id, usd

FORM_FILE_MAX = 25 * 1024 * 1024
"""Bytes of a file in a form; larger ones go as JSON."""
_SPOKEN_KEPT = 200
_SAME_LENGTH = 0.06
"""Seconds that a recording may be longer or shorter after it was encoded anew."""
_HEARD = (
    "Please tell me something about foxes.",
    "What is the weather like on Mars?",
    "How do I cook rice?",
    "Who painted the night watch?",
)


class _BadBody(ErrorAnswer):
    """The shape in which these two routes refuse a body."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(400, json.dumps(problems))

    def body(self) -> dict[str, Any]:
        return {"success": False, "error": {"name": "ZodError", "message": self.message}}


class InputAudio(BaseModel):
    """A recording, inline or by its address."""

    data: Annotated[str, Field(min_length=1)] | None = None
    url: str | None = None
    format: str | None = None


class TranscriptionRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str
    input_audio: InputAudio
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    response_format: Literal["json", "verbose_json"] = "json"
    timestamp_granularities: list[Literal["segment", "word"]] | None = None
    diarize: StrictBool | None = None
    keyterms: list[str] | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None


class SpeechRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str
    input: Annotated[str, Field(min_length=1)]
    voice: str | None = None
    response_format: Literal["mp3", "pcm"] = "pcm"
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    instructions: str | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None


class Sounds:
    """The two routes. What was spoken is remembered for a while by its length, so that it is
    understood when it comes back, whatever it was encoded as."""

    def __init__(self) -> None:
        self._spoken: OrderedDict[float, str] = OrderedDict()

    async def speech(self, call: IncomingCall) -> Response:
        ask = _parsed(call, SpeechRequest)
        model = _model(ask.model, "speech")
        voices = model.supported_voices or []
        if ask.voice not in voices:
            said = "voice: Required" if ask.voice is None else f"voice: Invalid voice {ask.voice!r}"
            raise invalid(said)
        if ask.response_format == "mp3" and model.speaks_pcm_only:
            raise invalid("response_format: this model only supports pcm")
        if len(ask.input) > 4_096:
            raise invalid("input: String should have at most 4096 characters")
        samples, _ = await asyncio.gather(
            asyncio.to_thread(sounds.pcm, ask.input, voices.index(ask.voice), ask.speed or 1.0),
            asyncio.sleep(call.simulation.behaviour.timing.audio),
        )
        if call.hit_by("empty"):
            samples = b""
        self._remember(len(samples) / 2 / sounds.RATE, ask.input)
        identity = new_id("gen-tts")
        cost = speech_cost(model, ask.input, len(samples) / 2 / sounds.RATE) if samples else 0
        _bill(call, identity, ask.model, "tts", Decimal(cost), ask.user)
        headers = {"X-Generation-Id": identity}
        if ask.response_format == "pcm":
            data, kind = samples, f"audio/pcm;rate={sounds.RATE};channels=1"
        else:
            data, kind = await asyncio.to_thread(sounds.mp3, samples), "audio/mpeg"
        if call.hit_by("cut"):
            return StreamingResponse(half(call.request, data), 200, headers, kind)
        return Response(data, 200, headers, kind)

    async def transcriptions(self, call: IncomingCall) -> Response:
        if isinstance(call.body.get("file"), bytes) or "source_url" in call.body:
            call.body = _of_form(call.body)
        ask = _parsed(call, TranscriptionRequest)
        model = _model(ask.model, "transcription")
        data, form = _recording(ask)
        seconds, _ = await asyncio.gather(
            asyncio.to_thread(_length, data, form),
            asyncio.sleep(call.simulation.behaviour.timing.audio),
        )
        text = "" if call.hit_by("empty") else self._heard(data, seconds)
        cost = transcription_cost(model, seconds, text)
        identity = new_id("gen-stt")
        usage = {"seconds": round(seconds, 3), "cost": usd(cost)}
        _bill(call, identity, ask.model, "stt", cost, ask.user)
        answer: dict[str, Any] = {"text": text, "usage": usage}
        if ask.response_format == "verbose_json":
            segment = {"id": 0, "start": 0.0, "end": seconds, "text": text}
            answer |= {"task": "transcribe", "language": ask.language or "en"}
            answer |= {"duration": seconds, "segments": [segment]}
        return JSONResponse(answer, headers={"X-Generation-Id": identity})

    def _remember(self, seconds: float, text: str) -> None:
        self._spoken.pop(seconds, None)
        self._spoken[seconds] = text
        while len(self._spoken) > _SPOKEN_KEPT:
            self._spoken.popitem(last=False)

    def _heard(self, data: bytes, seconds: float) -> str:
        near = [one for one in self._spoken if abs(one - seconds) <= _SAME_LENGTH]
        if near:
            return self._spoken[min(near, key=lambda one: abs(one - seconds))]
        return _HEARD[hashlib.sha256(data).digest()[0] % len(_HEARD)]


def _parsed(call: IncomingCall, shape: type[Body]) -> Body:
    try:
        return shape.model_validate(call.body)
    except ValidationError as error:
        raise _BadBody(
            [
                {"code": each["type"], "path": list(each["loc"]), "message": each["msg"]}
                for each in error.errors()
            ]
        ) from None


def _model(name: str, kind: str) -> ChatModel:
    model = MODELS.chat(name)
    if model is None:
        raise ErrorAnswer(400, f"{name} is not a valid model ID")
    if kind not in model.architecture.output_modalities:
        raise ErrorAnswer(
            404, f"No endpoints found that support the requested output modalities: {kind}"
        )
    return model


def _of_form(form: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a form as those of a JSON body. The name of the file, or else its type,
    says the format."""
    file, address = form.pop("file", None), form.pop("source_url", None)
    name, kind = form.pop("file.name", ""), form.pop("file.type", "")
    if (file is None) == (address is None):
        raise invalid("Exactly one of file and source_url is required")
    if file is not None and len(file) > FORM_FILE_MAX:
        raise ErrorAnswer(413, metadata={"error_type": "payload_too_large"})
    told = name.rpartition(".")[2].lower() if "." in name else kind.rpartition("/")[2]
    form.pop("prompt", None)  # taken, and of no effect
    if file is None:
        form["input_audio"] = {"url": address}
    else:
        form["input_audio"] = {"data": base64.b64encode(file).decode(), "format": told}
    for field in ("timestamp_granularities[]", "keyterms[]"):
        if field in form:
            given = form.pop(field)
            form[field.removesuffix("[]")] = given if isinstance(given, list) else [given]
    for field in ("provider", "trace"):
        if field in form:
            form[field] = json.loads(form[field])
    if "diarize" in form:
        form["diarize"] = form["diarize"] == "true"
    return form


def _recording(ask: TranscriptionRequest) -> tuple[bytes, str]:
    given = ask.input_audio
    if given.data is None or given.format is None:
        if given.url is not None:
            raise invalid("input_audio.url: this sandbox fetches nothing")
        raise _BadBody([{"path": ["input_audio"], "message": "data and format are required"}])
    if ask.timestamp_granularities and ask.response_format != "verbose_json":
        raise invalid("timestamp_granularities needs response_format verbose_json")
    if ask.diarize or ask.keyterms:
        raise invalid("No endpoints found that support the requested parameters")
    if given.format not in sounds.FORMATS:
        raise invalid(f"input_audio.format: {given.format!r} is not supported")
    try:
        return base64.b64decode(given.data, validate=True), given.format
    except binascii.Error:
        raise invalid("input_audio.data: invalid base64") from None


def _length(data: bytes, form: str) -> float:
    try:
        return sounds.seconds_of(data, form)
    except sounds.BadSound as error:
        raise invalid(f"input_audio: {error}") from None


def _bill(
    call: IncomingCall, identity: str, model: str, kind: str, cost: Decimal, user: str | None
) -> None:
    call.record.cost_usd = usd(cost)
    record = {"model": model, "api_type": kind, "usage": usd(cost), "total_cost": usd(cost)}
    call.simulation.remember(identity, {**record, "external_user": user})
