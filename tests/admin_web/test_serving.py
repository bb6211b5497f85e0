"""The way from connections to pages: a slow client holds up nobody else."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
import uvicorn
from flask import Flask, Response, jsonify, request

from admin_web import serving
from admin_web.serving import ThreadedApp
from api.http_server import Listener
from tests.plain_http import PLAIN

WITHIN = 20
THREADS = 2
BODY_MAX = 3_000_000
HALF = (
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: "
    b"1000\r\n\r\nhalf"
)
MARK: ContextVar[str] = ContextVar("MARK", default="none")


class Pages:
    """A small app. `go_on` lets a streamed answer make its next part; `closed` is set once an
    answer has been closed."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.closed = threading.Event()
        self.app = Flask("pages")
        self.app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
        self.app.add_url_rule("/", "here", lambda: "here")
        self.app.add_url_rule("/echo", view_func=self.echo, methods=["POST"])
        self.app.add_url_rule("/came", "came", self.since_the_headers, methods=["POST"])
        self.app.add_url_rule("/asked/<path:path>", view_func=self.asked)
        self.app.add_url_rule("/parts", view_func=self.parts)
        self.app.add_url_rule("/endless", view_func=self.endless)
        self.app.add_url_rule(
            "/file", "file", lambda: Response(iter([b"x" * 10]), headers={"Content-Length": "10"})
        )
        self.app.add_url_rule("/nothing", "nothing", lambda: Response(status=204))

    def echo(self) -> Response:
        body = request.get_data()
        return jsonify(
            length=len(body),
            said=request.headers.get("Content-Length"),
            same=body == b"x" * len(body),
        )

    def since_the_headers(self) -> str:
        return str(time.monotonic() - request.environ[serving.CAME])

    def asked(self, path: str) -> Response:
        return jsonify(
            path=path,
            query=request.query_string.decode(),
            remote=request.remote_addr,
            headers=dict(request.headers),
        )

    def parts(self) -> Response:
        MARK.set("of this request")

        def made() -> Iterator[str]:
            try:
                for _ in range(3):
                    yield MARK.get() + "\n"
                    assert self.go_on.acquire(timeout=WITHIN)
            finally:
                self.closed.set()

        return Response(made(), content_type="text/event-stream")

    def endless(self) -> Response:
        def made() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 65_536
            finally:
                self.closed.set()

        return Response(made())


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
async def port(pages: Pages) -> AsyncIterator[int]:
    async with served(pages.app) as number:
        yield number


@asynccontextmanager
async def served(app: Flask, made: ThreadedApp | None = None, **times: float) -> AsyncIterator[int]:
    kind = type("Quick", (Listener,), times)
    made = made or ThreadedApp(app, threads=THREADS, body_max=BODY_MAX)
    config = uvicorn.Config(
        made,
        http=kind,
        ws="none",
        lifespan="off",
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0), backlog=2048)) as listener:
        running = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running
            await asyncio.to_thread(made._pool.shutdown)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=PLAIN, timeout=WITHIN
    ) as made:
        yield made


@asynccontextmanager
async def connections(
    port: int, count: int, sent: bytes
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    made = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(count)]
    try:
        for _, writer in made:
            writer.write(sent)
            await writer.drain()
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()


async def test_half_sent_requests_hold_no_thread(port: int) -> None:
    async with (
        connections(port, 20, HALF),
        connections(port, 20, b"GET / HTTP/1.1\r\nHo"),
        connections(port, 20, b""),
        client(port) as http,
    ):
        assert (await http.get("/")).text == "here"
        assert (await http.post("/echo", content=b"x" * 500_000)).json()["same"]


async def test_a_slow_reader_holds_no_thread(pages: Pages, port: int) -> None:
    async with (
        connections(port, 20, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"),
        client(port) as http,
    ):
        for _ in range(3):
            assert (await http.get("/")).text == "here"
    assert await asyncio.to_thread(pages.closed.wait, WITHIN)


async def test_a_client_that_never_reads_an_answer_is_cut_off(pages: Pages) -> None:
    async with (
        served(pages.app, write_seconds=0.1) as port,
        connections(port, 1, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"),
    ):
        assert await asyncio.to_thread(pages.closed.wait, WITHIN)


async def test_a_body_that_does_not_end_is_refused_in_time(pages: Pages) -> None:
    async with (
        served(pages.app, body_seconds=0.1) as port,
        connections(port, 1, HALF) as ((reader, _),),
    ):
        assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 408 ")


async def test_each_part_is_sent_when_it_is_made_and_in_the_same_context(
    pages: Pages, port: int
) -> None:
    async with client(port) as http, http.stream("GET", "/parts") as answer:
        lines = answer.aiter_lines()
        for _ in range(3):
            assert await anext(lines) == "of this request"
            pages.go_on.release()
        assert [line async for line in lines] == []
    assert pages.closed.is_set()
    assert MARK.get() == "none"


async def test_an_answer_is_closed_when_its_reader_leaves(pages: Pages, port: int) -> None:
    async with client(port) as http:
        async with http.stream("GET", "/parts") as answer:
            assert await anext(answer.aiter_lines()) == "of this request"
        # one part was awaited, and another was begun before the end was seen
        pages.go_on.release(2)
        assert await asyncio.to_thread(pages.closed.wait, WITHIN)
        assert (await http.get("/")).text == "here"


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_500_000])
async def test_a_body_arrives_whole(port: int, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 40_000):
            yield b"x" * min(40_000, size - start)

    async with client(port) as http:
        for content in (b"x" * size, chunks()):
            found = (await http.post("/echo", content=content)).json()
            assert (found["length"], found["same"]) == (size, True)


