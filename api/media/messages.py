"""Messages between a decoder and the process that asks it: the length, then the bytes."""

from struct import Struct
from typing import BinaryIO

LENGTH = Struct(">Q")


def read(file: BinaryIO) -> bytes:
    """Raises EOFError."""
    return _whole(file, *LENGTH.unpack(_whole(file, LENGTH.size)))


def write(file: BinaryIO, message: bytes) -> None:
    file.write(LENGTH.pack(len(message)))
    file.write(message)


def _whole(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise EOFError
    return found
