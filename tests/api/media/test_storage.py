"""Files appear whole or not at all, named by content and owner; while the store takes none, they
are kept locally."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from api.errors import StorageFull, StorageUnavailable, TooLarge
from api.ids import now
from api.media import bucket
from api.media.file_types import HEAD
from api.media.files import MediaStore, StoreState, key_of
from tests.api.media.conftest import Choose
from tests.api.media.s3 import S3
from tests.api.media.samples import in_chunks, store_in


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def kept_in(folder: Path) -> list[str]:
    """Return the names of the kept files, without those the store writes about itself."""
    return [name for name in files_in(folder) if not name.startswith(".")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "my files"


@pytest.fixture
def files(place: Path) -> MediaStore:
    return store_in(place)


def test_names_hold_content_and_owner() -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    assert key_of(sha256, "a", "png").startswith(f"{sha256[:2]}/{sha256[2:4]}/{sha256}-")
    assert key_of(sha256, "a", "png") == key_of(sha256, "a", "png") != key_of(sha256, "b", "png")


async def test_a_stream_is_kept(files: MediaStore, place: Path) -> None:
    data = bytes(range(256)) * 40
    async with files.receive(in_chunks(data), 100_000) as received:
        seen = (received.size, received.sha256, received.head)
        assert seen == (len(data), hashlib.sha256(data).hexdigest(), data[:HEAD])
        await files.put(received.path, "ab/cd/file.mp4")
    assert files_in(place) == ["media/ab/cd/file.mp4"]
    assert await files.read("ab/cd/file.mp4") == data
    found = [bytes(chunk) async for chunk in await files.stream("ab/cd/file.mp4", 5, 9)]
    assert found == [data[5:9]]


async def test_a_stream_that_is_too_long_or_breaks_leaves_nothing(
    files: MediaStore, place: Path
) -> None:
    with pytest.raises(TooLarge):
        async with files.receive(in_chunks(b"x" * 5000), 4999):
            pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        async with files.receive(broken(), 100):
            pass
    assert files_in(place) == []


async def test_a_stream_that_is_cancelled_leaves_nothing(files: MediaStore, place: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> None:
        async with files.receive(endless(), 100):
            pass

    task = asyncio.create_task(receive())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_in(place) == []


async def test_deleting_twice_is_fine(files: MediaStore, place: Path) -> None:
    await files.put(b"x", "ab/cd/x.png")
    await files.put(b"x", "ab/cd/x.png")
    await files.delete(["ab/cd/x.png", "no/no/no.png"])
    await files.delete(["ab/cd/x.png"])
    assert files_in(place) == []
    with pytest.raises(FileNotFoundError):
        await files.read("ab/cd/x.png")
    with pytest.raises(FileNotFoundError):
        await files.stream("ab/cd/x.png", 0, 1)


async def test_a_store_on_another_disk_gets_a_copy(
    files: MediaStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = bucket.move

    def between_disks(path: Path, target: Path) -> None:
        if path.is_relative_to(place / "spool"):
            raise OSError(18, "Invalid cross-device link")
        move(path, target)

    monkeypatch.setattr(bucket, "move", between_disks)
    async with files.receive(in_chunks(b"abc"), 10) as received:
        await files.put(received.path, "ab/cd/x.png")
    assert files_in(place) == ["media/ab/cd/x.png"]
    assert await files.read("ab/cd/x.png") == b"abc"


def in_the_way(place: Path, *, there: bool) -> None:
    """Put a file in the way: no folder can be made there, not even by root."""
    folder, aside = place / "media", place / "aside"
    if there:
        folder.rename(aside)
        folder.write_text("in the way")
    else:
        folder.unlink()
        aside.rename(folder)


async def test_files_that_the_store_does_not_take_are_kept_and_shown_until_it_does(
    files: MediaStore, place: Path
) -> None:
    await files.put(b"before", "aa/aa/before.png")
    in_the_way(place, there=True)
    await files.put(b"a picture", "ab/cd/x.png")
    async with files.receive(in_chunks(b"a video"), 100) as received:
        await files.put(received.path, "ab/cd/x.mp4")
    assert isinstance(files.state.trouble, StorageUnavailable)
    assert await files.read("ab/cd/x.png") == b"a picture"
    found = b"".join([bytes(chunk) async for chunk in await files.stream("ab/cd/x.mp4", 2, 6)])
    assert found == b"vide"
    await files.tend()
    assert files.state.waiting == 2
    in_the_way(place, there=False)
    await files.tend()
    assert files.state == StoreState()
    seen = files_in(place / "media")
    assert seen == [".installations/one", "aa/aa/before.png", "ab/cd/x.mp4", "ab/cd/x.png"]
    assert files_in(place / "spool") == []
    assert await files.read("ab/cd/x.mp4") == b"a video"


async def test_the_next_process_moves_what_an_earlier_one_kept(
    files: MediaStore, place: Path
) -> None:
    in_the_way(place, there=True)
    await files.put(b"a picture", "ab/cd/x.png")
    in_the_way(place, there=False)
    later = store_in(place)
    assert await later.read("ab/cd/x.png") == b"a picture"
    await later.tend()
    assert files_in(place / "spool") == []
    assert await later.read("ab/cd/x.png") == b"a picture"


async def test_a_file_that_waits_can_be_deleted(files: MediaStore, place: Path) -> None:
    in_the_way(place, there=True)
    await files.put(b"a picture", "ab/cd/x.png")
    assert await files.waits("ab/cd/x.png")
    in_the_way(place, there=False)
    await files.delete(["ab/cd/x.png"])
    await files.tend()
    assert files_in(place) == ["media/.installations/one"]


async def test_a_file_that_alone_is_not_taken_does_not_hold_up_the_others(
    files: MediaStore, place: Path
) -> None:
    in_the_way(place, there=True)
    for name in ("a", "b"):
        await files.put(name.encode(), f"{name * 2}/cd/{name}.png")
    in_the_way(place, there=False)
    (place / "media" / "aa").write_text("in its way")
    await files.tend()
    assert (files.state.trouble, files.state.waiting) == (None, 1)
    assert await files.read("bb/cd/b.png") == b"b"
    assert await files.read("aa/cd/a.png") == b"a", "it is shown all the same"


async def test_a_full_disk_is_said_so(files: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageFull):
        await files.put(b"x", "ab/cd/x.png")
    with pytest.raises(StorageFull):
        async with files.receive(in_chunks(b"x"), 10):
            pass
    await files.look()
    assert isinstance(files.state.trouble, StorageFull)


async def test_a_received_file_outlives_a_folder_that_cannot_be_synced(
    files: MediaStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "media/ab/cd").mkdir(parents=True)
    real = os.fsync

    def fails(number: int) -> None:
        if os.path.samestat(os.fstat(number), (place / "media/ab/cd").stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(number)

    monkeypatch.setattr("os.fsync", fails)
    async with files.receive(in_chunks(b"paid"), 10) as received:
        await files.put(received.path, "ab/cd/x.png")
    assert await files.read("ab/cd/x.png") == b"paid"
    assert isinstance(files.state.trouble, StorageUnavailable)
    assert "Input/output error" in files.state.trouble.detail
    assert await files.waits("ab/cd/x.png")


async def test_old_half_received_files_are_deleted(files: MediaStore, place: Path) -> None:
    for folder in ("spool/receiving", "media/.receiving"):
        (place / folder).mkdir(parents=True)
        for name in ("old", "new"):
            (place / folder / name).write_bytes(b"x")
        os.utime(place / folder / "old", (1, 1))
    assert await files.forget_received(now() - timedelta(hours=1)) == 2
    assert files_in(place) == ["media/.receiving/new", "spool/receiving/new"]


async def test_a_store_that_hangs_is_not_waited_for(
    s3: S3, with_key: Choose, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("owner")
    monkeypatch.setattr(bucket, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(bucket, "OPEN_SECONDS", 0.2)
    files = store_in(place, "s3://hanging")
    with s3.hanging():
        await files.look()
        assert isinstance(files.state.trouble, StorageUnavailable)
        assert "does not answer" in files.state.trouble.detail
        await files.put(b"x", "ab/cd/x.png")
        assert await files.read("ab/cd/x.png") == b"x"
        for reading in (files.read("ab/cd/y.png"), files.stream("ab/cd/y.png", 0, 1)):
            with pytest.raises(StorageUnavailable):
                await reading


async def test_a_place_that_is_not_found_is_no_missing_file(
    with_key: Choose, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another web server has the address: it answers 404 without S3's words."""
    with_key("owner")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
        files = store_in(place, "s3://media")
        await files.put(b"x", "ab/cd/x.png")
        assert isinstance(files.state.trouble, StorageUnavailable)
        assert await files.read("ab/cd/x.png") == b"x"
    finally:
        await runner.cleanup()


def test_a_folder_made_beforehand_is_made_private(place: Path) -> None:
    media = place / "media"
    media.mkdir(parents=True)
    media.chmod(0o755)
    store_in(place)
    assert oct(media.stat().st_mode & 0o777) == "0o700"