async def test_a_body_that_is_too_large_is_refused_by_the_page(port: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_MAX // 100_000 + 2):
            yield b"x" * 100_000

    async with client(port) as http:
        assert (await http.post("/echo", content=chunks())).status_code == 413
        assert (await http.post("/echo", content=b"x" * (BODY_MAX + 1))).status_code == 413


async def test_a_body_without_a_length_is_read_up_to_the_limit(pages: Pages) -> None:
    chunk = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = head + chunk * (BODY_MAX // 1_000_000 + 1)
    async with served(pages.app) as port, connections(port, 1, endless) as ((reader, _),):
        assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 413 ")


async def test_only_a_few_large_bodies_are_kept_at_once(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LARGE_AT_ONCE", 1)
    large = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_500_000
    async with (
        served(pages.app) as port,
        connections(port, 1, large) as ((reader, writer),),
        client(port) as http,
    ):
        waiting = asyncio.ensure_future(http.post("/echo", content=b"x" * 2_000_000))
        assert (await http.post("/echo", content=b"x" * 60_000)).status_code == 200
        assert not waiting.done()
        writer.write(b"x" * 500_000)
        assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 200 ")
        assert (await waiting).json()["length"] == 2_000_000


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
async def test_stalled_bodies_of_one_address_leave_room_for_others(
    pages: Pages, address: str
) -> None:
    made = ThreadedApp(pages.app, threads=THREADS, body_max=BODY_MAX, behind_proxy=True)
    stalled = (
        f"POST /echo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1, {address}\r\n"
        "Content-Length: 2000000\r\n\r\n"
    ).encode() + b"x" * 100_000
    body = b"x" * 100_000
    async with (
        served(pages.app, made) as port,
        connections(port, serving.LARGE_AT_ONCE + 2, stalled) as all_stalled,
        client(port) as http,
    ):
        same = asyncio.ensure_future(
            http.post(
                "/echo", content=body, headers={"X-Forwarded-For": address.replace("::7", "::8")}
            )
        )
        other = await http.post("/echo", content=body, headers={"X-Forwarded-For": "192.0.2.9"})
        assert other.status_code == 200
        assert not same.done()
        for _, writer in all_stalled:
            writer.transport.abort()
        assert (await same).status_code == 200


async def test_a_stop_does_not_wait_for_what_has_not_arrived(pages: Pages) -> None:
    made = ThreadedApp(pages.app, threads=THREADS, body_max=BODY_MAX)
    async with (
        served(pages.app, made) as port,
        connections(port, 1, HALF) as ((reader, _),),
        client(port) as http,
        http.stream("GET", "/parts") as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "of this request"
        made.refuse_unfinished()
        assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 503 ")
        pages.go_on.release(3)
        assert len([line async for line in lines]) == 2


async def test_a_page_knows_when_the_headers_of_its_request_came(port: int) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.3)
        yield b"x"

    async with client(port) as http:
        for content, least in ((slowly(), 0.1), (b"xx", 0)):
            asked = time.monotonic()
            passed = float((await http.post("/came", content=content)).text)
            assert least <= passed <= time.monotonic() - asked


async def test_a_page_is_told_what_was_asked(port: int) -> None:
    headers = [
        "Host: x",
        "X-A: 1",
        "X-A: 2",
        "Cookie: a=1",
        "Cookie: b=2",
        "X_Forwarded_For: 1.2.3.4",
    ]
    asked = "\r\n".join(
        ["GET /asked/%C3%A4%2Fb?q=%C3%A4&r=a+b HTTP/1.1", *headers, "", ""]
    ).encode()
    async with connections(port, 1, asked) as ((reader, _),):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        found: dict[str, Any] = httpx.Response(200, content=await reader.readexactly(length)).json()
    assert b"server:" not in head.lower()
    seen = (found["path"], found["query"], found["remote"])
    assert seen == ("ä/b", "q=%C3%A4&r=a+b", "127.0.0.1")
    assert (found["headers"]["X-A"], found["headers"]["Cookie"]) == ("1,2", "a=1;b=2")
    assert "X-Forwarded-For" not in found["headers"]


async def test_answers_without_a_body(port: int) -> None:
    async with client(port) as http:
        for path, status, length in (
            ("/", 200, "4"),
            ("/file", 200, "10"),
            ("/nothing", 204, None),
        ):
            answer = await http.head(path)
            seen = (answer.status_code, answer.headers.get("content-length"), answer.content)
            assert seen == (status, length, b"")
        assert (await http.get("/file")).content == b"x" * 10
        assert (await http.get("/nothing")).status_code == 204
        assert (await http.request("BREW", "/")).status_code == 405
