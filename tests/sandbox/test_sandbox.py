"""The sandbox as a server: as strict as the provider, settable while it runs, and calling
webhooks."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.provider.openrouter import OpenRouter
from api.provider.types import ProviderError, VideoAsk
from api.provider.webhooks import verify
from api.schemas import micro
from sandbox.faults import Fault
from sandbox.settings import SandboxSettings
from tests.api.provider.conftest import SECRET
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox, sandbox_server

IMAGE = {"model": "openai/gpt-image-2", "prompt": "x"}
VIDEO = {"model": "google/veo-3.1-lite", "prompt": "x"}
CHAT = {"model": "openai/gpt-5-mini", "messages": [{"role": "user", "content": "x"}]}
FLUX = {**CHAT, "model": "black-forest-labs/flux.2-klein-4b"}


@pytest.fixture
async def web(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=sandbox.origin, headers={"Authorization": "Bearer k"}, verify=PLAIN, timeout=20
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/chat/completions", {**CHAT, "model": "no/such"}, 400),
        ("/chat/completions", {**CHAT, "messages": []}, 400),
        ("/chat/completions", {**CHAT, "messages": [{"role": "robot", "content": "x"}]}, 400),
        ("/chat/completions", {**CHAT, "temperature": 3}, 400),
        ("/chat/completions", {**CHAT, "modalities": ["image"]}, 404),
        ("/chat/completions", FLUX, 404),
        ("/chat/completions", {**FLUX, "modalities": ["image", "text"]}, 404),
        (
            "/chat/completions",
            {**FLUX, "modalities": ["image"], "image_config": {"aspect_ratio": "17:3"}},
            400,
        ),
        (
            "/chat/completions",
            {**FLUX, "modalities": ["image"], "image_config": {"image_size": "9K"}},
            400,
        ),
        (
            "/chat/completions",
            {
                **CHAT,
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {"url": "data:image/png;base64,AAAA"},
                            }
                        ],
                    }
                ],
            },
            400,
        ),
        ("/images", {**IMAGE, "prompt": ""}, 400),
        ("/images", {**IMAGE, "n": 11}, 400),
        ("/images", {**IMAGE, "size": "9x9"}, 400),
        ("/images", {**IMAGE, "size": "1024x1024", "aspect_ratio": "16:9"}, 400),
        ("/images", {**IMAGE, "quality": "hd"}, 400),
        ("/images", {**IMAGE, "image_size": "1K"}, 400),
        ("/images", {**IMAGE, "response_format": "b64_json"}, 400),
        ("/images/generations", {"model": "no/such", "prompt": "x"}, 400),
        ("/images/generations", {"model": "openai/dall-e-3", "prompt": "x", "size": "1x1"}, 400),
        ("/videos", {**VIDEO, "duration": 5}, 400),
        ("/videos", {**VIDEO, "duration_seconds": 4}, 400),
        ("/videos", {**VIDEO, "resolution": "4K"}, 400),
        ("/videos", {**VIDEO, "aspect_ratio": "1:1"}, 400),
        ("/videos", {**VIDEO, "callback_url": "http://example.com/hook"}, 400),
        ("/videos", {**VIDEO, "callback_url": "http://127.0.0.1.example.com/hook"}, 400),
        ("/videos", {"model": "alibaba/wan-2.6", "prompt": "x", "generate_audio": True}, 400),
        (
            "/videos",
            {
                **VIDEO,
                "frame_images": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "http://localhost/x.png"},
                        "frame_type": "first_frame",
                    }
                ],
            },
            400,
        ),
        ("/nothing", {}, 404),
    ],
)
async def test_bad_requests_are_refused_in_the_providers_shape(
    web: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await web.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("header", [None, "Bearer", "Basic abc"])
async def test_a_key_is_needed(sandbox: Sandbox, header: str | None) -> None:
    async with httpx.AsyncClient(verify=PLAIN) as client:
        answer = await client.get(
            f"{sandbox.url}/models", headers={} if header is None else {"Authorization": header}
        )
    seen = (answer.status_code, answer.json()["error"]["message"])
    assert seen == (401, "Missing Authentication header")


async def test_the_model_list_shows_text_models_unless_asked(web: httpx.AsyncClient) -> None:
    async def ids(query: str) -> set[str]:
        return {model["id"] for model in (await web.get(f"/api/v1/models{query}")).json()["data"]}

    assert "black-forest-labs/flux.2-klein-4b" not in await ids("")
    assert "openai/gpt-5-mini" not in await ids("?output_modalities=image")
    assert await ids("?output_modalities=all") == await ids(
        "?output_modalities=text,image,speech,transcription"
    )
    assert "hexgrad/kokoro-82m" in await ids("?output_modalities=speech")
    assert "openai/dall-e-3" not in await ids("?output_modalities=all")
    assert (await web.get("/api/v1/models?output_modalities=smell")).status_code == 400


async def test_a_generation_can_be_looked_up(web: httpx.AsyncClient) -> None:
    made = await web.post("/api/v1/chat/completions", json=CHAT)
    found = (await web.get(f"/api/v1/generation?id={made.headers['x-generation-id']}")).json()[
        "data"
    ]
    assert found["total_cost"] == made.json()["usage"]["cost"] > 0
    assert (await web.get("/api/v1/generation?id=gen-none")).status_code == 404


async def test_faults_end_after_their_count(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.break_with(
        Fault(call="chat", kind="status", status=503, times=2),
        Fault(call="*", kind="status", status=500, model="no/such"),
    )
    statuses = [
        (await web.post("/api/v1/chat/completions", json=CHAT)).status_code for _ in range(3)
    ]
    assert statuses == [503, 503, 200]
    assert [call["fault"] for call in sandbox.calls("chat")] == ["status", "status", None]
    refused = await web.put(
        "/_sandbox/faults", json={"faults": [{"call": "tea", "kind": "status"}]}
    )
    assert refused.status_code == 422


async def test_a_hang_gives_no_answer(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="key", kind="hang", times=1))
    with pytest.raises(httpx.ReadTimeout):
        await web.get("/api/v1/key", timeout=0.2)
    sandbox.break_with(Fault(call="key", kind="delay", seconds=0.2, times=1))
    before = time.monotonic()
    assert (await web.get("/api/v1/key")).status_code == 200
    assert time.monotonic() - before >= 0.2


class Receiver:
    """A receiver of webhooks on a loopback port, which first answers 500 `fails` times."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head)
        }
        await self.got.put((headers, await reader.readexactly(int(headers["content-length"]))))
        status = "500 Oops" if self.fails else "204 No Content"
        self.fails = max(0, self.fails - 1)
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


