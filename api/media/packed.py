"""Pictures and videos inside a backup: packed into its zip, and put back into a store.

Files are streamed in both directions, so that no file is in memory.
"""

import asyncio
import csv
import hashlib
import io
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from api.admin.backup_copy import MANIFEST
from api.media.bucket import CHUNK
from api.media.files import FILE, MediaStore

FOLDER = "media/"


@dataclass(frozen=True, slots=True)
class ListedFile:
    key: str
    sha256: str
    size: int


@dataclass(slots=True)
class Packed:
    """`missing`: files that the store does not have. `damaged`: files whose content is not that of
    then; those are left out of a store, and packed as they are."""

    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def listed(archive: zipfile.ZipFile) -> Iterator[ListedFile]:
    """Return the files that belong to a backup, by key."""
    with archive.open(MANIFEST) as text:
        for row in csv.DictReader(io.TextIOWrapper(text, "utf-8")):
            yield ListedFile(row["key"], row["sha256"], int(row["size"]))


async def compare(archive: zipfile.ZipFile, files: MediaStore) -> Packed:
    """Count the files that belong to a backup, and find those that the store does not have. Raises
    `StorageUnavailable`."""
    found = Packed()
    for folder, group in groupby(listed(archive), lambda file: file.key[:2]):
        there = await files.files(folder)
        for file in group:
            found.files += 1
            found.bytes += file.size
            if file.key not in there and not await files.waits(file.key):
                found.missing.append(file.key)
    return found


async def pack(backup: Path, files: MediaStore, target: Path) -> Packed:
    """Write a backup together with its files. Readers find it whole, or not at all. Raises
    `StorageUnavailable`, OSError."""
    packed, part = Packed(), target.with_name(f".{target.name}")
    try:
        with zipfile.ZipFile(backup) as source, zipfile.ZipFile(part, "w") as archive:
            for item in source.infolist():
                with source.open(item) as old, archive.open(_entry(item), "w") as new:
                    await asyncio.to_thread(shutil.copyfileobj, old, new, CHUNK)
            for file in listed(source):
                await _add(archive, files, file, packed)
        part.chmod(0o600)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return packed


def _entry(item: zipfile.ZipInfo) -> zipfile.ZipInfo:
    copied = zipfile.ZipInfo(item.filename, item.date_time)
    copied.compress_type = item.compress_type
    copied.file_size = item.file_size  # it decides on the form for large files
    return copied


async def _add(
    archive: zipfile.ZipFile, files: MediaStore, file: ListedFile, packed: Packed
) -> None:
    try:
        chunks = await files.stream(file.key, 0, file.size)
    except FileNotFoundError:
        packed.missing.append(file.key)
        return
    digest = hashlib.sha256()
    with archive.open(zipfile.ZipInfo(FOLDER + file.key), "w", force_zip64=True) as entry:
        async for chunk in chunks:
            digest.update(chunk)
            entry.write(chunk)
            packed.bytes += len(chunk)
    packed.files += 1
    if digest.hexdigest() != file.sha256:
        packed.damaged.append(file.key)


async def unpack(backup: Path, files: MediaStore) -> Packed:
    """Put files of a backup into the store, except those that are there. Raises `StorageFull`,
    `StorageUnavailable`."""
    put = Packed()
    with zipfile.ZipFile(backup) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(FOLDER))
        keys = [key for name in names if FILE.fullmatch(key := name.removeprefix(FOLDER))]
        for folder, group in groupby(keys, lambda key: key[:2]):
            there = await files.files(folder)
            for key in group:
                if key not in there:
                    await _put(archive, files, key, put)
    return put


async def _put(archive: zipfile.ZipFile, files: MediaStore, key: str, put: Packed) -> None:
    size = archive.getinfo(FOLDER + key).file_size
    async with files.receive(_chunks(archive, key), size) as received:
        if (
            received.sha256 != key.rsplit("/", maxsplit=1)[-1][:64]
        ):  # a key holds the sum of its content
            put.damaged.append(key)
            return
        await files.put(received.path, key)
    put.files += 1
    put.bytes += size


async def _chunks(archive: zipfile.ZipFile, key: str) -> AsyncIterator[bytes]:
    with archive.open(FOLDER + key) as entry:
        while chunk := await asyncio.to_thread(entry.read, CHUNK):
            yield chunk
