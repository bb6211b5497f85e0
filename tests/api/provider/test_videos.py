"""Video jobs from submit to file, and every way in which they go wrong."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from api.media.fetcher import ImageFetcher
from api.provider.openrouter import OpenRouter
from api.provider.types import Fetch, ImageInput, ProviderError, VideoAsk, VideoJob
from sandbox.faults import Fault
from tests.api.media.test_fetcher import answer, running_site
from tests.api.provider.raw_server import http, raw_server
from tests.rules.source import ROOT
from tests.sandbox_server import Sandbox

CASES = ROOT / "tests" / "cases"
LITE, WAN, KLING, SEEDANCE = (
    "google/veo-3.1-lite",
    "alibaba/wan-2.6",
    "kwaivgi/kling-v3.0-std",
    "bytedance/seedance-2.0-fast",
)
SMALL = VideoAsk(
    SEEDANCE, "waves at night", duration=4, resolution="480p", aspect_ratio="1:1", seed=3
)


def photo(colour: str, size: tuple[int, int] = (160, 90)) -> ImageInput:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return ImageInput("image/jpeg", out.getvalue())


async def ended(provider: OpenRouter, ask: VideoAsk) -> VideoJob:
    job = await provider.start_video(ask)
    while job.state == "running":
        await asyncio.sleep(0.02)
        job = await provider.check_video(job.provider_id)
    return job


async def file_of(provider: OpenRouter, ask: VideoAsk) -> bytes:
    job = await ended(provider, ask)
    return b"".join([chunk async for chunk in provider.fetch_video(job.provider_id)])


def frames(data: bytes) -> list[Image.Image]:
    with av.open(BytesIO(data), "r") as container:
        return [frame.to_image() for frame in container.decode(video=0)]  # type: ignore[no-untyped-call]


async def test_a_finished_video_plays_as_asked(provider: OpenRouter) -> None:
    data = await file_of(provider, SMALL)
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        seen = (codec.name, codec.pix_fmt, codec.width, codec.height)
        assert seen == ("h264", "yuv420p", 480, 480)
        assert stream.average_rate == 24
        assert stream.frames == 96
        assert container.duration is not None
        assert abs(container.duration / 1_000_000 - 4) < 0.1
    # a player can start before the whole file is there
    assert data.index(b"moov") < data.index(b"mdat")
    pictures = frames(data)
    moved = ImageStat.Stat(ImageChops.difference(pictures[0], pictures[48]).convert("L"))
    assert moved.mean[0] > 1


async def test_prompt_and_seed_decide_the_video(provider: OpenRouter) -> None:
    first, again = await asyncio.gather(file_of(provider, SMALL), file_of(provider, SMALL))
    assert first == again


@pytest.mark.parametrize(
    ("ask", "cost"),
    [
        (VideoAsk(LITE, "x", duration=4, resolution="720p"), 200_000),
        (VideoAsk(LITE, "x", duration=4, resolution="1080p", generate_audio=False), 200_000),
        (VideoAsk(WAN, "x", duration=5, resolution="720p"), 200_000),
        (VideoAsk(KLING, "x", duration=3, generate_audio=True), 378_000),
        (SMALL, 122_220),
    ],
)
async def test_the_cost_follows_the_price_list(
    provider: OpenRouter, sandbox: Sandbox, ask: VideoAsk, cost: int
) -> None:
    sandbox.break_with(video=0.1)
    job = await provider.start_video(ask)
    assert (job.state, job.raw_status, job.cost_micro) == ("running", "pending", None)
    assert round(sandbox.calls("videos.submit")[0]["cost_usd"] * 1_000_000) == cost


async def test_the_states_come_in_order(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(video=1.0)
    job = await provider.start_video(SMALL)
    seen = [job.raw_status]
    while job.state == "running":
        await asyncio.sleep(0.03)
        job = await provider.check_video(job.provider_id)
        if seen[-1] != job.raw_status:
            seen.append(job.raw_status)
    assert seen == ["pending", "in_progress", "completed"]
    assert job.cost_micro == 122_220


async def test_frames_begin_and_end_the_video(provider: OpenRouter) -> None:
    ask = VideoAsk(
        KLING, "a walk", duration=3, first_frame=photo("red", (90, 160)), last_frame=photo("blue")
    )
    pictures = frames(await file_of(provider, ask))
    assert pictures[0].size == (720, 1280)  # the shape of the first frame
    red, blue = pictures[0].getpixel((360, 500)), pictures[-1].getpixel((360, 500))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 200 > red[2]
    assert blue[2] > 200 > blue[0]


@pytest.mark.parametrize(
    ("word", "message", "state", "refused"),
    [
        ("failed", None, "failed", False),
        ("failed", "Content policy violation", "failed", True),
        ("expired", None, "expired", False),
        ("cancelled", None, "cancelled", False),
        ("warming_up", None, "completed", False),
    ],
)
async def test_every_end_of_a_job(
    provider: OpenRouter,
    sandbox: Sandbox,
    word: str,
    message: str | None,
    state: str,
    refused: bool,
) -> None:
    sandbox.break_with(Fault(call="videos.job", kind="ends_as", value=word, message=message))
    job = await ended(provider, SMALL)
    assert (job.state, job.refused) == (state, refused)
    assert (job.error is None) == (state == "completed")
    assert (job.cost_micro is None) == (state != "completed")


async def test_a_word_that_we_do_not_know_is_running() -> None:
    async with raw_server(
        http('{"id":"abc","polling_url":"https://evil.example/","status":"queued_somewhere"}')
    ) as raw:
        client = OpenRouter(raw.url, "k")
        job = await client.check_video("abc")
        await client.close()
    assert (job.state, job.raw_status) == ("running", "queued_somewhere")


async def test_a_lost_submit_is_unknown_and_the_job_exists(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="videos.submit", kind="lost", times=1))
    with pytest.raises(ProviderError) as caught:
        await provider.start_video(SMALL)
    assert caught.value.outcome == "unknown"
    assert [call["cost_usd"] for call in sandbox.calls("videos.submit")] == [0.12222]


@pytest.mark.parametrize(
    "body", ["<html>", "{}", '{"id":"../../key","status":"pending"}', '{"id":"a","status":7}', "[]"]
)
async def test_a_submit_answer_that_names_no_job_is_unknown(body: str) -> None:
    async with raw_server(http(body, status="202 Accepted")) as raw:
        client = OpenRouter(raw.url, "k")
        with pytest.raises(ProviderError) as caught:
            await client.start_video(SMALL)
        await client.close()
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize("provider_id", ["", "../key", "a/b", "a?b=c", "a" * 129, "ä", "a\n"])
async def test_an_id_that_is_none_never_reaches_a_url(
    provider: OpenRouter, sandbox: Sandbox, provider_id: str
) -> None:
    with pytest.raises(ProviderError) as checked:
        await provider.check_video(provider_id)
    with pytest.raises(ProviderError):
        await anext(aiter(provider.fetch_video(provider_id)))
    assert checked.value.outcome == "not_sent"
    assert sandbox.calls("videos.status") == sandbox.calls("videos.content") == []


async def test_a_job_nobody_knows(provider: OpenRouter) -> None:
    with pytest.raises(ProviderError) as caught:
        await provider.check_video("gen-vid-1-none")
    assert (caught.value.status, caught.value.retryable) == (404, False)


async def test_a_file_that_is_not_there_yet(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(video=5)
    job = await provider.start_video(SMALL)
    with pytest.raises(ProviderError) as early:
        await anext(aiter(provider.fetch_video(job.provider_id)))
    assert (early.value.status, early.value.retryable) == (409, True)
    sandbox.break_with(Fault(call="videos.content", kind="status", status=410))
    with pytest.raises(ProviderError) as late:
        await anext(aiter(provider.fetch_video(job.provider_id)))
    assert (late.value.status, late.value.retryable) == (410, False)


async def contents(first: bytes, *, fetch: Fetch | None = None) -> bytes:
    async with raw_server(first) as raw:
        client = OpenRouter(raw.url, "secret-key", fetch=fetch)
        try:
            return b"".join([chunk async for chunk in client.fetch_video("abc")])
        finally:
            await client.close()


def plain(
    body: bytes, headers: str = "", status: str = "200 OK", length: int | None = None
) -> bytes:
    told = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\n"
        f"Content-Length: {told}\r\n{headers}\r\n".encode()
        + body
    )


async def test_a_download_asks_for_no_compression_and_an_order_names_its_type_once() -> None:
    """The length of a compressed file would not tell whether it is whole."""
    async with raw_server(plain(b"film")) as raw:
        client = OpenRouter(raw.url, "secret-key", sandbox=True)
        try:
            assert b"".join([chunk async for chunk in client.fetch_video("1")]) == b"film"
            with pytest.raises(ProviderError):
                await client.start_video(SMALL)
        finally:
            await client.close()
    sent = [request.lower().partition(b"\r\n\r\n")[0] for request in raw.requests]
    assert [head.count(b"accept-encoding") for head in sent] == [1, 1]
    assert b"\r\naccept-encoding: identity" in sent[0]
    assert [head.count(b"content-type: application/json") for head in sent] == [0, 1]


FILE = (CASES / "video-fetch" / "freefirst.mp4").read_bytes()


async def test_a_compressed_body_is_unpacked() -> None:
    assert await contents(plain(gzip.compress(FILE), "Content-Encoding: gzip\r\n")) == FILE


@pytest.mark.parametrize(
    "told",
    [
        lambda url: plain(b"", f"Location: {url}\r\n", "302 Found"),
        lambda url: plain(json.dumps({"url": url}).encode()),
        lambda url: plain(json.dumps({"id": "abc", "urls": [url], "expires_at": 1}).encode()),
        lambda url: plain(json.dumps({"data": [{"video": {"url": url}}]}).encode()),
    ],
    ids=["redirect", "url", "urls", "data"],
)
async def test_a_file_that_is_kept_elsewhere_is_fetched_there_without_the_key(
    tmp_path: Path, told: Callable[[str], bytes]
) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(FILE)
        assert await contents(told(site.url()), fetch=site.fetcher().stream) == FILE
        assert b"secret-key" not in site.requests[0]
        assert b"authorization" not in site.requests[0].lower()


async def test_the_key_goes_along_to_the_providers_own_addresses_only() -> None:
    async with raw_server(b"") as raw:
        raw.answers = [plain(b"", "Location: /api/v1/files/abc\r\n", "302 Found"), plain(FILE)]
        client = OpenRouter(raw.url, "secret-key")
        assert b"".join([chunk async for chunk in client.fetch_video("abc")]) == FILE
        await client.close()
        assert raw.requests[1].startswith(b"GET /api/v1/files/abc ")
        assert b"secret-key" in raw.requests[1]


async def test_the_key_goes_to_no_address_that_only_begins_like_the_providers() -> None:
    fetched: list[str] = []

    async def fetch(url: str, most: int) -> AsyncIterator[bytes]:
        fetched.append(url)
        yield FILE

    async with raw_server(b"") as raw:
        raw.answers = [plain(b"", f"Location: {raw.url}.example.org/x\r\n", "302 Found")]
        client = OpenRouter(raw.url, "secret-key", fetch=fetch)
        assert b"".join([chunk async for chunk in client.fetch_video("abc")]) == FILE
        await client.close()
        assert (fetched, len(raw.requests)) == ([f"{raw.url}.example.org/x"], 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (plain(b"<html>502"), "unreadable_answer"),
        (plain(b'{"status": "ok"}'), "unreadable_answer"),
        (plain(b'{"error": {"code": 503, "message": "later"}}'), "overloaded"),
        (plain(FILE[:100], length=len(FILE)), "connection_lost"),
        (plain(b""), "cut_short"),
        (plain(b"", "Location: https://169.254.169.254/x\r\n", "302 Found"), "not_fetched"),
        (plain(b"", "Location: http://[\r\n", "302 Found"), "unreadable_answer"),
    ],
)
async def test_a_download_that_is_no_file_fails_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await contents(body, fetch=ImageFetcher().stream)
    assert (caught.value.reason, caught.value.outcome) == (reason, "refused")


@pytest.mark.parametrize("kind", ["cut", "empty"])
async def test_a_broken_download_is_no_file(
    provider: OpenRouter, sandbox: Sandbox, kind: str
) -> None:
    job = await ended(provider, SMALL)
    sandbox.break_with(Fault.model_validate({"call": "videos.content", "kind": kind, "times": 1}))
    with pytest.raises(ProviderError) as caught:
        _ = [chunk async for chunk in provider.fetch_video(job.provider_id)]
    assert caught.value.retryable
    assert [chunk async for chunk in provider.fetch_video(job.provider_id)]
