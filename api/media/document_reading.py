"""Documents of people, read in a decoder: a PDF's pages are counted, everything else becomes text.

The bytes decide what a file is. Its name and its declared type are often wrong.
"""

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from api.errors import TooLarge, UnsupportedMedia
from api.media.decoded import ReadDocument
from api.media.file_types import HEAD, PDF, TEXT, picture_kind, video_format
from api.unicode import storable

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph

PAGES_MAX = 300
CHARS_MAX = 400_000
"""Characters of a text: about 130,000 tokens, more than most models read."""
_UNPACKED_MAX = 150_000_000
_PARTS_MAX = 5_000
_GUESSED_FROM = 200_000
"""Bytes by which the encoding of a text is guessed."""
_DEPTH_MAX = 5
_PDF_STARTS_WITHIN = 1024
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
"""The first bytes of Office files before 2007, and of newer ones with a password."""
_LOCKED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings; a longer mark comes before one that it begins with."""
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_SHARE = 0.002
"""The share of control characters above which something is no text."""
_PASSWORD_ERROR = 4
_OTHER_PACKAGES = {"xl/": "XLSX", "ppt/": "PPTX", "mimetype": "OpenDocument"}
_DOCX_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors of zipfile, lxml and python-docx about a damaged file: none of the three has one of its
own for all."""


def read_document(data: bytes) -> ReadDocument:
    """Raises `UnsupportedMedia`, `TooLarge`."""
    if b"%PDF-" in data[:_PDF_STARTS_WITHIN]:
        return _pdf(data)
    if picture_kind(data[:HEAD]) is not None:
        raise UnsupportedMedia("document_is_picture")
    if data.startswith(b"PK\x03\x04"):
        return _of_text(_package(data))
    if data.startswith(_OLE):
        if _LOCKED_PACKAGE in data:
            raise UnsupportedMedia("document_locked")
        raise UnsupportedMedia("document_kind", format="Office 97–2003")
    if video_format(data[:HEAD]) is not None:
        raise UnsupportedMedia("document_not_text")
    return _of_text(_decoded(data))


def _of_text(text: str) -> ReadDocument:
    text = storable(text.replace("\x00", "")).strip("\n")
    if not text.strip():
        raise UnsupportedMedia("document_empty")
    if len(text) > CHARS_MAX:
        raise TooLarge("document_too_long", most=CHARS_MAX)
    return ReadDocument(TEXT, None, len(text), text)


def _pdf(data: bytes) -> ReadDocument:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as pdf:
            pages = len(pdf)
            if pages > PAGES_MAX:
                raise TooLarge("document_pages", most=PAGES_MAX, pages=pages)
            chars = sum(_characters(page) for page in pdf)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise UnsupportedMedia("document_locked") from error
        raise UnsupportedMedia("document_damaged", format="PDF") from error
    if not pages:
        raise UnsupportedMedia("document_empty")
    return ReadDocument(PDF, pages, chars, "")


def _characters(page: Any) -> int:
    """Count the characters of a page; a page that cannot be read counts as a picture."""
    import pypdfium2

    try:
        words = page.get_textpage()
        count = len(words.get_text_range().split())
        total = words.count_chars()
        words.close()
        page.close()
    except pypdfium2.PdfiumError:
        return 0
    return int(total) if count else 0


def _package(data: bytes) -> str:
    """Return the text of a DOCX, whose size unpacked is looked at before."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnsupportedMedia("document_damaged", format="DOCX") from error
    names = [part.filename for part in parts]
    if "word/document.xml" not in names:
        others = (
            kind
            for start, kind in _OTHER_PACKAGES.items()
            for name in names[:50]
            if name.startswith(start)
        )
        raise UnsupportedMedia("document_kind", format=next(others, "ZIP"))
    if any(part.flag_bits & 1 for part in parts):
        raise UnsupportedMedia("document_locked")
    if len(parts) > _PARTS_MAX or sum(part.file_size for part in parts) > _UNPACKED_MAX:
        raise TooLarge("document_unpacks", megabytes=_UNPACKED_MAX // 1_000_000)
    return _docx(data)


def _docx(data: bytes) -> str:
    import docx

    try:
        document = docx.Document(io.BytesIO(data))
        return "\n".join(_lines(document.iter_inner_content()))
    except _DOCX_ERRORS as error:
        raise UnsupportedMedia("document_damaged", format="DOCX") from error


def _lines(content: Iterable[Any], depth: int = 0) -> Iterator[str]:
    """Yield paragraphs with the marks of headings and lists, and tables row by row."""
    from docx.text.paragraph import Paragraph

    length = 0
    for each in content:
        if isinstance(each, Paragraph):
            lines = [_mark(each) + each.text]
        elif depth < _DEPTH_MAX:
            lines = [
                " | ".join(
                    " ".join(_lines(cell.iter_inner_content(), depth + 1)).strip()
                    for cell in row.cells
                )
                for row in each.rows
            ]
        else:
            lines = []
        length += sum(map(len, lines))
        if length > CHARS_MAX:
            raise TooLarge("document_too_long", most=CHARS_MAX)
        yield from lines


def _mark(paragraph: "Paragraph") -> str:
    style = paragraph.style.name if paragraph.style is not None else None
    if style is None:
        return ""
    if (level := re.fullmatch(r"Heading (\d)", style)) is not None:
        return "#" * int(level[1]) + " "
    return "- " if style.startswith("List") else ""


def _decoded(data: bytes) -> str:
    """Return the text in its own encoding. Raises `UnsupportedMedia` for what is no text."""
    if not data.strip():
        raise UnsupportedMedia("document_empty")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _plain(data.decode(encoding, "replace"))
    if b"\x00" in data[:_GUESSED_FROM]:
        raise UnsupportedMedia("document_not_text")
    try:
        return _plain(data.decode())
    except UnicodeDecodeError:
        return _plain(_guessed(data))


def _guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_GUESSED_FROM]).best()
    if best is None:
        raise UnsupportedMedia("document_not_text")
    return data.decode(best.encoding, "replace")


def _plain(text: str) -> str:
    if len(_CONTROL.findall(text)) > len(text) * _CONTROL_SHARE:
        raise UnsupportedMedia("document_not_text")
    return text
