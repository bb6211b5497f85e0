"""Repair of picture files that browsers show and Pillow refuses."""

import struct
import zlib

from api.media.file_types import JPEG, PNG, WEBP, PictureKind

_SIGNATURE, _END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
_MATTERS = {b"tRNS", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"eXIf"}
"""Optional chunks that change how the picture looks; the others are left out."""


def repaired(data: bytes, kind: PictureKind) -> bytes | None:
    """Return the picture without damaged or too large optional parts, and with its end marker; None
    where there is nothing to repair."""
    if kind is JPEG and not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        return data + b"\xff\xd9"
    if kind is PNG:
        chunks = b"".join(chunk for name, chunk in _chunks(data) if _is_kept(name, chunk))
        made = _SIGNATURE + chunks + _END
        return None if made == data else made
    return None


CHUNKS_MOST = 50_000
"""No program writes so many; a file of millions of empty ones would take all memory."""


def is_cut_short(data: bytes, kind: PictureKind) -> bool:
    """Return whether the end is missing, as far as the format tells."""
    if kind is PNG:
        return b"IEND" not in {name for name, _ in _chunks(data)}
    if kind is WEBP:
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return kind is JPEG and not data.rstrip(b"\0").endswith(b"\xff\xd9")


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and bytes of each whole chunk up to the end marker."""
    found: list[tuple[bytes, bytes]] = []
    start = len(_SIGNATURE)
    while start + 12 <= len(data) and len(found) < CHUNKS_MOST:
        length = int.from_bytes(data[start : start + 4], "big")
        name, end = data[start + 4 : start + 8], start + 12 + length
        if end > len(data):
            break
        found.append((name, data[start:end]))
        if name == b"IEND":
            break
        start = end
    return found


def _is_kept(name: bytes, chunk: bytes) -> bool:
    """Keep all critical chunks, whose name begins with a capital."""
    if name[:1].isupper():
        return name != b"IEND"
    return name in _MATTERS and struct.unpack(">I", chunk[-4:])[0] == zlib.crc32(chunk[4:-4])
