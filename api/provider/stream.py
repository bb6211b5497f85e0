"""A streamed chat answer as `TextPart` values."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
import structlog

from api.provider import types
from api.provider.chat_message import citations_of, files_read, text_of_message, thinking_of
from api.provider.failures import Paid, garbage, of_error_in_answer, refuses_at_end
from api.provider.pictures import of_message
from api.provider.thinking import Parts, ThinkingSplitter
from api.provider.wire import Unreadable, choice_of, mapping, parsed, usage_of
from api.unicode import storable

log = structlog.get_logger("provider")

_MOST = 256 * 1024 * 1024
"""Bytes of one answer, pictures included; a larger one is an error."""
_LARGE = 1_000_000
"""Characters of an event that is read in a thread, since it holds a picture."""
_NAME_MAX = 200
_PLAIN = {"role", "content"}
"""Fields of a part that holds words and nothing else, as nearly all parts do."""
_BOM = b"\xef\xbb\xbf"


class _Reader:
    """Makes JSON documents of bytes as they come. The first byte tells events from one whole
    document, because the declared type may be wrong."""

    def __init__(self) -> None:
        self._held = b""
        self._data: list[bytes] = []
        self._is_whole: bool | None = None

    def feed(self, chunk: bytes) -> list[str]:
        self._held += chunk
        if self._is_whole is None:
            self._held = self._held.removeprefix(_BOM)
            begins = self._held.lstrip()
            if not begins or _BOM.startswith(self._held):
                return []
            self._is_whole = begins.startswith((b"{", b"["))
        if self._is_whole:
            return []
        lines = self._held.splitlines(keepends=True)
        self._held = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        return [document for line in lines if (document := self._line(line)) is not None]

    def end(self) -> list[str]:
        """Return the documents in the last lines, which may lack their ends."""
        if self._is_whole:
            return [self._held.decode("utf-8", "replace")]
        found = [self._line(line) for line in (self._held, b"")]
        return [document for document in found if document is not None]

    def _line(self, line: bytes) -> str | None:
        content = line.rstrip(b"\r\n")
        if content:
            name, _, value = content.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        document, self._data = b"\n".join(self._data), []
        return document.decode("utf-8", "replace") or None


class _StreamState:
    """State of a stream. `failure`: the error that it has told. `is_over`: it has told its end."""

    def __init__(self, model: str, provider_id: str | None) -> None:
        self._begun = types.TextBegun(model, provider_id)
        self._is_new = provider_id is not None
        self._told: tuple[object, object] | None = None
        self._words = ThinkingSplitter()
        self._pictures: set[bytes] = set()
        self._cited: set[str] = set()
        self._files: set[str] = set()
        self._wrote = False
        self._readable = False
        self.is_over = False
        self.finish: types.FinishReason | None = None
        self.failure: types.ProviderError | None = None

    def hear(self, document: str) -> list[types.TextPart]:
        """Return the parts in one document, none for an unreadable one."""
        if document == "[DONE]":
            self.finish, self.is_over = self.finish or "stop", True
            return []
        try:
            chunk = mapping(parsed(document))
        except Unreadable:
            log.debug("stream_event_skipped", characters=len(document))
            return []
        self._readable = True
        parts: list[types.TextPart] = self._who(chunk)
        usage = usage_of(chunk.get("usage"))
        if usage is not None:
            parts.append(usage)
        if chunk.get("error"):
            self.failure = of_error_in_answer(chunk["error"], Paid.AT_ONCE)
        else:
            parts += self._choice(chunk)
        return parts

    def _who(self, chunk: dict[str, Any]) -> list[types.TextPart]:
        model, told = chunk.get("model"), chunk.get("id")
        if (model, told) == self._told:
            return []
        self._told, known = (model, told), self._begun
        begun = types.TextBegun(
            storable(model)[:_NAME_MAX] if isinstance(model, str) and model else known.model,
            known.provider_id
            or (storable(told)[:_NAME_MAX] if isinstance(told, str) and told else None),
        )
        is_new, self._begun, self._is_new = self._is_new or begun != known, begun, False
        return [begun] if is_new else []

    def _choice(self, chunk: dict[str, Any]) -> list[types.TextPart]:
        try:
            choice = choice_of(chunk)
            message = mapping(choice.get("delta") or choice.get("message") or {})
        except Unreadable:
            return []
        parts = self._message(message)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish and refuses_at_end(choice):
            self.finish = "content_filter"
        elif choice.get("error") or finish == "error":
            self.failure = of_error_in_answer(choice.get("error"), Paid.AT_ONCE)
        elif isinstance(finish, str) and finish:
            self.finish = "length" if finish == "length" else "stop"
        return parts

    def _message(self, message: dict[str, Any]) -> list[types.TextPart]:
        content = message.get("content")
        if isinstance(content, str) and message.keys() <= _PLAIN and "![" not in content:
            return [*self._written(self._words.feed(content))]
        parts: list[types.TextPart] = []
        thought = thinking_of(message)
        if thought is not None:
            parts.append(types.TextThinking(thought))
        refusal = message.get("refusal")
        said = text_of_message(message) or (refusal if isinstance(refusal, str) else "")
        parts += self._written(self._words.feed(said))
        found, missing = of_message(message)
        if missing:
            log.warning("pictures_of_answer_missing", missing=missing)
        parts += [
            types.TextImage(picture)
            for picture in found
            if isinstance(picture, types.ImageData) and self._first(picture)
        ]
        for citation in citations_of(message):
            if citation.url not in self._cited:
                self._cited.add(citation.url)
                parts.append(citation)
        for file in files_read(message):
            if file.parsed.json not in self._files:
                self._files.add(file.parsed.json)
                parts.append(file)
        return parts

    def _first(self, picture: types.ImageData) -> bool:
        """Return whether the picture is new: a stream may end with the whole message once more."""
        digest = hashlib.sha256(picture.data).digest()
        known = digest in self._pictures
        self._pictures.add(digest)
        return not known

    def _written(self, parts: Parts) -> Parts:
        if not self._wrote:
            self._wrote = any(isinstance(part, types.TextDelta) for part in parts)
        return parts

    def rest(self) -> Parts:
        return self._written(self._words.end())

    def done(self) -> types.TextDone:
        """Return the last part of a stream that is over, or raise for an unfinished one."""
        if self.finish is None:
            if not self._readable:
                raise garbage(Paid.AT_ONCE)
            raise types.ProviderError("provider_unavailable", "connection_lost", outcome="unknown")
        if self.finish == "content_filter" and not self._wrote and not self._pictures:
            raise types.ProviderError("content_refused", "safety", outcome="refused")
        return types.TextDone(self.finish)


async def text_parts(response: httpx.Response, model: str) -> AsyncGenerator[types.TextPart, None]:
    """Yield the parts of a 200 answer: of events, or of a whole JSON body from a provider that does
    not stream. Words that are there at the same moment are one part. The last part is a `TextDone`.

    Raises `ProviderError` for an error in the stream and for a stream that ends unfinished; httpx
    errors pass through.
    """
    heard = _StreamState(model, response.headers.get("x-generation-id"))
    try:
        async for documents in _documents(response):
            for part in await _heard(heard, documents):
                yield part
            if heard.failure is not None:
                raise heard.failure
            if heard.is_over:
                break
    except (httpx.TransportError, types.ProviderError) as error:
        for part in heard.rest():
            yield part
        # all words are there and only the bill is missing
        if heard.finish is None or isinstance(error, types.ProviderError):
            raise
    for part in heard.rest():
        yield part
    yield heard.done()


async def _heard(heard: _StreamState, documents: Sequence[str]) -> list[types.TextPart]:
    """Return the parts of documents, up to one that is an error or the end."""
    parts: list[types.TextPart] = []
    for document in documents:
        if len(document) > _LARGE:
            found = await asyncio.to_thread(heard.hear, document)
        else:
            found = heard.hear(document)
        for part in found:
            last = parts[-1] if parts else None
            if isinstance(part, types.TextDelta) and isinstance(last, types.TextDelta):
                parts[-1] = types.TextDelta(last.text + part.text)
            else:
                parts.append(part)
        if heard.is_over or heard.failure is not None:
            break
    return parts


async def _documents(response: httpx.Response) -> AsyncGenerator[list[str], None]:
    reader, count = _Reader(), 0
    async for chunk in response.aiter_bytes():
        count += len(chunk)
        if count > _MOST:
            raise garbage(Paid.AT_ONCE)
        yield reader.feed(chunk)
    yield reader.end()
