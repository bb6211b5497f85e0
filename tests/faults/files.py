"""Damaged and forged pictures and videos, given to the decoders as the api gives them.

Real files are cut, spliced, overwritten and told to be huge. Whatever a file is, its answer is a
result within the limits or a refusal with a reason; the process that asks neither ends nor grows.
"""

import argparse
import asyncio
import hashlib
import io
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event

from PIL import Image

from api.errors import DomainError, TooLarge, UnsupportedMedia
from api.media import file_types
from api.media.decoded import Clip, Picture, Shrunk
from api.media.decoders import DecoderLimits, Decoders
from api.media.pictures import INPUT_EDGE_MAX, THUMBNAIL_EDGE
from tests.api.media.samples import CASES, clip, picture

CASES_BY_HAND = 5_000
LIMITS = DecoderLimits(look=20.0, large=60.0, convert=60.0)
GROWTH_MAX = 60_000_000
"""Bytes that this process may grow by: answers of some megabytes pass through it."""
SHRINK_TO = 20_000
NOT_HEADS = {".json", ".md", ".py", ".sse"}
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def corpus(folder: Path) -> list[bytes]:
    """Return files of other programs, and some of each kind made here."""
    cases = [path for path in sorted(CASES.rglob("*")) if path.is_file()]
    found = [path.read_bytes() for path in cases if path.suffix not in NOT_HEADS]
    exif = Image.Exif()
    exif[0x0112] = 6
    found += [picture("PNG", mode=mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    found += [picture("JPEG", mode=mode, exif=exif) for mode in ("L", "RGB", "CMYK")]
    found += [
        picture("JPEG", progressive=True),
        picture("WEBP"),
        picture("WEBP", lossless=True),
        picture("GIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")] * 3),
        picture("TIFF", compression="tiff_lzw"),
        picture("BMP"),
        picture("AVIF"),
        clip(folder / "clip.mp4"),
    ]
    # large ones would take the time of many small ones
    return [each for each in found if len(each) < 300_000]


def cut(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data))]


def flipped(data: bytes, chance: Random, within: int = 1 << 30) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        made[chance.randrange(min(within, len(made)))] = chance.randrange(256)
    return bytes(made)


def flipped_head(data: bytes, chance: Random) -> bytes:
    return flipped(data, chance, 128)


def extreme(data: bytes, chance: Random) -> bytes:
    """Overwrite a number in the head, of two or four bytes in either order."""
    made, value = bytearray(data), chance.choice(EXTREMES)
    form = chance.choice((">I", "<I", ">H", "<H"))
    number = struct.pack(form, value & (0xFFFFFFFF if form[1] == "I" else 0xFFFF))
    at = chance.randrange(max(1, min(len(made), 400) - len(number)))
    made[at : at + len(number)] = number
    return bytes(made)


def dropped(data: bytes, chance: Random) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.randrange(1, 2000) :]


def doubled(data: bytes, chance: Random) -> bytes:
    start = chance.randrange(len(data))
    part = data[start : start + chance.randrange(1, 2000)]
    return data[:start] + part * chance.choice((2, 3, 50)) + data[start:]


def zeros(data: bytes, chance: Random) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + bytes(chance.randrange(1, 500)) + data[start:]


def huge(data: bytes, chance: Random) -> bytes:
    """Tell the measures of a huge picture, with a check sum that fits, in the formats where the
    place is known."""
    width, height = (chance.choice((1, 4096, 20_000, 60_000)) for _ in range(2))
    kind = file_types.picture_kind(data[: file_types.HEAD])
    made = bytearray(data)
    if kind is file_types.PNG:
        made[16:24] = struct.pack(">II", width, height)
        made[29:33] = struct.pack(">I", zlib.crc32(bytes(made[12:29])))
    elif kind is file_types.GIF:
        made[6:10] = struct.pack("<HH", width, height)
    elif kind is file_types.BMP:
        made[18:26] = struct.pack("<ii", width, height)
    elif kind is file_types.JPEG:
        at = next((data.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data), 0)
        made[at + 5 : at + 9] = struct.pack(">HH", height, width)
    else:
        return extreme(data, chance)
    return bytes(made)


DAMAGES = (cut, flipped, flipped_head, extreme, dropped, doubled, zeros, huge)


def forged(files: Sequence[bytes], chance: Random) -> bytes:
    """Return one of the files with one to three damages, or the halves of two."""
    data = chance.choice(files)
    if chance.random() < 0.15:
        other = chance.choice(files)
        data = data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice(DAMAGES)(data, chance) if data else b"\0"
    return data


