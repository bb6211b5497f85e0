"""The bytes that a browser fetches on its first visit of a page, as they are sent and without
media: the page, its style sheets, scripts, icons, and the fonts that have a letter of the page."""

import gzip
import re
from urllib.parse import urljoin, urlsplit

from werkzeug.test import Client

_LINKED = re.compile(r'<(?:link|script|img|use)\b[^>]*\b(?:href|src)="(/static/[^"#]+)')
_IMPORTED = re.compile(r'\bfrom "([^"]+)"')
_FACE = re.compile(r"@font-face\s*{([^}]+)}")
_FILE = re.compile(r'url\("?([^")]+)"?\)')
_RANGE = re.compile(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?")


def first_load(client: Client, page: str, sent: int) -> int:
    """Return the bytes of a first visit; `page` is the text of the page and `sent` the size of its
    answer."""
    letters = {ord(letter) for letter in page}
    todo, seen, total = set(_LINKED.findall(page)), set[str](), sent
    while todo:
        address = todo.pop()
        path = urlsplit(address).path
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(address, buffered=True, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        total += len(answer.data)
        text = gzip.decompress(answer.data).decode() if "Content-Encoding" in answer.headers else ""
        found = (
            _IMPORTED.findall(text)
            if path.endswith(".js")
            else _files(text, letters)
            if path.endswith(".css")
            else []
        )
        todo |= {urljoin(path, each) for each in found}
    return total


def _files(style: str, letters: set[int]) -> list[str]:
    faces = _FACE.findall(style)
    wanted = [_FILE.findall(face)[0] for face in faces if _holds(face, letters)]
    return wanted + [
        file for file in _FILE.findall(_FACE.sub("", style)) if not file.startswith("data:")
    ]


def _holds(face: str, letters: set[int]) -> bool:
    ranges = [(int(first, 16), int(last or first, 16)) for first, last in _RANGE.findall(face)]
    return any(first <= letter <= last for first, last in ranges for letter in letters)
