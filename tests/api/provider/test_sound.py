"""Recordings written down and texts read aloud: our client, and the provider's own SDK, at the
sandbox."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from openrouter import OpenRouter as Sdk
from openrouter import components, errors

from api.provider.openrouter import OpenRouter
from api.provider.types import ProviderError, SpeechAsk, TranscriptionAsk
from sandbox import sounds
from sandbox.faults import Fault
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox

TTS, GEMINI = "openai/gpt-4o-mini-tts-2025-12-15", "google/gemini-2.5-flash-preview-tts"
STT = "openai/whisper-large-v3-turbo"
WORDS = "What do foxes eat in winter?"


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[Sdk]:
    async with Sdk(api_key="test-key", server_url=sandbox.url) as client:
        yield client


async def test_what_is_read_aloud_is_understood(provider: OpenRouter) -> None:
    said = await provider.speak(SpeechAsk(TTS, WORDS, "nova", user="u"))
    assert (said.rate, said.channels) == (sounds.RATE, 1)
    assert said.provider_id is not None
    assert await provider.cost_of(said.provider_id) == -(-len(WORDS) * 6 // 10)
    recording = sounds.mp3(said.data)
    heard = await provider.transcribe(TranscriptionAsk(STT, recording, "mp3", "en", "u"))
    assert heard.text == WORDS
    assert heard.cost_micro
    assert heard.provider_id is not None
    assert await provider.cost_of(heard.provider_id) == heard.cost_micro


async def test_a_model_that_refuses_samples_is_asked_for_an_mp3(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    refusal = Fault(
        call="audio.speech",
        kind="status",
        status=400,
        times=1,
    )
    sandbox.break_with(refusal)
    said = await provider.speak(SpeechAsk(TTS, "tea", "nova"))
    assert said.rate is None
    assert sounds.seconds_of(said.data, "mp3") > 0.1
    formats = [call["body"]["response_format"] for call in sandbox.calls("audio.speech")]
    assert formats == ["pcm", "mp3"]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("status", "refused"), ("garbage", "unknown"), ("cut", "unknown"), ("empty", "unknown")],
)
async def test_speech_that_fails(
    provider: OpenRouter, sandbox: Sandbox, kind: str, outcome: str
) -> None:
    sandbox.break_with(Fault.model_validate({"call": "audio.speech", "kind": kind}))
    with pytest.raises(ProviderError) as failed:
        await provider.speak(SpeechAsk(TTS, "tea", "nova"))
    assert failed.value.outcome == outcome
    # what may have been billed can be looked up
    assert (failed.value.provider_id is not None) == (kind != "status")


async def test_a_transcription_that_fails(provider: OpenRouter, sandbox: Sandbox) -> None:
    with pytest.raises(ProviderError) as refused:
        await provider.transcribe(TranscriptionAsk(STT, b"no sound", "ogg"))
    assert (refused.value.code, refused.value.outcome) == ("invalid_request", "refused")
    sandbox.break_with(Fault(call="audio.transcriptions", kind="lost"))
    with pytest.raises(ProviderError) as lost:
        await provider.transcribe(TranscriptionAsk(STT, sounds.pcm("tea", 0), "pcm"))
    assert lost.value.outcome == "unknown"


async def test_the_sdk_reads_aloud(sdk: Sdk) -> None:
    raw = await sdk.tts.create_speech_async(model=TTS, input="tea", voice="alloy")
    assert raw.headers["content-type"] == f"audio/pcm;rate={sounds.RATE};channels=1"
    assert raw.headers["x-generation-id"].startswith("gen-tts-")
    assert len(await raw.aread()) > 1_000
    mp3 = await sdk.tts.create_speech_async(
        model=TTS, input="tea", voice="alloy", response_format="mp3"
    )
    assert mp3.headers["content-type"] == "audio/mpeg"
    for wrong in ({"voice": None}, {"voice": "nobody"}, {"model": STT}, {"input": ""}):
        with pytest.raises(errors.OpenRouterError) as refused:
            await sdk.tts.create_speech_async(
                **{"model": TTS, "input": "tea", "voice": "alloy", **wrong}  # type: ignore[arg-type]
            )
        assert refused.value.status_code in {400, 404}
    with pytest.raises(errors.OpenRouterError):
        await sdk.tts.create_speech_async(
            model=GEMINI, input="tea", voice="Kore", response_format="mp3"
        )


async def test_the_sdk_transcribes(sdk: Sdk) -> None:
    recording = sounds.mp3(sounds.pcm(WORDS, 0))
    inline = components.STTInlineInputAudio(
        data=base64.b64encode(recording).decode(), format_="mp3"
    )
    heard = await sdk.stt.create_transcription_async(model=STT, input_audio=inline)
    assert heard.text
    assert heard.usage is not None
    assert heard.usage.cost
    assert heard.usage.seconds
    whole = await sdk.stt.create_transcription_async(
        model=STT, input_audio=inline, response_format="verbose_json", language="de"
    )
    assert (whole.language, whole.text) == ("de", heard.text)
    sent = await sdk.stt.create_transcription_multipart_async(
        model=STT, file={"file_name": "voice.mp3", "content": recording}
    )
    assert sent.text == heard.text


@pytest.mark.parametrize(
    ("body", "zod"),
    [
        ({"model": STT}, True),
        ({"model": STT, "input_audio": {"data": "AAAA"}}, True),
        ({"model": STT, "input_audio": {"data": "AAAA", "format": "pcm"}, "language": 5}, True),
        ({"model": STT, "input_audio": {"data": "AAAA", "format": "opus"}}, False),
        ({"model": STT, "input_audio": {"data": "AAAA", "format": "mp3"}}, False),
        ({"model": TTS, "input_audio": {"data": "AAAA", "format": "pcm"}}, False),
        (
            {
                "model": STT,
                "input_audio": {"data": "AAAA", "format": "pcm"},
                "response_format": "srt",
            },
            True,
        ),
    ],
)
async def test_a_bad_transcription_is_refused_as_the_provider_does(
    sandbox: Sandbox, body: dict[str, object], zod: bool
) -> None:
    async with httpx.AsyncClient(verify=PLAIN) as web:
        answer = await web.post(
            f"{sandbox.url}/audio/transcriptions",
            json=body,
            headers={"Authorization": "Bearer test"},
        )
    said = answer.json()
    assert answer.status_code in {400, 404}
    assert (said.get("success") is False) == zod
    assert ("code" in said["error"]) != zod
