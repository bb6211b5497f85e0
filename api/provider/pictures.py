"""Pictures in the provider's answers, in every shape in which they were seen. An unreadable one
never costs the others."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from api.provider.chat_message import text_of_message
from api.provider.failures import Details, refuses_at_end, tidy
from api.provider.types import ImageData, ProviderError
from api.provider.wire import Unreadable, choice_of, cost_micro, mapping
from api.reasons import Making

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_URL_SAFE = str.maketrans("-_", "+/")
_MARKDOWN = re.compile(r"!\[[^\]]*\]\(\s*<?((?:data:|https?://)[^)>]+?)>?\s*\)", re.IGNORECASE)
_CODES: dict[Making, str] = {
    "safety": "content_refused",
    "not_fetched": "provider_unavailable",
    "unusable_image": "provider_unavailable",
    "no_image": "provider_unavailable",
}
"""The code of an answer without a picture: of several reasons the first here is told."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A picture of which the answer holds only the address."""

    url: str


Found = ImageData | Hosted


@dataclass(frozen=True, slots=True)
class Drawn:
    """Content of a paid answer. `missing`: a reason for each picture that is not in `found`.
    `text`: the model's words beside the pictures."""

    found: tuple[Found, ...]
    missing: tuple[Making, ...] = ()
    cost_micro: int | None = None
    provider_id: str | None = None
    text: str = ""

    def failure(self, more: list[Making]) -> ProviderError:
        """Return the error of an answer without a picture; `more` are reasons found since."""
        reasons = {*self.missing, *more}
        reason: Making = next((one for one in _CODES if one in reasons), "no_image")
        code, said = _CODES[reason], ""
        if self.text and reason == "no_image":
            code, reason, said = "content_refused", "words_only", tidy(self.text)
        return ProviderError(code, reason, outcome="refused", cost_micro=self.cost_micro, said=said)


def of_images(answer: dict[str, Any]) -> Drawn:
    """Read an answer of `POST /images` or `POST /images/generations`. Raises `Unreadable` when it
    has no place for pictures."""
    items = answer.get("data", answer.get("images"))
    found, missing = _all(items if isinstance(items, list) else [mapping(items)])
    return Drawn(found, missing, cost_micro(answer.get("usage")))


def of_chat(answer: dict[str, Any]) -> Drawn:
    """Read an answer of `POST /chat/completions`. Raises `Unreadable`, and `ProviderError` for an
    error in its place."""
    choice = choice_of(answer)
    message = mapping(choice.get("message") or {})
    found, missing = of_message(message)
    if not found and (refuses_at_end(choice) or message.get("refusal")):
        missing = (*missing, "safety")
    provider_id = answer.get("id")
    text = _MARKDOWN.sub("", text_of_message(message)).strip()
    cost = cost_micro(answer.get("usage"))
    return Drawn(found, missing, cost, provider_id if isinstance(provider_id, str) else None, text)


def of_message(message: dict[str, Any]) -> tuple[tuple[Found, ...], tuple[Making, ...]]:
    """Find pictures beside the words, among them as parts, or as Markdown, and the reasons why
    others cannot be read."""
    beside, content = message.get("images") or [], message.get("content")
    items = list(beside) if isinstance(beside, list) else [beside]
    if isinstance(content, list):
        items += [part for part in content if isinstance(part, dict) and _address(part) is not None]
    if not items:
        items += _MARKDOWN.findall(text_of_message(message))
    return _all(items)


def _all(items: list[Any]) -> tuple[tuple[Found, ...], tuple[Making, ...]]:
    found: list[Found] = []
    missing: list[Making] = []
    for item in items:
        text = item if isinstance(item, str) else _address(item)
        if text is None:
            missing.append(_why(item))
            continue
        told = item.get("media_type") if isinstance(item, dict) else None
        try:
            found.append(_picture(text.strip(), told if isinstance(told, str) else None))
        except Unreadable:
            missing.append("unusable_image")
    return tuple(found), tuple(missing)


def _address(item: object) -> str | None:
    """Return the text that is the picture or its address, under any of its names."""
    if not isinstance(item, dict):
        return None
    for name in ("b64_json", "image_url", "url", "image", "result"):
        value = item.get(name)
        if isinstance(value, dict):
            value = _address(value)
        if isinstance(value, str) and value.strip():
            return value
    return None


def _why(item: object) -> Making:
    error = item.get("error") if isinstance(item, dict) else None
    return "safety" if error and Details(error).refuses(400) else "no_image"


def _picture(text: str, told: str | None) -> Found:
    start = text[:8].lower()
    if start.startswith(("http://", "https://")):
        return Hosted(text)
    if not start.startswith("data:"):
        return _decoded(text, told)
    head, comma, rest = text.partition(",")
    kind, *marks = [part.strip() for part in head[5:].lower().split(";")]
    if not comma or "base64" not in marks:
        raise Unreadable
    return _decoded(rest, kind or told)


def _decoded(text: str, told: str | None) -> ImageData:
    """Decode base64, also with line breaks, in the alphabet of addresses, or without padding."""
    plain = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise Unreadable from error
    if not data:
        raise Unreadable
    return ImageData(_kind(data) or told or "application/octet-stream", data)


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def fetched(data: bytes) -> ImageData:
    """Return the picture that was fetched from an address."""
    return ImageData(_kind(data) or "application/octet-stream", data)
