"""Files copied between a disk and a real S3 server, both ways: whole, checked, and repeatable
whatever happened before."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from api.media.bucket import PART, Bucket, new_file
from api.media.files import INSTALLATIONS, TRASH, key_of
from api.media.moving import MediaMove, MoveRefused, MoveStopped, Progress
from tests.api.media.conftest import Choose
from tests.api.media.s3 import S3
from tests.api.media.samples import picture

FILES = 40


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "media"


def move(source: str, target: str, folder: Path, installation: str = "ours") -> MediaMove:
    return MediaMove(source, target, installation, folder / "receiving", lambda _progress: None)


def contents() -> list[bytes]:
    """Return pictures, and files around the size from which S3 gets parts."""
    small = [picture(size=(8 + number, 8)) for number in range(FILES - 3)]
    return [*small, b"p" * PART, b"q" * (PART + 1), bytes(range(256)) * 41_000]


def key(data: bytes) -> str:
    return key_of(hashlib.sha256(data).hexdigest(), "owner", "png")


async def filled(folder: Path, files: Sequence[bytes]) -> str:
    bucket = Bucket(folder.as_uri())
    for data in files:
        await bucket.put(data, key(data))
    await bucket.put(b"ours", f"{INSTALLATIONS}/ours")
    return folder.as_uri()


async def made(bucket: str) -> str:
    """Make a bucket, as an operator does beforehand, and return a place in it."""
    await Bucket(f"s3://{bucket}").put(b"x", "made by the operator")
    return f"s3://{bucket}/studio"


async def kept(url: str) -> dict[str, bytes]:
    bucket = Bucket(url)
    return {
        each.key: await bucket.read(each.key)
        async for batch in bucket.entries()
        for each in batch
        if not each.key.startswith(INSTALLATIONS)
    }


async def test_both_ways(with_key: Choose, disk: Path, tmp_path: Path) -> None:
    with_key("owner")
    files = contents()
    here, there, back = await filled(disk, files), await made("moved"), (tmp_path / "back").as_uri()
    thrown, other = f"{TRASH}/{key(b'thrown')}", "notes of the operator.txt"
    for name, data in ((thrown, b"thrown"), (other, b"not ours")):
        await Bucket(here).put(data, name)
    wanted = {key(data): data for data in files} | {thrown: b"thrown"}
    size = sum(map(len, wanted.values()))
    for source, target in ((here, there), (there, back), (there, "s3://moved/second")):
        done = await move(source, target, tmp_path).copy()
        assert done == Progress(copied=len(wanted), copied_bytes=size)
        assert await kept(target) == wanted
        for again in (move(source, target, tmp_path).copy, move(source, target, tmp_path).compare):
            assert await again() == Progress(there=len(wanted), there_bytes=size)
    assert (await kept(here))[other] == b"not ours", "the source is as it was"
    assert list((tmp_path / "back" / ".receiving").iterdir()) == []
    assert list((tmp_path / "receiving").iterdir()) == []


async def test_a_damaged_file_in_the_target_is_found_and_copied_again(
    with_key: Choose, disk: Path, tmp_path: Path
) -> None:
    with_key("owner")
    files = contents()[:5]
    here, there = await filled(disk, files), await made("damaged")
    await move(here, there, tmp_path).copy()
    cut, changed, gone = (key(data) for data in files[:3])
    await Bucket(there).put(b"cut", cut)
    await Bucket(there).put(b"x" * len(files[1]), changed)
    await Bucket(there).delete(gone)
    found = await move(here, there, tmp_path).compare()
    assert (found.there, found.bad) == (2, 3)
    assert set(found.named) == {f"damaged: {cut}", f"damaged: {changed}", f"missing: {gone}"}
    mended = await move(here, there, tmp_path).copy()
    assert (mended.copied, mended.there, mended.bad) == (3, 2, 0)
    assert await kept(there) == await kept(here)


async def test_a_damaged_file_in_the_source_is_left_out_and_named(
    with_key: Choose, disk: Path, tmp_path: Path
) -> None:
    with_key("owner")
    files = contents()[:3]
    here, there = await filled(disk, files), await made("left-out")
    (disk / key(files[0])).write_bytes(b"rotten")
    done = await move(here, there, tmp_path).copy()
    assert (done.copied, done.named) == (2, [f"damaged: {key(files[0])}"])
    assert key(files[0]) not in await kept(there)


async def test_a_server_that_dies_under_way_and_comes_back(
    s3: S3, with_key: Choose, disk: Path, tmp_path: Path
) -> None:
    with_key("owner")
    files = contents()
    here, there = await filled(disk, files), await made("killed")
    killed = asyncio.Event()

    def kill(progress: Progress) -> None:
        if progress.copied >= 5 and not killed.is_set():
            killed.set()
            s3.end()

    try:
        work = MediaMove(here, there, "ours", tmp_path / "receiving", kill)
        with pytest.raises(MoveStopped, match="cannot be used"):
            await work.copy()
    finally:
        await asyncio.to_thread(s3.start)
    assert 5 <= work.progress.copied < len(files)
    done = await move(here, there, tmp_path).copy()
    assert (done.there >= 5, done.files) == (True, len(files))
    assert await kept(there) == await kept(here)


async def test_files_that_are_made_or_deleted_meanwhile(
    with_key: Choose, disk: Path, tmp_path: Path
) -> None:
    with_key("owner")
    first, second, third = contents()[:3]
    here, there = await filled(disk, [first, second]), await made("meanwhile")

    def delete(_progress: Progress) -> None:
        for data in (first, second):
            (disk / key(data)).unlink(missing_ok=True)

    await MediaMove(here, there, "ours", tmp_path / "receiving", delete).copy()
    await Bucket(here).put(third, key(third))
    done = await move(here, there, tmp_path).copy()
    assert (done.copied, done.bad) == (1, 0)


async def test_files_that_cannot_be_read_are_named_and_the_rest_is_copied(
    with_key: Choose, disk: Path, tmp_path: Path
) -> None:
    with_key("owner")
    first, second = contents()[:2]
    here, there = await filled(disk, [first, second]), await made("unreadable")
    (disk / key(first)).unlink()
    # opens for everybody, and cannot be read by anybody
    (disk / key(first)).symlink_to("/proc/self/mem")
    for target in (there, (tmp_path / "other disk").as_uri()):
        done = await move(here, target, tmp_path).copy()
        assert (done.copied, done.named) == (1, [f"unreadable (Input/output error): {key(first)}"])


async def test_a_target_in_use_gets_only_what_the_database_names(
    disk: Path, tmp_path: Path
) -> None:
    named, deleted, thrown = contents()[:3]
    here, there = await filled(disk, [named, deleted]), (tmp_path / "other disk").as_uri()
    await Bucket(here).put(thrown, f"{TRASH}/{key(thrown)}")

    async def rows(folder: str) -> set[str]:
        return {key(named)} if key(named).startswith(folder) else set()

    work = move(here, there, tmp_path)
    work.take_only(rows)
    assert (await work.copy()).copied == 1
    assert await kept(there) == {key(named): named}
    work = move(here, there, tmp_path)
    work.take_only(rows)
    assert await work.compare() == Progress(there=1, there_bytes=len(named))


@pytest.mark.parametrize(
    ("who", "target", "said"),
    [
        ("user", "s3://nobodys/studio", "the bucket does not exist. Make it first."),
        ("wrong", "s3://refusals/x", "AWS_ACCESS_KEY_ID is not known there."),
        ("reader", "s3://refusals/x", "this key may not do that. It needs to list, read, write"),
        ("owner", "s3://refusals/theirs", "belongs to another installation"),
        ("owner", "s3://refusals", "is not empty and was never used by this installation"),
        ("owner", "{here}/", "are the same place."),
        ("owner", "{here}/inside", "lies inside the other."),
        ("owner", "https://example.org/x", "--to must be file:///absolute/folder or s3://"),
        ("owner", "s3://", "--to must be file:///absolute/folder or s3://"),
    ],
)
async def test_nonsense_is_refused_in_one_sentence(
    with_key: Choose, disk: Path, tmp_path: Path, who: str, target: str, said: str
) -> None:
    with_key("owner")
    here = await filled(disk, [b"x"])
    await Bucket("s3://refusals/theirs").put(b"theirs", f"{INSTALLATIONS}/theirs")
    with_key(who)
    with pytest.raises(MoveRefused) as caught:
        await move(here, target.format(here=here), tmp_path).copy()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [each for each in disk.iterdir() if each.name == "inside"] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "AWS_SECRET_ACCESS_KEY does not fit"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
        ({"AWS_ALLOW_HTTP": "false"}, "begins with http://, which needs AWS_ALLOW_HTTP=true."),
    ],
)
async def test_settings_that_do_not_work_are_named(
    with_key: Choose,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    said: str,
) -> None:
    with_key("owner")
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MoveRefused, match=said):
        await move(await filled(disk, [b"x"]), "s3://refusals/studio", tmp_path).copy()


async def test_a_source_with_files_of_others_is_refused(disk: Path, tmp_path: Path) -> None:
    here = await filled(disk, [b"x"])
    await Bucket(here).put(b"theirs", f"{INSTALLATIONS}/theirs")
    with pytest.raises(MoveRefused, match=r"delete its mark \.installations/theirs there"):
        await move(here, (tmp_path / "other").as_uri(), tmp_path).copy()
    with pytest.raises(MoveRefused, match="is no folder here"):
        await move((tmp_path / "nothing").as_uri(), here, tmp_path).copy()


async def test_a_full_disk_stops_it(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await filled(disk, contents()[:5])
    work, files = move(here, (tmp_path / "other").as_uri(), tmp_path), 0

    def until_full(folder: Path) -> Path:
        nonlocal files
        files += 1
        if files > 3:
            raise OSError(28, "No space left on device")
        return new_file(folder)

    monkeypatch.setattr("api.media.moving.new_file", until_full)
    with pytest.raises(MoveStopped, match="storage is full"):
        await work.copy()
    monkeypatch.undo()
    assert (await move(here, (tmp_path / "other").as_uri(), tmp_path).copy()).files == 5
