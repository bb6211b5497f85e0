"""Recordings written down and texts read aloud: money, keys, kept files, limits, failures."""

import asyncio
import io
from decimal import Decimal
from typing import Any

import av
import httpx
import pytest

from sandbox import sounds
from sandbox.faults import Fault
from tests.api.harness import Api
from tests.sandbox_server import Sandbox

WORDS = "What do foxes eat in winter?"
TTS, STT = "openai/gpt-4o-mini-tts-2025-12-15", "openai/whisper-large-v3-turbo"


def recording(text: str = WORDS, form: str = "mp3") -> bytes:
    """Return the words as a file that FFmpeg wrote, and not the product."""
    samples = sounds.pcm(text, 0)
    if form == "mp3":
        return sounds.mp3(samples)
    out = io.BytesIO()
    codec = {"ogg": "libopus", "wav": "pcm_s16le", "mp4": "aac", "webm": "libopus"}[form]
    with av.open(out, "w", format=form) as made:
        stream: Any = made.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame("s16", "mono", len(samples) // 2)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts = sounds.RATE, 0
        for part in av.AudioResampler(stream.format, "mono", 48_000).resample(frame):
            made.mux(stream.encode(part))
        made.mux(stream.encode(None))
    return out.getvalue()


async def hear(who: httpx.AsyncClient, data: bytes, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await who.post("/audio/transcriptions", files={"file": ("x", data)}, headers=headers)


async def say(who: httpx.AsyncClient, key: str | None = None, **body: str) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await who.post("/audio/speech", json=body, headers=headers)


async def booked(api: Api, kind: str) -> int:
    query = "SELECT CAST(coalesce(sum(amount_micro), 0) AS BIGINT) AS n FROM ledger WHERE kind = $1"
    row = await api.services.db.fetch_one(query, kind)
    assert row is not None
    return int(row["n"])


async def nothing_held(api: Api) -> bool:
    row = await api.services.db.fetch_one("SELECT count(*) AS n FROM holds WHERE state = 'held'")
    assert row is not None
    return row["n"] == 0 and not await api.services.budget.audit()


async def test_what_is_read_aloud_is_heard_again(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    said = await say(ana, text=f"**{WORDS}** [source](https://example.org/x)", voice="Nova")
    assert said.status_code == 200, said.text
    made = said.json()
    assert (made["model"], made["voice"]) == (TTS, "nova")
    assert made["audio"]["content_type"] == "audio/ogg"
    file = await api.client.get(made["audio"]["url"])
    assert file.headers["content-type"] == "audio/ogg"
    assert file.content[:4] == b"OggS"
    with av.open(io.BytesIO(file.content)) as read:
        assert read.streams.audio[0].codec_context.name in {"opus", "libopus"}
    assert made["audio"]["duration"] == pytest.approx(
        len(sounds.pcm(f"{WORDS} source", 5)) / 2 / sounds.RATE, abs=0.05
    )
    heard = (await hear(ana, file.content)).json()
    assert (heard["text"], heard["model"]) == (f"{WORDS} source", STT)
    bodies = [call["body"] for call in sandbox.calls("audio.transcriptions")]
    assert [body["input_audio"]["format"] for body in bodies] == ["mp3"]
    assert Decimal(heard["cost_usd"]) * 1_000_000 == await booked(api, "transcription")
    assert await nothing_held(api)


@pytest.mark.parametrize("form", ["ogg", "wav", "mp4", "webm"])
async def test_every_usual_recording_is_taken(ana: httpx.AsyncClient, form: str) -> None:
    said = (await say(ana, text=WORDS)).json()
    assert said["audio"]["duration"]
    heard = await hear(ana, recording(form=form))
    assert heard.status_code == 200, heard.text
    assert heard.json()["text"] == WORDS


async def test_the_cost_of_speech_is_looked_up(api: Api, ana: httpx.AsyncClient) -> None:
    shown = Decimal((await say(ana, text=WORDS)).json()["cost_usd"]) * 1_000_000
    assert shown == -(-len(WORDS) * 6 // 10)
    for _ in range(100):
        rows = await api.services.db.fetch("SELECT id FROM text_lookups")
        if not rows:
            break
        await asyncio.sleep(0.05)
    assert not rows
    assert await booked(api, "speech") == shown
    assert await nothing_held(api)


async def test_the_same_request_is_paid_once(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    said = [(await say(ana, "k1", text=WORDS)).json()["id"] for _ in range(2)]
    heard = [(await hear(ana, recording(), "k2")).json()["id"] for _ in range(2)]
    assert (said[0], heard[0]) == (said[1], heard[1])
    assert len(sandbox.calls("audio.speech")) == len(sandbox.calls("audio.transcriptions")) == 1
    assert (await say(ana, "k1", text="other")).json()["reason"] == "key_of_other_request"


async def test_long_texts_are_read_in_pieces_and_joined(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(150))
    made = (await say(ana, text=text)).json()
    inputs = len(sandbox.calls("audio.speech"))
    assert inputs == 2
    assert made["audio"]["duration"] > 60
    too_long = await say(ana, text="word " * 2_400 + "x" * 100)
    assert too_long.status_code == 422


async def test_an_answer_is_read_to_its_owner_only(api: Api, ana: httpx.AsyncClient) -> None:
    answer = (await ana.post("/generate/text", json={"prompt": "tea"})).json()
    assert (await say(ana, answer_id=answer["id"])).status_code == 200
    async with await api.user("ben") as ben:
        refused = await say(ben, answer_id=answer["id"])
        assert (refused.status_code, refused.json()["reason"]) == (404, "conversation_unknown")
    both = await say(ana, answer_id=answer["id"], text="tea")
    assert both.json()["reason"] == "text_or_answer"
    assert (await say(ana, text="```\ncode\n```")).json()["reason"] == "nothing_to_read"


async def test_speech_is_no_picture(ana: httpx.AsyncClient) -> None:
    made = (await say(ana, text="tea")).json()
    asked = await ana.post(
        "/generate/text", json={"prompt": "what is it?", "images": [made["audio"]["id"]]}
    )
    assert (asked.status_code, asked.json()["reason"]) == (404, "image_unknown")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no recording at all", "recording_unreadable"),
        (b"OggS" + b"\0" * 500, "recording_unreadable"),
        (b"#EXTM3U\nfile:///etc/passwd", "recording_unreadable"),
        (b"", "recording_unreadable"),
    ],
)
async def test_other_files_are_refused(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, data: bytes, reason: str
) -> None:
    refused = await hear(ana, data)
    assert (refused.status_code, refused.json()["reason"]) == (415, reason)
    assert not sandbox.calls("audio.transcriptions")
    assert await nothing_held(api)


async def test_long_recordings_are_cut_or_refused(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sound.service.PIECE_SECONDS", 2)
    monkeypatch.setattr("api.sound.service.RECORDING_SECONDS", 60)
    heard = (await hear(ana, recording(f"{WORDS} " * 3))).json()
    assert heard["seconds"] > 4
    assert len(sandbox.calls("audio.transcriptions")) > 2
    refused = await hear(ana, recording("foxes " * 200))
    assert (refused.status_code, refused.json()["reason"]) == (413, "recording_too_long")
    assert await nothing_held(api)


@pytest.mark.parametrize(
    ("kind", "call", "status"),
    [
        ("status", "audio.transcriptions", 502),
        ("lost", "audio.transcriptions", 502),
        ("garbage", "audio.speech", 502),
        ("status", "audio.speech", 502),
        ("empty", "audio.speech", 502),
    ],
)
async def test_a_failure_costs_its_person_nothing(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox, kind: str, call: str, status: int
) -> None:
    sandbox.break_with(Fault.model_validate({"call": call, "kind": kind}))
    failed = await (say(ana, "k", text="tea") if call == "audio.speech" else hear(ana, recording()))
    assert failed.status_code == status, failed.text
    assert await nothing_held(api)
    sandbox.break_with()
    if call == "audio.speech":
        assert (await say(ana, "k", text="tea")).status_code == 200


async def test_no_money_and_no_price_ask_nobody(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    async with await api.admin() as admin:
        person = (await ana.get("/users/me")).json()["id"]
        await admin.put(f"/users/{person}/budget", json={"monthly_usd": "0"})
        for answer in (await say(ana, text=WORDS), await hear(ana, recording())):
            assert (answer.status_code, answer.json()["code"]) == (402, "budget_exceeded")
        await admin.put(f"/users/{person}/budget", json={"monthly_usd": "5"})
        new = {"id": "some/voice", "kind": "speech"}
        assert (await admin.post("/admin/models", json=new)).status_code == 201
        unknown = await say(ana, text=WORDS, model="some/voice")
        assert unknown.json()["code"] == "price_unknown"
    assert not sandbox.calls("audio.speech")
    assert not sandbox.calls("audio.transcriptions")


async def test_preferred_voice_and_model(ana: httpx.AsyncClient) -> None:
    chosen = {"voice": "bf_emma", "speech_model": "hexgrad/kokoro-82m"}
    assert (await ana.put("/users/me/preferences", json=chosen)).status_code == 200
    made = (await say(ana, text="tea")).json()
    assert (made["model"], made["voice"]) == ("hexgrad/kokoro-82m", "bf_emma")
    other = (await say(ana, text="tea", model=TTS)).json()
    assert other["voice"] == "alloy"


async def test_sound_ends_with_its_account(api: Api, ana: httpx.AsyncClient) -> None:
    made = (await say(ana, text="tea")).json()
    person = (await ana.get("/users/me")).json()["id"]
    await api.services.sound.close()
    await api.services.media.erase_user(person)
    assert (await api.client.get(made["audio"]["url"])).status_code == 404
