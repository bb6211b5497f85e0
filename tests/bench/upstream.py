"""A provider that answers questions at once, for benches: the sandbox takes longer for an answer
than some gateways that are measured. All else it fetches from a sandbox, once.

`python -m tests.bench.upstream PORT SANDBOX`
"""

import asyncio
import json
import sys
import urllib.request
from itertools import count
from typing import Any

import httptools
import uvloop

WORDS = 16
ANSWER = " ".join(f"word-{number}" for number in range(WORDS))
FIRST, LAST = b"word-0", f"word-{WORDS - 1}".encode()
BETWEEN = 0.05
"""Seconds between two words of an answer for a person who reads along."""
PACED = "slowly"
"""A question that has this word is answered word by word, any other one at once."""
_KEY = {"Authorization": "Bearer sk-or-bench"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": WORDS, "total_tokens": 9 + WORDS, "cost": 3e-05}
_ids = count()


class Upstream(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, sandbox: str, known: dict[str, bytes]) -> None:
        self._sandbox, self._known = sandbox, known
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = "", b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url, self._body
        self._url, self._body = "", b""
        if not url.endswith("/chat/completions"):
            self._transport.write(self._from_sandbox(url))
            return
        asked = json.loads(body)
        head = _head(asked["model"])
        if not asked.get("stream"):
            self._transport.write(_whole(head))
        elif PACED in str(asked["messages"][-1]["content"]):
            self._pacing = asyncio.ensure_future(self._pace(_events(head)))
        else:
            self._transport.write(_STREAM + b"".join(map(_chunk, _events(head))) + _chunk(b""))

    async def _pace(self, events: list[bytes]) -> None:
        self._transport.write(_STREAM)
        for event in events:
            self._transport.write(_chunk(event))
            await asyncio.sleep(BETWEEN)
        self._transport.write(_chunk(b""))

    def _from_sandbox(self, url: str) -> bytes:
        if url not in self._known:
            asked = urllib.request.Request(self._sandbox + url, headers=_KEY)
            with urllib.request.urlopen(asked) as answer:
                self._known[url] = _json(answer.read())
        return self._known[url]


_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _json(body: bytes) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _head(model: str) -> dict[str, Any]:
    return {"id": f"gen-{next(_ids)}", "created": 1_796_000_000, "model": model}


def _whole(head: dict[str, Any]) -> bytes:
    message = {"role": "assistant", "content": ANSWER}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    whole = {**head, "object": "chat.completion", "choices": choices, "usage": _USAGE}
    return _json(json.dumps(whole).encode())


def _events(head: dict[str, Any]) -> list[bytes]:
    head = {**head, "object": "chat.completion.chunk"}
    words = [word if not number else f" {word}" for number, word in enumerate(ANSWER.split())]
    events = [{**head, "choices": [_choice(word, None)]} for word in words]
    events += [
        {**head, "choices": [_choice("", "stop")]},
        {**head, "choices": [], "usage": _USAGE},
    ]
    return [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]


def _choice(word: str, finish: str | None) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, "delta": {"role": "assistant", "content": word}}


async def main(port: int, sandbox: str) -> None:
    loop, known = asyncio.get_running_loop(), dict[str, bytes]()
    server = await loop.create_server(lambda: Upstream(sandbox, known), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
