"""Types of files by their first bytes, because names and declared types are often wrong."""

from dataclasses import dataclass

HEAD = 64
"""Number of first bytes that tell the type."""


@dataclass(frozen=True, slots=True)
class PictureKind:
    """A format, by Pillow's `name`. `plain`: every chat shows it and every provider takes it;
    `browsers`: every browser shows it."""

    name: str
    content_type: str
    extension: str
    plain: bool = False
    browsers: bool = False


PNG = PictureKind("PNG", "image/png", "png", plain=True, browsers=True)
JPEG = PictureKind("JPEG", "image/jpeg", "jpg", plain=True, browsers=True)
WEBP = PictureKind("WEBP", "image/webp", "webp", plain=True, browsers=True)
GIF = PictureKind("GIF", "image/gif", "gif", plain=True, browsers=True)
BMP = PictureKind("BMP", "image/bmp", "bmp", browsers=True)
AVIF = PictureKind("AVIF", "image/avif", "avif", browsers=True)
HEIF = PictureKind("HEIF", "image/heic", "heic")
TIFF = PictureKind("TIFF", "image/tiff", "tiff")
PICTURES = (PNG, JPEG, WEBP, GIF, BMP, AVIF, HEIF, TIFF)
"""A fixed list: Pillow knows many more, each a way in for a crafted file."""
EXTENSIONS = {kind.content_type: kind.extension for kind in PICTURES if kind.browsers} | {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}
"""Extensions of stored files that browsers show."""
PDF, TEXT = "application/pdf", "text/plain"
DOCUMENT_EXTENSIONS = {PDF: "pdf", TEXT: "txt"}
"""Extensions of stored files that browsers only save, since they come from people."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
}  # fmt: skip
FIRST_BOXES = {b"ftyp", b"styp", b"free", b"skip", b"wide", b"moov", b"mdat", b"pnot", b"uuid"}


def picture_kind(head: bytes) -> PictureKind | None:
    """Return None for a file that is no accepted picture."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        brands = {
            head[start : start + 4]
            for start in (8, *range(16, min(HEAD, int.from_bytes(head[:4], "big")), 4))
        }
        # files of both kinds have `mif1`, so the brand of a codec decides
        return AVIF if brands & _AVIF_BRANDS else HEIF if head[8:12] in _HEIF_BRANDS else None
    return next((kind for start, kind in _STARTS if head.startswith(start)), None)


def video_format(head: bytes) -> str | None:
    """Return FFmpeg's name of the container. FFmpeg never guesses it, because some formats that it
    knows are lists of other files' addresses."""
    if picture_kind(head) in {HEIF, AVIF}:
        return None
    if head[4:8] in FIRST_BOXES:
        return "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return "gif" if picture_kind(head) is GIF else None


def video_type(head: bytes) -> str:
    """Return the content type of a video that `video_format` knows."""
    if video_format(head) == "matroska":
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return GIF.content_type if picture_kind(head) is GIF else "video/mp4"
