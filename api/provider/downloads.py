"""The body of a finished video, or the address in its place."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import httpx

from api.provider.failures import Paid, garbage, of_error_in_answer
from api.provider.types import ProviderError

_TEXT_BEGINS = (b"{", b"[", b"<")
_TEXT_MAX = 256 * 1024
_NAMES = ("url", "video_url", "urls", "unsigned_urls", "video", "videos", "data", "output")


class Moved(Exception):
    """The file is at another address."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def file_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the bytes, judged by their content and not by the declared type. Raises `Moved`, and
    `ProviderError` for text that is no address and for a file that is cut short."""
    if response.has_redirect_location:
        raise Moved(_resolved(response, response.headers["location"]))
    count, told = 0, response.headers.get("content-length", "")
    text = bytearray()
    async for chunk in response.aiter_bytes():
        if text or (count == 0 and chunk.lstrip().startswith(_TEXT_BEGINS)):
            text += chunk
            if len(text) > _TEXT_MAX:
                break
        elif chunk:
            yield chunk
        count += len(chunk)
    if text:
        raise Moved(_resolved(response, _address(bytes(text), response.status_code)))
    if count == 0 or (told.isdecimal() and int(told) != response.num_bytes_downloaded):
        raise ProviderError(
            "provider_unavailable",
            "cut_short",
            outcome="refused",
            status=response.status_code,
        )


def _resolved(response: httpx.Response, url: str) -> str:
    try:
        return urljoin(str(response.url), url)
    except ValueError:
        raise garbage(Paid.NO, response.status_code) from None


def _address(text: bytes, status: int) -> str:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise garbage(Paid.NO, status) from None
    if isinstance(answer, dict) and answer.get("error"):
        raise of_error_in_answer(answer["error"], Paid.NO)
    found = _first(answer, depth=4)
    if found is None:
        raise garbage(Paid.NO, status)
    return found


def _first(value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        return value if value.startswith(("https://", "http://", "/")) else None
    if isinstance(value, dict):
        value = [value.get(name) for name in _NAMES]
    inside = value if isinstance(value, list) else []
    return next(
        (found for one in inside if depth and (found := _first(one, depth - 1)) is not None), None
    )
