"""Documents that go along with a question: those given with it, and earlier ones of its
conversation, as far as the model can read them all.

Text goes into the words of the message. A PDF goes along as a file, with its reader always named;
one that the provider has read before goes along as that reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from api.catalog.model import Model
from api.catalog.pricing import CHARS_PER_TOKEN, TOKENS_PER_INPUT_IMAGE, tokens
from api.db import DbUnavailable
from api.errors import DomainError, InvalidRequest, NotFound
from api.media.documents import Document, Documents
from api.provider.types import FileInput, FileRead, ParsedFile, PdfEngine, TextMessage
from api.schemas import usd
from api.text.context import answer_tokens
from api.text.schemas import TextIn
from api.text.store import Message

log = structlog.get_logger("text")

REMEMBERED = 8
"""Earlier documents that are sent along at most."""
ROOM_UNKNOWN = 100_000
"""Tokens for earlier documents, where the model does not tell its context."""
SCAN_PAGE_MICRO = 2_000
"""Character recognition of a page, in micro-dollars: $2 for 1,000 pages."""
_PAGE_CHARS = 200
_SCANNED_PAGE_CHARS = 4_000
_SCAN_PICTURES = 8
"""Pictures of a scanned PDF that a model gets at most."""
_PAGE_PICTURE_CHARS = TOKENS_PER_INPUT_IMAGE * CHARS_PER_TOKEN
"""A model that reads PDFs by itself looks at each page as a picture, too."""
_FRAME_CHARS = 60
SCANNED_BELOW = 8
"""Characters a page: a PDF with fewer is a scan."""


@dataclass(frozen=True, slots=True)
class _Paper:
    """A document with its content. `asked_in`: the earlier message that brought it."""

    document: Document
    asked_in: str | None
    chars: int
    text: str = ""
    file: FileInput | None = None
    parsed: ParsedFile | None = None


@dataclass(frozen=True, slots=True)
class Enclosed:
    """`chars`: the most characters of context that all of it counts as; `extra_micro`: the cost of
    reading it, beside the model's price."""

    papers: tuple[_Paper, ...] = ()
    engine: PdfEngine | None = None

    @property
    def chars(self) -> int:
        return sum(paper.chars for paper in self.papers)

    @property
    def extra_micro(self) -> int:
        if self.engine != "mistral-ocr":
            return 0
        return SCAN_PAGE_MICRO * sum(
            paper.document.pages or 0 for paper in self.papers if paper.file is not None
        )

    @property
    def sent_files(self) -> list[tuple[str, str]]:
        """Name and id of each file that is sent to be read."""
        return [
            (paper.file.name, paper.document.id) for paper in self.papers if paper.file is not None
        ]

    def put_into(
        self, messages: list[TextMessage], history: Sequence[Message], first: int
    ) -> list[TextMessage]:
        """Return the messages with the documents. `messages` from `first` on are those of
        `history`, and the question behind them. A document whose message is not among them any more
        goes with the first one."""
        if not self.papers:
            return messages
        places = {message.id: first + number for number, message in enumerate(history)}
        sent = list(messages)
        for paper in self.papers:
            asked_in = paper.asked_in
            place = len(sent) - 1 if asked_in is None else places.get(asked_in, first)
            if paper.parsed is not None and place + 1 < len(sent):
                answer = sent[place + 1]
                sent[place + 1] = replace(answer, parsed=(*answer.parsed, paper.parsed))
            elif paper.file is not None:
                sent[place] = replace(sent[place], files=(*sent[place].files, paper.file))
            else:
                words = f'<file name="{paper.document.name}">\n{paper.text}\n</file>'
                sent[place] = replace(sent[place], text=f"{words}\n\n{sent[place].text}")
        return sent


NOTHING = Enclosed()


