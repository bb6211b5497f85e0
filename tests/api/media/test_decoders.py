"""Files that are too much for a decoder: it is limited, killed, replaced and counted, and the api
goes on. All decoders here are real processes."""

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from PIL import Image
from prometheus_client import generate_latest

from api.errors import Conflict, DomainError, TooLarge, UnsupportedMedia
from api.media import pictures, videos
from api.media.decoded import Clip, Picture
from api.media.decoders import LIMITS, DecoderLimits, Decoders
from api.metrics import Metrics
from tests.api.media.samples import CASES, case, clip, picture
from tests.processes import wait_gone
from tests.rules.source import ROOT

Make = Callable[..., Decoders]


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
def make(counted: list[str]) -> Iterator[Make]:
    made: list[Decoders] = []

    def one(limits: DecoderLimits = LIMITS) -> Decoders:
        made.append(Decoders(counted.append, limits))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Return a file whose reader waits for ever."""
    path = tmp_path / "endless.mp4"
    os.mkfifo(path)
    return path


def alive() -> set[int]:
    """Return the ids of the decoders of this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            with suppress(OSError):
                if b"api.media.decoder" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(int(pid))
    return found


async def started(number: int = 1, before: frozenset[int] = frozenset()) -> set[int]:
    """Wait for decoders besides those of `before`, and return their ids."""
    return await asyncio.to_thread(_started, number, before)


def _started(number: int, before: frozenset[int]) -> set[int]:
    end = time.monotonic() + 30
    while len(found := alive() - before) < number:
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


@pytest.fixture
def before() -> frozenset[int]:
    """Return the ids of decoders that other tests of this process left running."""
    return frozenset(alive())


async def test_what_a_decoder_finds_comes_whole(make: Make, tmp_path: Path) -> None:
    decoders = make()
    for name in ("other-formats/ok.heic", "jpeg-mpf/mpo.jpg", "other-formats/ok.gif"):
        data = case(name)
        assert await decoders.made_picture(data) == pictures.made_picture(data)
        assert await decoders.clean_picture(data) == pictures.clean_picture(data)
    clip(tmp_path / "clip.mp4")
    assert await decoders.read_clip(tmp_path / "clip.mp4") == videos.read_clip(
        tmp_path / "clip.mp4"
    )
    with pytest.raises(UnsupportedMedia) as refused:
        await decoders.clean_picture(b"no picture")
    assert refused.value.reason == "image_unreadable"