async def _hooks(
    provider: OpenRouter, count: int, fails: int = 0
) -> list[tuple[dict[str, str], bytes]]:
    receiver = Receiver(fails)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        await provider.start_video(
            VideoAsk(
                "bytedance/seedance-2.0-fast", "x", duration=4, resolution="480p", callback_url=url
            )
        )
        return [await asyncio.wait_for(receiver.got.get(), 30) for _ in range(count)]
    finally:
        server.close()


async def test_the_end_of_a_job_is_told_by_a_signed_hook(provider: OpenRouter) -> None:
    ((headers, body),) = await _hooks(provider, 1)
    event = json.loads(body)
    assert (event["type"], event["data"]["status"]) == ("video.generation.completed", "completed")
    assert headers["x-openrouter-idempotency-key"] == f"{event['data']['id']}-completed"
    assert verify(SECRET, headers["x-openrouter-signature"], body, time.time())
    found = (await provider.check_video(event["data"]["id"])).cost_micro
    assert found == micro(Decimal(str(event["data"]["usage"]["cost"])))


async def test_a_hook_is_tried_again(provider: OpenRouter) -> None:
    first, second = await _hooks(provider, 2, fails=1)
    assert first[1] == second[1]


async def test_hooks_can_lie_and_repeat(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(
        Fault(call="webhooks", kind="bad_signature", times=1),
        Fault(call="webhooks", kind="duplicate", times=1),
    )
    ((headers, body),) = await _hooks(provider, 1)
    assert not verify(SECRET, headers["x-openrouter-signature"], body, time.time())
    one, two = await _hooks(provider, 2)
    assert one[0]["x-openrouter-idempotency-key"] == two[0]["x-openrouter-idempotency-key"]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PORT", "9999")
    monkeypatch.setenv("SANDBOX_VIDEO_SECONDS", "30")
    monkeypatch.setenv(
        "SANDBOX_FAULTS", '[{"call": "chat", "kind": "status", "status": 429, "times": 1}]'
    )
    monkeypatch.setenv("OPENROUTER_WEBHOOK_SECRET", "s3cret")
    settings = SandboxSettings(_env_file=None)
    assert (settings.port, settings.timing().video, settings.faults[0].status) == (9999, 30, 429)
    assert settings.webhook_secret is not None
    assert settings.webhook_secret.get_secret_value() == "s3cret"


def test_only_this_machine_can_reach_it(sandbox: Sandbox) -> None:
    port = int(sandbox.origin.rsplit(":", 1)[1])
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        own = "127.0.0.2"
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((own, port)) != 0


async def test_a_stop_ends_open_calls_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    with sandbox_server() as running:
        running.break_with(Fault(call="chat", kind="stall", after=1, seconds=60))
        async with httpx.AsyncClient(verify=PLAIN) as client:
            request = client.build_request(
                "POST",
                f"{running.url}/chat/completions",
                json={**CHAT, "stream": True},
                headers={"Authorization": "Bearer k"},
            )
            answer = await client.send(request, stream=True)
            chunks = answer.aiter_raw()
            await anext(chunks)
            stopping = asyncio.create_task(asyncio.to_thread(running.stop))
            with pytest.raises(httpx.TransportError):
                _ = [chunk async for chunk in chunks]
            await stopping
    assert "Traceback" not in capfd.readouterr().err


async def test_a_reset_forgets_jobs(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(video=60)
    job = await provider.start_video(
        VideoAsk("google/veo-3.1-lite", "x", duration=8, resolution="1080p")
    )
    sandbox.reset()
    with pytest.raises(ProviderError) as caught:
        await provider.check_video(job.provider_id)
    assert caught.value.status == 404


async def test_a_video_outlives_a_restart_until_it_was_fetched(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer k"}
    async with httpx.AsyncClient(headers=headers, verify=PLAIN, timeout=20) as client:
        with sandbox_server(folder=tmp_path, video=60) as first:
            asked = (await client.post(f"{first.url}/videos", json=VIDEO)).json()
        with sandbox_server(folder=tmp_path) as second:
            address = f"{second.url}/videos/{asked['id']}"
            async with asyncio.timeout(20):
                while (seen := (await client.get(address)).json())["status"] != "completed":  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.05)
            assert seen["id"] == asked["id"]
            assert (await client.get(f"{address}/content")).status_code == 200
        with sandbox_server(folder=tmp_path) as third:
            gone = await client.get(f"{third.url}/videos/{asked['id']}")
            assert gone.status_code == 404
    assert list(tmp_path.iterdir()) == []
