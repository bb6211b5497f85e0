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
from structlog.testing import capture_logs

from api.errors import (
    Conflict,
    StorageFull,
    StorageUnavailable,
    TooLarge,
    UnsupportedMedia,
)
from api.media import pictures, videos
from api.media.decoded import Clip
from api.media.decoders import LIMITS, DecoderLimits, Decoders
from api.metrics import Metrics
from tests.api.media.samples import CASES, case, clip, picture, turned_picture
from tests.processes import children, wait_gone
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
    for pid in children(os.getpid()):
        with suppress(OSError):
            if b"api.media.decoder" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
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


def many_scans(number: int) -> bytes:
    """Return a small JPEG that is decoded as often as the number says."""
    out = io.BytesIO()
    Image.new("RGB", (2000, 1500), "red").save(out, "JPEG", progressive=True)
    head, *scans = out.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    again = [scans[-1]] * (number - len(scans))
    return b"\xff\xda".join([head, *scans, *again]) + b"\xff\xd9"


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


async def test_a_damaged_file_writes_nothing_into_the_log(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pillow warns of a tag that is longer than its file."""
    tag = bytes.fromhex("011200027fffffff7fffffff")
    whole = turned_picture()
    at = whole.index(b"Exif\0\0") + len(b"Exif\0\0") + 10
    await make().clean_picture(whole[:at] + tag + whole[at + len(tag) :])
    assert capfd.readouterr().err == ""


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


async def test_a_paid_video_above_the_memory_limit_is_kept(make: Make, tmp_path: Path) -> None:
    clip(tmp_path / "large.mp4", (3840, 2160), frames=2)
    for memory in (56_000_000, 64_000_000, 72_000_000):
        found = await make(replace(LIMITS, memory=memory)).read_clip(tmp_path / "large.mp4")
        assert found.width == 3840


async def test_a_full_disk_is_no_fault_of_a_file(make: Make, tmp_path: Path) -> None:
    decoders, full, video = make(), Path("/dev/full"), tmp_path / "clip.mp4"
    clip(video)
    (tmp_path / "picture").write_bytes(picture(size=(300, 300)))
    for work in (
        decoders.to_mp4(video, "mp4", full, Event()),
        decoders.shrink_video(video, full, 1_000_000, Event()),
        decoders.shrink_picture(tmp_path / "picture", full, 1_000_000),
    ):
        with pytest.raises(StorageFull):
            await work


async def test_a_jpeg_of_very_many_scans_is_refused_but_a_paid_one_kept(make: Make) -> None:
    decoders, data = make(), many_scans(20_000)
    began = time.monotonic()
    with pytest.raises(TooLarge) as refused:
        await decoders.clean_picture(data)
    found = await decoders.made_picture(data)
    seen = (refused.value.reason, found.data == data, found.width, found.thumbnail)
    assert seen == ("scans_too_many", True, 2000, None)
    assert time.monotonic() - began < 15, "nobody decoded it"
    usual = picture("JPEG", comment=b"\xff\xda" * 200) + b"\xff\xda" * 200
    assert (await decoders.clean_picture(usual)).width == 64


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


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_decoder_that_was_killed_is_replaced_once_for_a_file(
    make: Make, counted: list[str], before: frozenset[int], deadly: signal.Signals
) -> None:
    decoders = make()
    asked = asyncio.create_task(decoders.clean_picture(many_scans(99)))
    await kill(deadly, before)
    assert (await asked).width == 2000
    assert counted == ["died"]


def at_work(pid: int) -> bool:
    """Tell whether a decoder, which waits for its first job once it has started, has got one."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n":
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
            return state.startswith("R")
    return False


async def kill(number: signal.Signals, before: frozenset[int]) -> None:
    """Kill the next decoder that is at work."""
    async with asyncio.timeout(60):
        while True:
            for pid in alive() - before:
                if at_work(pid) and await asyncio.sleep(0.02, at_work(pid)):
                    os.kill(pid, number)
                    wait_gone(pid)
                    return
            await asyncio.sleep(0.01)


async def test_a_file_that_ends_each_decoder_is_refused_but_a_paid_one_kept(
    make: Make, counted: list[str], before: frozenset[int]
) -> None:
    decoders, data = make(), many_scans(99)
    asked = asyncio.ensure_future(decoders.clean_picture(data))
    await kill(signal.SIGKILL, before)
    await kill(signal.SIGKILL, before)
    with pytest.raises(UnsupportedMedia) as refused:
        await asked
    seen = (refused.value.reason, refused.value.params, counted)
    assert seen == ("image_damaged", {"format": "JPG"}, ["died"] * 2)
    paid = asyncio.ensure_future(decoders.made_picture(data))
    await kill(signal.SIGKILL, before)
    await kill(signal.SIGKILL, before)
    found = await paid
    assert (found.data == data, found.width, found.thumbnail) == (True, 2000, None)
    assert counted == ["died"] * 4


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


async def test_a_stopped_decoder_keeps_nobody_waiting(
    make: Make, before: frozenset[int], counted: list[str]
) -> None:
    decoders = make(replace(LIMITS, look=0.5))
    await decoders.clean_picture(picture())
    (pid,) = await started(1, before)
    os.kill(pid, signal.SIGSTOP)
    data = picture("BMP", (1500, 1500))  # more than a socket takes
    async with asyncio.timeout(30):
        with pytest.raises(UnsupportedMedia):
            await decoders.clean_picture(data)
    assert (counted, wait_gone(pid)) == (["timed_out"], True)


async def test_a_stopped_decoder_does_not_keep_the_process_from_ending(
    make: Make, before: frozenset[int]
) -> None:
    decoders = make()
    await decoders.clean_picture(picture())
    (pid,) = await started(1, before)
    os.kill(pid, signal.SIGSTOP)
    asked = [
        asyncio.create_task(decoders.clean_picture(picture("BMP", (1500, 1500)))) for _ in range(9)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await asyncio.to_thread(decoders.close)
        for each in [*asked, asyncio.create_task(decoders.made_picture(picture()))]:
            with pytest.raises(Conflict) as stopped:
                await each
            assert stopped.value.reason == "server_stopped"
    assert wait_gone(pid)


async def test_a_decoder_has_no_secret_in_its_environment_and_gets_no_new_rights(
    make: Make, before: frozenset[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "OPENROUTER_API_KEY", "AWS_SECRET_ACCESS_KEY", "MALLOC_TEST_"):
        monkeypatch.setenv(name, "s3cret")
    await make().clean_picture(picture())
    (pid,) = await started(1, before)
    found = Path(f"/proc/{pid}/environ").read_bytes()
    assert (found.count(b"s3cret"), b"MALLOC_TEST_=" in found) == (1, True)
    assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("program", ["/bin/false", "/does/not/exist"])
async def test_a_decoder_that_cannot_start_is_no_fault_of_a_file(
    make: Make, counted: list[str], program: str
) -> None:
    decoders, data = make(), picture("WEBP")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(sys, "executable", program)
        with capture_logs() as logged:
            for _ in range(2):
                with pytest.raises(StorageUnavailable) as refused:
                    await decoders.clean_picture(data)
        assert (refused.value.reason, set(counted)) == ("no_decoder", {"not_started"})
        assert [each["event"] for each in logged].count("no_decoder_starts") == 1
        found = await decoders.made_picture(data)
        assert (found.data, found.kind.name, found.width) == (data, "WEBP", None)
        with pytest.raises(StorageUnavailable):
            await decoders.tend()
    await decoders.tend()
    await decoders.tend()
    assert (await decoders.clean_picture(data)).width == 64


def test_lower_limits_of_the_machine_are_kept() -> None:
    script = """
import asyncio, resource, sys
from api.media.decoders import Decoders
for kind, most in ((resource.RLIMIT_FSIZE, 50_000_000), (resource.RLIMIT_DATA, 800_000_000)):
    resource.setrlimit(kind, (most, most))
async def main():
    decoders = Decoders()
    print((await decoders.clean_picture(open(sys.argv[1], "rb").read())).width)
    decoders.close()
asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(CASES / "gray16/gray16.png")]
    assert subprocess.check_output(command, text=True, cwd=ROOT).strip().isdigit()


async def test_a_conversion_that_takes_too_long_says_so(
    make: Make, endless: Path, tmp_path: Path
) -> None:
    decoders, target = make(replace(LIMITS, convert=0.2)), tmp_path / "made.mp4"
    assert not await decoders.to_mp4(endless, "matroska", target, Event())
    with pytest.raises(TooLarge) as refused:
        await decoders.shrink_video(endless, target, 10_000_000, Event())
    assert refused.value.reason == "copy_not_made"


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
    await decoders.tend()
    assert (decoders.quick.pids, wait_gone(pid)) == ([], True)


async def test_a_decoder_can_be_ready_before_its_file(make: Make, before: frozenset[int]) -> None:
    decoders = make()
    decoders.prepare(is_video=False)
    ready = await started(1, before)
    await decoders.made_picture(picture())
    decoders.prepare(is_video=False)
    assert ready <= alive()


def test_no_decoder_outlives_the_process_that_started_it(endless: Path) -> None:
    """Another process has an idle decoder and one at work, and is killed."""
    script = """
import asyncio, os, sys
from pathlib import Path
from api.media.decoders import Decoders
from tests.processes import children
async def main():
    decoders = Decoders()
    clip = asyncio.create_task(decoders.read_clip(Path(sys.argv[1])))
    await decoders.clean_picture(Path(sys.argv[2]).read_bytes())
    print(*children(os.getpid()), flush=True)
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
