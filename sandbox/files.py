"""Files in a chat request: PDFs, read as the `file-parser` plugin reads them, and annotations of
earlier readings."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sandbox.answers import tokens
from sandbox.faults import ErrorAnswer, invalid
from sandbox.models import ChatModel

OCR_PAGE_USD = Decimal("0.002")
_NATIVE_PAGE_TOKENS = 258
_SHOWN = 80
_PDF_URL = "data:application/pdf;base64,"
_WRITTEN_FILE = re.compile(r'<file name="([^"\n]*)">\n(.*?)\n</file>', re.DOTALL)

Engine = Literal["native", "cloudflare-ai", "mistral-ocr"]


class FileContent(BaseModel):
    """All three are optional in the provider's own schema."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class PdfOptions(BaseModel):
    engine: Literal["native", "cloudflare-ai", "mistral-ocr", "pdf-text"] | None = None


class Plugin(BaseModel):
    """A plugin; others than the reader of files are taken and do nothing."""

    model_config = ConfigDict(extra="allow")

    id: str
    enabled: bool = True
    pdf: PdfOptions | None = None


@dataclass(slots=True)
class Gathered:
    """The files and pages that were read for an answer: their `tokens`, the `cost` beside the
    model's price, `notes` about them, which are sentences of the answer, and the number of
    `searches`."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    searches: int = 0


@dataclass(frozen=True, slots=True)
class _Pdf:
    name: str | None
    hash: str
    pages: int
    text: str


def read_files(
    sent: Sequence[FileContent],
    known: Sequence[dict[str, Any]],
    plugins: Sequence[Plugin],
    model: ChatModel,
) -> Gathered:
    """Read the files of a request. `known` are the annotations that its messages bring along."""
    read = Gathered()
    hashes = set()
    for annotation in known:
        hashes.add(_known(annotation, read))
    if not sent:
        return read
    engine = _engine(plugins, model)
    for number, file in enumerate(sent):
        pdf = _pdf(file, f"messages.file[{number}]")
        if pdf.hash in hashes:
            continue
        hashes.add(pdf.hash)
        read.notes.append(_note(pdf.name, pdf.text, pdf.pages))
        read.tokens += tokens(pdf.text)
        if engine == "native":
            read.tokens += _NATIVE_PAGE_TOKENS * pdf.pages
            continue
        if engine == "mistral-ocr":
            read.cost += OCR_PAGE_USD * pdf.pages
        read.annotations.append(_annotation(pdf))
    return read


def without_files(text: str) -> tuple[str, list[str]]:
    """Return the words of a question without the files that are written into it, and a note about
    each of those."""
    notes = [_note(name, content, None) for name, content in _WRITTEN_FILE.findall(text)]
    return _WRITTEN_FILE.sub("", text).strip(), notes


def _engine(plugins: Sequence[Plugin], model: ChatModel) -> Engine:
    """Return the engine that is named. Without one it is the model's own, or the dearest."""
    native = "file" in model.architecture.input_modalities
    named = [each.pdf.engine for each in plugins if each.id == "file-parser" and each.pdf]
    engine = named[0] if named else None
    if engine is None:
        return "native" if native else "mistral-ocr"
    if engine == "native" and not native:
        raise ErrorAnswer(404, "No endpoints found that support file input")
    return "cloudflare-ai" if engine == "pdf-text" else engine


def _pdf(file: FileContent, place: str) -> _Pdf:
    import pypdfium2

    if file.file_data is None:
        raise invalid(f"{place}: file_data is required")
    if not file.file_data.startswith(_PDF_URL):
        raise invalid(f"{place}: only PDF files as data URLs are read here")
    try:
        data = base64.b64decode(file.file_data.removeprefix(_PDF_URL), validate=True)
        with pypdfium2.PdfDocument(data) as pdf:
            words = [page.get_textpage().get_text_range() for page in pdf]
    except (binascii.Error, pypdfium2.PdfiumError):
        raise ErrorAnswer(422, f"Failed to parse {file.filename or place}") from None
    return _Pdf(file.filename, hashlib.sha256(data).hexdigest(), len(words), "\n\n".join(words))


def _annotation(pdf: _Pdf) -> dict[str, Any]:
    content = [
        {"type": "text", "text": f'<file name="{pdf.name}">'},
        {"type": "text", "text": pdf.text},
        {"type": "text", "text": "</file>"},
    ]
    named = {} if pdf.name is None else {"name": pdf.name}
    return {"type": "file", "file": {"hash": pdf.hash, **named, "content": content}}


def _known(annotation: dict[str, Any], read: Gathered) -> str:
    """Take in an annotation of an earlier answer; it has to be as it was given out."""
    file = annotation.get("file")
    if annotation.get("type") != "file":
        return ""
    if not isinstance(file, dict) or not isinstance(file.get("content"), list):
        raise invalid("messages.annotations: not a file annotation")
    text = "\n".join(str(part.get("text") or "") for part in file["content"][1:-1])
    read.tokens += tokens(text)
    read.notes.append(_note(file.get("name"), text, None, again=True))
    return str(file.get("hash"))


def _note(name: str | None, text: str, pages: int | None, *, again: bool = False) -> str:
    begins = " ".join(text.split())[:_SHOWN]
    size = "" if pages is None else f" of {pages} page{'s' if pages > 1 else ''}"
    still = "I still have" if again else "I was given"
    said = f", which begins with “{begins}”" if begins else ", which holds no text"
    return f"{still} the file “{name or 'unnamed'}”{size}{said}."
