"""Pictures and videos of a backup: listed, compared with the store, packed and put back."""

import asyncio
import zipfile
from pathlib import Path

import pytest

from api.media.files import MediaStore
from api.media.packed import pack, unpack
from cli.backup import make_backup
from cli.backup_contents import print_contents
from cli.errors import CommandRefused
from cli.restore import restore
from tests.api.harness import running_api
from tests.conftest import run
from tests.sandbox_server import Sandbox


@pytest.fixture
async def shell(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder of a studio with two pictures, while no api runs."""
    async with running_api(tmp_path, sandbox) as api:
        ana = await api.user()
        for prompt in ("a fox", "an owl"):
            assert (await ana.post("/generate/image", json={"prompt": prompt})).is_success
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("API_PORT", "1")
    return tmp_path / "data"


def stored(data: Path) -> list[Path]:
    return sorted((data / "media").glob("[0-9a-f][0-9a-f]/*/*.*"))


async def test_a_backup_with_media_is_looked_into_and_restored_into_an_empty_folder(
    shell: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(make_backup, media=True)
    (made,) = (shell / "backups").glob("*-with-media.zip")
    small = made.with_name(made.name.replace("-with-media", ""))
    before = {path.relative_to(shell): path.read_bytes() for path in stored(shell)}
    assert len(before) >= 2
    stored(shell)[0].unlink()
    capsys.readouterr()
    await asyncio.to_thread(print_contents, small)
    said = capsys.readouterr().out
    assert "It fits this version." in said
    assert f"It names {len(before)} pictures and videos" in said
    assert "The media store lacks 1 of them." in said
    assert str(next(iter(before)).relative_to("media")) in said

    empty = shell.parent / "elsewhere"
    monkeypatch.setenv("DATA_DIR", str(empty))
    await asyncio.to_thread(print_contents, made)
    assert f"{len(before)} are in the backup itself" in capsys.readouterr().out
    assert not empty.exists(), "dry"
    answer = await asyncio.to_thread(restore, made)
    assert f"{len(before)} pictures and videos were put" in answer
    assert {path.relative_to(empty): path.read_bytes() for path in stored(empty)} == before
    assert "0 pictures and videos were put" in await asyncio.to_thread(restore, made)


async def test_missing_and_changed_files_are_named(
    shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, changed = stored(shell)[:2]
    gone.unlink()
    changed.write_bytes(b"\0" * changed.stat().st_size)
    await asyncio.to_thread(make_backup, media=True)
    said = capsys.readouterr().out
    assert f"lacks 1 files that the database names:\n  {gone.relative_to(shell / 'media')}" in said
    assert "1 files are not what they were" in said
    (made,) = (shell / "backups").glob("*-with-media.zip")
    changed.unlink()
    assert "1 are damaged and were left out" in await asyncio.to_thread(restore, made)
    assert not changed.exists()


async def test_a_backup_that_cannot_be_restored_is_said_so_beforehand(shell: Path) -> None:
    with pytest.raises(CommandRefused, match="is not a backup"):
        await asyncio.to_thread(print_contents, shell / "secrets.json")
    with pytest.raises(CommandRefused, match="cannot be read"):
        await asyncio.to_thread(print_contents, shell / "gone.zip")


def test_names_outside_of_the_store_are_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("media.csv", "key,sha256,size\n")
        archive.writestr("media/../../escaped.png", b"x")
        archive.writestr(f"media/ab/cd/{'0' * 64}-00000000.png", b"not its sum")
    files = MediaStore((tmp_path / "store").as_uri(), tmp_path / "spool", installation="x")
    put = run(unpack(tmp_path / "bad.zip", files))
    assert (put.files, len(put.damaged)) == (0, 1)
    assert not list(tmp_path.rglob("escaped.png"))
    run(pack(tmp_path / "bad.zip", files, tmp_path / "again.zip"))
    assert zipfile.ZipFile(tmp_path / "again.zip").testzip() is None
