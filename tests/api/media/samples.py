"""Real files made here: pictures by Pillow, videos by PyAV."""

import io
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from api.db import Db
from api.media.decoders import Decoders
from api.media.disk_space import DiskSpace
from api.media.fetcher import ImageFetcher
from api.media.files import MediaStore
from api.media.service import MediaService
from tests.api.shared_decoders import decoders

CASES = Path(__file__).parents[2] / "cases"


def case(name: str) -> bytes:
    """Return a file that another program made."""
    return (CASES / name).read_bytes()


def picture(
    kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **save: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **save)
    return out.getvalue()


def store_in(folder: Path, url: str | None = None, installation: str = "one") -> MediaStore:
    """Return a store on a disk below `folder`, or at `url`."""
    return MediaStore(
        url or (folder / "media").as_uri(), folder / "spool", installation=installation
    )


def media_in(
    db: Db, folder: Path, fetcher: ImageFetcher | None = None, own: Decoders | None = None
) -> MediaService:
    """Return a service with the decoders of all tests, or with its `own`."""
    space = DiskSpace([folder], 0)
    return MediaService(
        db, store_in(folder), space, own or decoders(), signing_keys=["k" * 32], fetcher=fetcher
    )


def turned_picture() -> bytes:
    """Return a JPEG of 64x48 with a place in its EXIF, which also says to turn it by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    return picture("JPEG", exif=exif)


def clip(path: Path, size: tuple[int, int] = (128, 72), frames: int = 10) -> bytes:
    """Return an H.264 video of 10 frames a second."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, 10)
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([90]) * plane.buffer_size)
        for number in range(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


async def in_chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
