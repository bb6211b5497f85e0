"""A network whose only way out is a proxy, with a CA of its own. Our own processes are reached
without the proxy."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.provider import http_client as http_clients
from api.provider.http_client import NO_BYTES_SENT, http_client
from api.provider.openrouter import OpenRouter
from api.provider.types import ProviderError
from api.proxies import proxy_of
from tests.api.provider.raw_server import http, raw_server
from tests.fakes.proxy import PrivateCertificate, Proxy, private_certificate, running_proxy
from tests.sandbox_server import Sandbox

URL = "https://provider.test/api/v1"


@pytest.fixture(autouse=True)
def fresh_trust() -> None:
    http_clients._tls.cache_clear()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrivateCertificate:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    made = private_certificate(tmp_path, "provider.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


@pytest.fixture
async def proxy(certificate: PrivateCertificate, sandbox: Sandbox) -> AsyncIterator[Proxy]:
    async with running_proxy(certificate, urlsplit(sandbox.origin).port or 0) as running:
        yield running


async def reach(url: str = URL) -> None:
    client = OpenRouter(url, "key")
    try:
        await client.reachable()
    finally:
        await client.close()


@pytest.mark.parametrize(
    "moved",
    [
        http("", extra="Location: /api/v1/videos/2/content\r\n", status="302 Found"),
        http('{"url": "/api/v1/videos/2/content"}'),
    ],
)
async def test_a_video_that_is_at_another_address_is_fetched_through_the_proxy(
    certificate: PrivateCertificate, monkeypatch: pytest.MonkeyPatch, moved: bytes
) -> None:
    async with raw_server(http("film", kind="video/mp4")) as raw:
        raw.answers.append(moved)
        async with running_proxy(certificate, urlsplit(raw.url).port or 0) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url())
            client = OpenRouter(URL, "key")
            try:
                got = [chunk async for chunk in client.fetch_video("1")]
            finally:
                await client.close()
    assert b"".join(got) == b"film"
    assert raw.requests[1].startswith(b"GET /api/v1/videos/2/content")


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_provider_is_reached_through_the_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setenv(name, proxy.url(scheme))
    await reach()
    assert proxy.asked == ["provider.test:443"]


async def test_a_proxy_without_a_scheme_is_an_http_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    await reach()
    assert proxy.asked == ["provider.test:443"]


async def test_only_who_trusts_the_private_ca_goes_on_and_only_under_its_name(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url())
    assert isinstance(await error_of("https://other.test/"), httpx.ConnectError)
    monkeypatch.delenv("SSL_CERT_FILE")
    assert isinstance(await error_of(), httpx.ConnectError)


async def error_of(url: str = URL) -> httpx.HTTPError:
    http_clients._tls.cache_clear()
    client = http_client(outside=True)
    try:
        with pytest.raises(httpx.HTTPError) as caught:
            await client.post(url, content=b"{}")
        return caught.value
    finally:
        await client.aclose()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_refuses_or_is_gone_proves_that_nothing_was_sent(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    if scheme == "http":
        proxy.refuses = True
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        assert isinstance(await error_of(), NO_BYTES_SENT)
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:9")
    assert isinstance(await error_of(), NO_BYTES_SENT)
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:9")
    assert isinstance(await error_of(), NO_BYTES_SENT)


@pytest.mark.parametrize(
    "excepted", ["provider.test", ".test", "other.example, provider.test:443", "*"]
)
async def test_hosts_of_no_proxy_are_reached_directly(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url())
    monkeypatch.setenv("NO_PROXY", excepted)
    assert isinstance(await error_of(), httpx.ConnectError)
    assert proxy.asked == []


async def test_our_own_processes_are_reached_without_it(
    sandbox: Sandbox, certificate: PrivateCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    await reach(sandbox.url)
    assert (
        proxy_of("http://127.0.0.2:1/x")
        is proxy_of("http://[::1]:1/x")
        is proxy_of("http://localhost/x")
        is None
    )
    assert proxy_of("http://sandbox:8010/x") == "socks5://127.0.0.1:9"
    client = OpenRouter("http://sandbox.invalid:8010", "key", sandbox=True)
    with pytest.raises(ProviderError, match="unreachable"):
        await client.reachable()
    await client.close()
