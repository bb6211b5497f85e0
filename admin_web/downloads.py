"""Files of the api that are passed on as they come: media, archives and tables.

They come from the web's own origin, so that the browser needs no token and the content policy stays
strict.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import httpx
from flask import Response, request

ASKED = ("Range", "If-Range", "If-None-Match", "If-Modified-Since")
ANSWERED = (
    "Content-Type",
    "Location",
    "Content-Length",
    "Content-Encoding",
    "Content-Range",
    "Content-Disposition",
    "Accept-Ranges",
    "Cache-Control",
    "ETag",
    "Last-Modified",
)
CHUNK = 64 * 1024


def wanted() -> tuple[str, dict[str, str]]:
    """The address's query, which holds the signature, and the headers that matter for a file."""
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    return request.query_string.decode("ascii", "replace"), headers


def passed_on(answer: AbstractContextManager[httpx.Response]) -> Response:
    """Pass the api's answer on as it comes, which may be as large as all results of a person."""
    stack = ExitStack()
    upstream = stack.enter_context(answer)

    def body() -> Iterator[bytes]:
        with stack:
            yield from upstream.iter_raw(CHUNK)

    response = Response(body(), upstream.status_code)
    # closing also when the browser leaves before the first byte, where the generator never starts
    response.call_on_close(stack.close)
    for name in ANSWERED:
        if name in upstream.headers:
            response.headers[name] = upstream.headers[name]
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