def bomb() -> bytes:
    """Return a PNG of 900 megapixels in a few KB."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 6, 0, 0, 0)
    rows = zlib.compress(zlib.compress(bytes(30_000_000), 9), 9)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


async def test_a_bomb_is_refused_by_its_head(make: Make, counted: list[str]) -> None:
    decoders = make(replace(LIMITS, memory=200_000_000))
    with pytest.raises(TooLarge) as refused:
        await decoders.clean_picture(bomb())
    seen = (refused.value.reason, refused.value.params, counted)
    assert seen == ("pixels_too_many", {"megapixels": 900, "format": "PNG"}, [])


async def test_a_picture_above_the_memory_limit_is_refused_or_kept_as_it_came(
    make: Make, counted: list[str]
) -> None:
    decoders = make(replace(LIMITS, memory=60_000_000))
    data = picture(size=(5000, 5000))
    with pytest.raises(TooLarge) as refused:
        await decoders.clean_picture(data)
    assert (refused.value.reason, counted) == ("memory_short", ["memory_short"])
    found = await decoders.made_picture(data)
    assert (found.data, found.width, found.height, found.thumbnail) == (data, 5000, 5000, None)
    assert (await decoders.clean_picture(picture())).width == 64, "the next one goes well"


async def test_a_file_that_takes_too_long_ends_its_decoder_and_no_other_one(
    make: Make, endless: Path, counted: list[str], before: frozenset[int]
) -> None:
    decoders = make(replace(LIMITS, look=0.5))
    slow = asyncio.create_task(decoders.read_clip(endless))
    (stuck,) = await started(1, before)
    assert (await make().clean_picture(picture())).width == 64
    assert await slow == Clip(None, None, None, None)
    assert counted == ["timed_out", "timed_out"], "with its frames, and without them"
    assert wait_gone(stuck)


async def test_slow_files_leave_room_for_another(
    make: Make, endless: Path, before: frozenset[int]
) -> None:
    decoders = make()
    slow = asyncio.create_task(decoders.read_clip(endless))
    conversion = asyncio.create_task(decoders.to_mp4(endless, "matroska", endless, Event()))
    await started(2, before)
    assert (await decoders.clean_picture(picture())).width == 64
    assert not slow.done()
    assert not conversion.done()
    decoders.close()
    for each in (slow, conversion):
        with pytest.raises(Conflict) as stopped:
            await each
        assert stopped.value.reason == "server_stopped"
    assert alive() <= before


async def test_large_pictures_wait_for_each_other_and_hold_up_no_small_one(
    make: Make, before: frozenset[int]
) -> None:
    out = io.BytesIO()
    Image.new("L", (7000, 6000)).save(out, "PNG", compress_level=1)
    decoders, most = make(), 0
    large = [asyncio.create_task(decoders.made_picture(out.getvalue())) for _ in range(4)]
    small = asyncio.create_task(decoders.made_picture(picture()))
    async with asyncio.timeout(120):
        while not small.done():
            most = max(most, len(alive() - before))
            await asyncio.sleep(0.01)
        assert not all(each.done() for each in large), "the small one was asked for last"
        while not all(each.done() for each in large):
            most = max(most, len(alive() - before))
            await asyncio.sleep(0.01)
    assert [each.result().width for each in large] == [7000] * 4
    assert most <= 3


async def test_a_decoder_that_was_killed_is_replaced_once_for_a_file(
    make: Make, counted: list[str], before: frozenset[int]
) -> None:
    decoders = make()
    asked = asyncio.create_task(decoders.clean_picture(case("big-photos/k41.jpg")))
    (pid,) = await started(1, before)
    os.kill(pid, signal.SIGKILL)
    assert (await asked).width == 3200
    assert counted == ["died"]


async def kill_all(until: asyncio.Future[Picture], before: frozenset[int]) -> None:
    while not until.done():
        for pid in alive() - before:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)


async def test_a_file_that_ends_each_decoder_is_refused_but_a_paid_one_kept(
    make: Make, counted: list[str], before: frozenset[int]
) -> None:
    decoders = make()
    asked = asyncio.ensure_future(decoders.clean_picture(picture()))
    await kill_all(asked, before)
    with pytest.raises(UnsupportedMedia) as refused:
        await asked
    seen = (refused.value.reason, refused.value.params, counted)
    assert seen == ("image_damaged", {"format": "PNG"}, ["died"] * 2)
    data = picture("WEBP")
    paid = asyncio.ensure_future(decoders.made_picture(data))
    await kill_all(paid, before)
    found = await paid
    assert (found.data, found.kind.content_type, found.width) == (data, "image/webp", None)
    assert counted == ["died"] * 6


async def test_a_conversion_heeds_a_stop(make: Make, endless: Path, tmp_path: Path) -> None:
    decoders, stop = make(), Event()
    stop.set()
    for work in (
        decoders.to_mp4(endless, "matroska", tmp_path / "made.mp4", stop),
        decoders.shrink_video(endless, tmp_path / "made.mp4", 10_000_000, stop),
    ):
        with pytest.raises(Conflict) as stopped:
            await work
        assert stopped.value.reason == "server_stopped"


async def test_a_conversion_that_fails_says_why(make: Make, endless: Path, tmp_path: Path) -> None:
    decoders, target = make(replace(LIMITS, convert=0.2)), tmp_path / "made.mp4"
    expected: list[tuple[type[DomainError], str]] = [
        (UnsupportedMedia, "unusable_video"),
        (TooLarge, "copy_not_made"),
    ]
    for work, (kind, reason) in zip(
        (
            decoders.to_mp4(endless, "matroska", target, Event()),
            decoders.shrink_video(endless, target, 10_000_000, Event()),
        ),
        expected,
        strict=True,
    ):
        with pytest.raises(kind) as refused:
            await work
        assert refused.value.reason == reason


@pytest.mark.parametrize("limits", [DecoderLimits(jobs=1), DecoderLimits(kept=1)])
async def test_a_decoder_is_replaced_after_its_jobs_or_when_it_keeps_much(
    make: Make, limits: DecoderLimits, before: frozenset[int]
) -> None:
    decoders = make(limits)
    await decoders.made_picture(picture())
    assert decoders.quick.pids == []
    assert alive() <= before


async def test_a_decoder_goes_on_to_the_next_file_until_it_was_idle(make: Make) -> None:
    decoders = make(replace(LIMITS, idle=0.0))
    await decoders.made_picture(picture())
    (pid,) = decoders.quick.pids
    os.kill(pid, signal.SIGTERM)  # it goes to a whole group, and the answers are still wanted
    await decoders.made_picture(picture())
    assert decoders.quick.pids == [pid]
    await decoders.rest()
    assert (decoders.quick.pids, wait_gone(pid)) == ([], True)


async def test_a_decoder_can_be_ready_before_its_file(make: Make, before: frozenset[int]) -> None:
    decoders = make()
    decoders.prepare()
    ready = await started(1, before)
    await decoders.made_picture(picture())
    decoders.prepare()
    assert ready <= alive()


def test_no_decoder_outlives_the_process_that_started_it(endless: Path) -> None:
    """Another process has an idle decoder and one at work, and is killed."""
    script = """
import asyncio, sys
from pathlib import Path
from api.media.decoders import Decoders
async def main():
    decoders = Decoders()
    clip = asyncio.create_task(decoders.read_clip(Path(sys.argv[1])))
    await decoders.clean_picture(Path(sys.argv[2]).read_bytes())
    tasks = Path("/proc/self/task").iterdir()
    print(*(pid for each in tasks for pid in (each / "children").read_text().split()), flush=True)
    await clip
asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(endless), str(CASES / "gray16/gray16.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert all(wait_gone(pid) for pid in pids)


async def test_failures_are_counted_for_prometheus(make: Make, endless: Path) -> None:
    metrics = Metrics()
    decoders = Decoders(metrics.decoder_failed, replace(LIMITS, look=0.1))
    await decoders.read_clip(endless)
    decoders.close()
    told = generate_latest(metrics.registry).decode()
    assert 'allucanget_decoder_failures_total{how="timed_out"} 2.0' in told


def test_the_api_loads_no_decoder() -> None:
    script = "import sys, api.__main__, api.worker; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT).split()
    assert "api.media.decoders" in loaded
    assert not {"PIL", "av", "pillow_heif", "api.media.pictures"} & set(loaded)
