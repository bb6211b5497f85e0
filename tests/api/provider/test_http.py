"""Broken connections: the type of the httpx error tells whether the request may have arrived."""

import socket

import httpx
import pytest

from api.provider.http_client import NO_BYTES_SENT, http_client
from tests.api.provider.raw_server import http, raw_server


async def _error_of(url: str, timeout: float = 5) -> httpx.HTTPError:
    client = http_client(timeout=httpx.Timeout(timeout))
    try:
        with pytest.raises(httpx.HTTPError) as caught:
            await client.post(url, content=b"{}")
        return caught.value
    finally:
        await client.aclose()


async def test_a_closed_port_is_told_apart_from_a_lost_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = await _error_of(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    async with raw_server(b"") as lost:
        broken = await _error_of(lost.url)
    assert isinstance(refused, NO_BYTES_SENT)
    assert isinstance(broken, httpx.ReadError)
    assert not isinstance(broken, NO_BYTES_SENT)


async def test_an_unknown_host_was_not_reached() -> None:
    assert isinstance(await _error_of("http://no-such-host.invalid/"), NO_BYTES_SENT)


async def test_bytes_that_are_no_http_are_a_protocol_error() -> None:
    async with raw_server(b"SSH-2.0-OpenSSH\r\n\r\n") as raw:
        assert isinstance(await _error_of(raw.url), httpx.RemoteProtocolError)


async def test_half_a_body_is_a_read_error() -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as raw:
        assert isinstance(await _error_of(raw.url), httpx.ReadError)


async def test_silence_is_a_read_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = await _error_of(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.2)
    assert isinstance(error, httpx.ReadTimeout)


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    async with raw_server(
        http("{}", extra="Set-Cookie: a=b\r\nLocation: /elsewhere\r\n", status="302 Found")
    ) as raw:
        client = http_client()
        try:
            answers = [await client.get(raw.url), await client.get(raw.url)]
        finally:
            await client.aclose()
    assert [answer.status_code for answer in answers] == [302, 302]
    assert len(raw.requests) == 2
    assert not any(b"cookie" in request.lower() for request in raw.requests)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with raw_server(http("{}")) as raw:
        client = http_client()
        try:
            assert (await client.get(raw.url)).status_code == 200
        finally:
            await client.aclose()