@dataclass
class Findings:
    """Ends by their reason, decoders that ended, and what should not be, with the file, which is
    kept in `folder`."""

    folder: Path
    ends: Counter[str] = field(default_factory=Counter)
    decoders: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, bytes] = field(default_factory=dict)
    growth: int = 0

    def note(self, said: str, data: bytes) -> None:
        """Print it at once: a run takes long, and may be stopped."""
        if said not in self.wrong:
            self.wrong[said] = data
            print(f"{said}: {self.kept(data)}", flush=True)

    def kept(self, data: bytes) -> str:
        path = self.folder / hashlib.sha256(data).hexdigest()[:12]
        path.write_bytes(data)
        return str(path)


Look = Callable[[Decoders, bytes, Path], Awaitable[Picture | Clip | Shrunk | None]]


async def made_picture(decoders: Decoders, data: bytes, folder: Path) -> Picture:
    return await decoders.made_picture(data)


async def clean_picture(decoders: Decoders, data: bytes, folder: Path) -> Picture:
    return await decoders.clean_picture(data)


async def shrink_picture(decoders: Decoders, data: bytes, folder: Path) -> Shrunk:
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    return await decoders.shrink_picture(source, target, SHRINK_TO)


async def read_clip(decoders: Decoders, data: bytes, folder: Path) -> Clip:
    source = folder / "clip"
    source.write_bytes(data)
    return await decoders.read_clip(source)


async def to_mp4(decoders: Decoders, data: bytes, folder: Path) -> None:
    container = file_types.video_format(data[: file_types.HEAD])
    if container in {None, "mp4"}:
        return
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    await decoders.to_mp4(source, container or "", target, Event())


async def shrink_video(decoders: Decoders, data: bytes, folder: Path) -> Shrunk:
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    return await decoders.shrink_video(source, target, SHRINK_TO, Event())


PICTURES: tuple[Look, ...] = (made_picture, clean_picture, clean_picture, shrink_picture)
VIDEOS: tuple[Look, ...] = (read_clip, read_clip, to_mp4, shrink_video)


def beyond(found: Picture | Clip | Shrunk | None, look: Look) -> str | None:
    """Return what is wrong with a result."""
    if found is None:
        return None
    small = found.thumbnail if isinstance(found, Picture | Clip) else None
    if small is not None and max(small.width, small.height) > THUMBNAIL_EDGE:
        return f"a thumbnail of {small.width} x {small.height}"
    edges = [edge for edge in (found.width, found.height) if edge is not None]
    if any(edge < 1 for edge in edges):
        return f"a size of {edges}"
    if look is clean_picture and isinstance(found, Picture):
        if max(edges) > INPUT_EDGE_MAX or not found.kind.plain:
            return f"an upload of {edges}, {found.kind.name}"
        Image.open(io.BytesIO(found.data)).load()
    return None


async def fuzz(cases: int, seed: int, keep: Path) -> Findings:
    findings, chance = Findings(keep), Random(seed)
    decoders = Decoders(lambda how: findings.decoders.update([how]), LIMITS)
    try:
        with tempfile.TemporaryDirectory(prefix="files-") as name:
            folder = Path(name)
            files = corpus(folder)
            for data in files:
                await _look(decoders, made_picture, data, folder, findings)
            before = _resident()
            for _ in range(cases):
                data = forged(files, chance)
                is_picture = file_types.picture_kind(data[: file_types.HEAD]) is not None
                looks = PICTURES if is_picture != (chance.random() < 0.05) else VIDEOS
                await _look(decoders, chance.choice(looks), data, folder, findings)
            findings.growth = _resident() - before
    finally:
        await asyncio.to_thread(decoders.close)
    return findings


async def _look(
    decoders: Decoders, look: Look, data: bytes, folder: Path, findings: Findings
) -> None:
    name, ended = look.__name__, findings.decoders.total()
    try:
        found = await look(decoders, data, folder)
    except (UnsupportedMedia, TooLarge) as error:
        findings.ends[error.reason] += 1
    except DomainError as error:
        findings.note(f"{name}: {error.code} {error.reason}", data)
    except Exception as error:  # noqa: BLE001 - what it may be is the question
        findings.note(f"{name}: {type(error).__name__}: {error}", data)
    else:
        findings.ends["taken"] += 1
        if (said := beyond(found, look)) is not None:
            findings.note(f"{name}: {said}", data)
    if findings.decoders.total() > ended:
        print(f"{name}, a decoder ended: {findings.kept(data)}", flush=True)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main(args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("./run faults files", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES_BY_HAND)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, help="folder for files that were too much")
    given = parser.parse_args(args)
    keep = given.keep or Path(tempfile.mkdtemp(prefix="files-kept-"))
    keep.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    found = asyncio.run(fuzz(given.cases, given.seed, keep))
    grew = found.growth > GROWTH_MAX
    print(
        f"{found.ends.total()} files in {time.monotonic() - began:.0f} s with --seed {given.seed}: "
        f"{dict(found.ends.most_common())}; decoders: {dict(found.decoders) or 'none ended'}; "
        f"this process grew by {found.growth / 1e6:.0f} MB; {len(found.wrong)} findings."
    )
    return 1 if found.wrong or grew else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