class Enclosures:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def of(
        self, user_id: str, model: Model, history: Sequence[Message], body: TextIn
    ) -> Enclosed:
        """Return the documents that go along. Earlier ones are left out where the model has no room
        for them, and where they were deleted since. Raises `NotFound`, `InvalidRequest` for a scan
        that nobody would read."""
        wanted = list(dict.fromkeys(body.documents or ()))
        brought = {each: message.id for message in history for each in message.documents}
        earlier = [each for each in reversed(brought) if each not in wanted]
        if not wanted and not earlier:
            return NOTHING
        engine: PdfEngine = "mistral-ocr" if body.scan else _engine(model)
        papers = []
        given = await self._documents.own(user_id, wanted)
        if len(given) < len(wanted):
            raise NotFound("file_unknown")
        for document in given:
            _check_scan(document, engine)
            papers.append(await self._paper(document, None, engine, model))
        room = _room(model, len(body.prompt) + len(body.system or ""), papers)
        for document in (await self._documents.own(user_id, earlier))[:REMEMBERED]:
            paper = await self._earlier(document, brought[document.id], engine, model)
            if paper is not None and tokens(paper.chars) <= room:
                room -= tokens(paper.chars)
                papers.append(paper)
        sends_files = any(paper.file is not None for paper in papers)
        return Enclosed(tuple(papers), engine if sends_files else None)

    async def _earlier(
        self, document: Document, asked_in: str, engine: PdfEngine, model: Model
    ) -> _Paper | None:
        if document.is_pdf and (parsed := await self._documents.parsed(document)) is not None:
            return _Paper(document, asked_in, parsed.chars, parsed=parsed)
        try:
            return await self._paper(document, asked_in, engine, model)
        except NotFound:
            return None

    async def _paper(
        self, document: Document, asked_in: str | None, engine: PdfEngine, model: Model
    ) -> _Paper:
        data = await self._documents.read(document)
        if not document.is_pdf:
            chars = document.chars + len(document.name) + _FRAME_CHARS
            return _Paper(document, asked_in, chars, text=data.decode())
        chars = _pdf_chars(document, engine, model)
        file = FileInput(document.name, data, chars)
        return _Paper(document, asked_in, chars, file=file)

    async def keep_read(
        self, user_id: str, sent: Sequence[tuple[str, str]], read: Sequence[FileRead]
    ) -> None:
        """Keep what the provider has made of the PDFs of a question. An answer is never lost for
        it."""
        for number, file in enumerate(read):
            named = [document_id for name, document_id in sent if name == file.name]
            if len(named) == 1:
                document_id = named[0]
            elif len(read) == len(sent):
                document_id = sent[number][1]
            else:
                continue
            try:
                await self._documents.keep_parsed(user_id, document_id, file.parsed)
            except (DbUnavailable, DomainError, OSError) as error:
                log.warning("parsed_file_not_kept", document=document_id, error=str(error))


def _engine(model: Model) -> PdfEngine:
    return "native" if model.info.capabilities.documents else "cloudflare-ai"


def _check_scan(document: Document, engine: PdfEngine) -> None:
    """Refuse a PDF of pictures to a reader that finds only text."""
    pages = document.pages
    if engine == "cloudflare-ai" and pages and document.chars < SCANNED_BELOW * pages:
        raise InvalidRequest(
            "document_scanned",
            field="documents",
            name=document.name,
            cost_usd=usd(SCAN_PAGE_MICRO * pages),
        )


def _pdf_chars(document: Document, engine: PdfEngine, model: Model) -> int:
    pages = document.pages or 0
    if engine == "native":
        return document.chars + pages * _PAGE_PICTURE_CHARS
    if engine == "cloudflare-ai":
        return document.chars * 5 // 4 + pages * _PAGE_CHARS
    pictures = _SCAN_PICTURES if model.info.capabilities.max_input_images else 0
    return max(document.chars, pages * _SCANNED_PAGE_CHARS) + pictures * _PAGE_PICTURE_CHARS


def _room(model: Model, chars: int, given: Sequence[_Paper]) -> int:
    """Return the tokens that are left for earlier documents."""
    context = model.info.capabilities.context_length
    if context is None:
        return ROOM_UNKNOWN
    return context - answer_tokens(model) - tokens(chars + sum(paper.chars for paper in given))
