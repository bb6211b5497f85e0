"""Files appear whole or not at all, under the name of their content and owner."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.errors import StorageFull, TooLarge
from api.media import storage
from api.media.kinds import HEAD
from api.media.storage import MediaStore, key_of
from tests.media.fake_s3 import FakeS3, running_s3
from tests.media.samples import in_chunks


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my media"


@pytest.fixture
def files(folder: Path) -> MediaStore:
    return MediaStore(folder.as_uri())


def test_names_hold_content_and_owner() -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    assert key_of(sha256, "a", "png").startswith(f"{sha256[:2]}/{sha256[2:4]}/{sha256}-")
    assert key_of(sha256, "a", "png") == key_of(sha256, "a", "png") != key_of(sha256, "b", "png")


async def test_a_stream_is_kept(files: MediaStore, folder: Path) -> None:
    data = bytes(range(256)) * 40
    async with files.receive(in_chunks(data), 100_000) as received:
        assert (received.size, received.sha256, received.head) == (len(data), hashlib.sha256(data).hexdigest(), data[:HEAD])
        await files.keep(received.path, "ab/cd/file.mp4")
    assert files_in(folder) == ["ab/cd/file.mp4"]
    assert await files.read("ab/cd/file.mp4") == data
    assert [bytes(chunk) async for chunk in await files.stream("ab/cd/file.mp4", 5, 9)] == [data[5:9]]


async def test_a_stream_that_is_too_long_or_breaks_leaves_nothing(files: MediaStore, folder: Path) -> None:
    with pytest.raises(TooLarge):
        async with files.receive(in_chunks(b"x" * 5000), 4999):
            pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        async with files.receive(broken(), 100):
            pass
    assert files_in(folder) == []


async def test_a_stream_that_is_cancelled_leaves_nothing(files: MediaStore, folder: Path) -> None:
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
    assert files_in(folder) == []


async def test_deleting_twice_is_fine(files: MediaStore, folder: Path) -> None:
    await files.put(b"x", "ab/cd/x.png")
    await files.put(b"x", "ab/cd/x.png")
    await files.delete(["ab/cd/x.png", "no/no/no.png"])
    await files.delete(["ab/cd/x.png"])
    assert files_in(folder) == []
    with pytest.raises(FileNotFoundError):
        await files.read("ab/cd/x.png")
    with pytest.raises(FileNotFoundError):
        await files.stream("ab/cd/x.png", 0, 1)


async def test_a_full_disk_is_said_so(files: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_sync", full)
    with pytest.raises(StorageFull):
        await files.put(b"x", "ab/cd/x.png")
    with pytest.raises(StorageFull):
        async with files.receive(in_chunks(b"x"), 10):
            pass


async def test_the_check_needs_a_place_to_write(tmp_path: Path) -> None:
    files = MediaStore((tmp_path / "media").as_uri())
    await files.check()
    (tmp_path / "media" / ".receiving").rmdir()
    (tmp_path / "media" / ".receiving").write_text("in the way")
    with pytest.raises(OSError, match="receiving"):
        await files.check()


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeS3]:
    async with running_s3() as running:
        settings = {"ENDPOINT_URL": running.url, "ALLOW_HTTP": "true", "REGION": "here", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield running


async def test_a_bucket_keeps_files_too(bucket: FakeS3) -> None:
    files = MediaStore("s3://media/of this server")
    await files.check()
    data = bytes(range(256)) * 30_000
    async with files.receive(in_chunks(data, 100_000), 10_000_000) as received:
        await files.keep(received.path, "ab/cd/video.mp4")
        assert received.path.exists()
    assert not received.path.exists()
    await files.put(b"small", "ab/cd/image.png")
    assert sorted(bucket.objects) == ["/media/of this server/ab/cd/image.png", "/media/of this server/ab/cd/video.mp4"]
    assert await files.read("ab/cd/video.mp4") == data
    assert b"".join([bytes(chunk) async for chunk in await files.stream("ab/cd/video.mp4", 1000, 400_000)]) == data[1000:400_000]
    await files.delete(["ab/cd/video.mp4", "ab/cd/image.png", "nothing"])
    assert bucket.objects == {}
    with pytest.raises(FileNotFoundError):
        await files.read("ab/cd/video.mp4")


async def test_a_bucket_that_is_away_is_an_os_error(bucket: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = MediaStore("s3://media")
    with pytest.raises(OSError, match="S3"):
        await files.check()
    with pytest.raises(OSError, match="S3"):
        await files.put(b"x", "ab/cd/x.png")
