"""Words, thinking and citations in a chat model's message. Other and malformed parts are
skipped."""

import json
import re
from typing import Any

from api.provider.types import Citation, FileRead, ParsedFile
from api.unicode import storable

_WEB_ADDRESS = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)
_TITLE_MAX = 200
_PARSED_MAX = 8_000_000
"""Characters of a parsed file: of a larger one nothing is kept, and it is read again."""
_CHARS_OF_PICTURE = 6_000
"""The characters that a picture in a parsed file counts as: 2,000 tokens."""


def text_of_message(message: dict[str, Any]) -> str:
    """Join the words of `content`, which is a string, a list of parts or nothing."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [
            part.get("text")
            for part in content
            if isinstance(part, dict) and part.get("type") in {"text", "output_text"}
        ]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def thinking_of(message: dict[str, Any]) -> int | None:
    """Count the characters of thinking, 0 where they are hidden; None when there is none."""
    for name in ("reasoning", "reasoning_content"):
        text = message.get(name)
        if isinstance(text, str) and text:
            return len(text)
    details = message.get("reasoning_details")
    if not isinstance(details, list) or not details:
        return None
    texts = [
        detail.get("text") or detail.get("summary")
        for detail in details
        if isinstance(detail, dict)
    ]
    return sum(len(text) for text in texts if isinstance(text, str))


def citations_of(message: dict[str, Any]) -> list[Citation]:
    """Return them in the order in which the answer counts them."""
    found = []
    annotations = message.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict) or annotation.get("type") != "url_citation":
            continue
        told = annotation.get("url_citation")
        fields = told if isinstance(told, dict) else annotation
        url, title = fields.get("url"), fields.get("title")
        if isinstance(url, str) and _WEB_ADDRESS.fullmatch(url):
            title = " ".join(storable(title).split())[:_TITLE_MAX] if isinstance(title, str) else ""
            found.append(Citation(url, title))
    return found


def files_read(message: dict[str, Any]) -> list[FileRead]:
    """Return the files that the provider has read for this answer, in the order of the request."""
    annotations = message.get("annotations")
    found = []
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict) or annotation.get("type") != "file":
            continue
        file = annotation.get("file")
        content = file.get("content") if isinstance(file, dict) else None
        if not isinstance(file, dict) or not isinstance(content, list) or not file.get("hash"):
            continue
        told = json.dumps(annotation)
        if len(told) <= _PARSED_MAX:
            name = file.get("name")
            parsed = ParsedFile(told, _chars(content))
            found.append(FileRead(name if isinstance(name, str) else None, parsed))
    return found


def _chars(content: list[Any]) -> int:
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return sum(len(text) if isinstance(text, str) else _CHARS_OF_PICTURE for text in texts)
