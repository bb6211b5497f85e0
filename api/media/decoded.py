"""Results of looking into files. No module here loads a decoder."""

from dataclasses import dataclass, field
from typing import Any

from api.media.file_types import PictureKind


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """WebP."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A file, its size as shown, and its thumbnail; without both when it could not be decoded."""

    data: bytes
    kind: PictureKind
    width: int | None
    height: int | None
    thumbnail: Thumbnail | None


@dataclass(frozen=True, slots=True)
class Clip:
    """`width` and `height` as shown; no thumbnail where the frames cannot be decoded, and nothing
    at all where no decoder survives the file."""

    width: int | None
    height: int | None
    duration_ms: int | None
    thumbnail: Thumbnail | None


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Type and size of a smaller copy."""

    content_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """`text` is empty for a PDF, whose own bytes are kept. `chars`: the characters in it; 0 for a
    PDF whose pages are pictures."""

    content_type: str
    pages: int | None
    chars: int
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """MP3s of one voice, one after the other, each as long as asked for except the last."""

    pieces: tuple[bytes, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class SpokenFile:
    """An Ogg file with Opus, and its loudness as base64, a byte a point."""

    data: bytes
    seconds: float
    waveform: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A decoder's answer: facts as JSON has them, the bytes of a written file, and those of a
    thumbnail."""

    facts: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""
    thumbnail: bytes = b""
