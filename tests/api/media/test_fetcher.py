"""Addresses from users: only the open internet, only the address that was checked, only a limited
size."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.errors import InvalidRequest, ProviderUnavailable, TooLarge
from api.media import fetcher
from api.media.fetcher import ImageFetcher, is_public, resolve
from tests.fakes.proxy import private_certificate, running_proxy

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_on_the_open_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"]
)
def test_an_address_on_the_open_internet(address: str) -> None:
    assert is_public(address)


def resolving(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def answer(host: str, port: int) -> Sequence[str]:
        return addresses

    return answer


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "//example.org/a.png",
        "https:///a.png",
        "https:example.org",
        "https://",
        "https://example.org:8443/a.png",
        "https://example.org:99999/a.png",
        "https://user:secret@example.org/a.png",
        "https://example.org\\@127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[",
        " https://example.org/",
        "https://example.org/\r\nHost: a",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://example.org/" + "a" * 2048,
    ],
)
async def test_an_address_that_is_not_even_looked_up(url: str) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError("it was looked up")

    with pytest.raises(InvalidRequest) as refused:
        await ImageFetcher(resolve=never).fetch(url)
    assert refused.value.field == "image_url"


@pytest.mark.parametrize(
    "addresses", [(), ("127.0.0.1",), ("::ffff:127.0.0.1", "2606:4700:4700::1111")]
)
async def test_a_name_that_leads_inside(addresses: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="could not be fetched"):
        await ImageFetcher(resolve=resolving(*addresses)).fetch("https://example.org/a.png")


async def test_a_name_of_this_machine_resolves_to_what_is_refused() -> None:
    addresses = await resolve("localhost", 443)
    assert addresses
    assert not any(is_public(address) for address in addresses)


@dataclass
class Site:
    """An https server for `site.test` on loopback that answers with the next of `answers`, and
    every further request with `answer`."""

    port: int
    trust: ssl.SSLContext
    requests: list[bytes] = field(default_factory=list)
    answer: bytes = b""
    answers: list[bytes] = field(default_factory=list)
    hang: bool = False
    drips: bool = False
    """Sends a header that does not end, byte by byte, until the client has `left`."""
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def fetcher(self, *addresses: str, **options: float) -> ImageFetcher:
        lookups = iter([addresses or ("127.0.0.1",)])  # a second look-up would fail
        return ImageFetcher(
            resolve=lambda host, port: asyncio.sleep(0, next(lookups)),
            is_allowed=lambda address: address == "127.0.0.1",
            trust=self.trust,
            port=self.port,
            **options,
        )

    def url(self, host: str = "site.test", path: str = "/a.png?b=1") -> str:
        return f"https://{host}:{self.port}{path}"


@asynccontextmanager
async def running_site(folder: Path) -> AsyncIterator[Site]:
    certificate = private_certificate(folder, "site.test")
    site: Site

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        site.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if site.drips:
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not reader.at_eof():
                writer.write(b"x")
                await asyncio.sleep(0.05)
            site.left.set()
        if site.hang:
            await reader.read()
        writer.write(site.answers.pop(0) if site.answers else site.answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.server)
    site = Site(
        server.sockets[0].getsockname()[1], ssl.create_default_context(cafile=str(certificate.path))
    )
    async with server:
        yield site


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n{headers}\r\n".encode()
        + body
    )


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_is_told_the_checked_address_and_the_name_is_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    certificate = private_certificate(tmp_path, "site.test")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"the image"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    async with server, running_proxy(certificate, server.sockets[0].getsockname()[1]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url(scheme))
        fetcher = ImageFetcher(resolve=resolving("93.184.216.34"))
        assert await fetcher.fetch("https://site.test/a.png") == b"the image"
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await fetcher.fetch("https://other.test/a.png")
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await ImageFetcher(resolve=resolving("127.0.0.1")).fetch("https://site.test/a.png")
        assert proxy.asked == ["93.184.216.34:443"] * 2


async def test_it_fetches_from_the_checked_address_under_the_right_name(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"the image")
        assert await site.fetcher().fetch(site.url()) == b"the image"
        head = site.requests[0].decode().lower()
        assert head.startswith("get /a.png?b=1 http/1.1")
        assert f"host: site.test:{site.port}" in head
        assert "accept-encoding: identity" in head


async def test_one_bad_address_of_a_name_is_enough_to_ask_none(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"the image")
        with pytest.raises(InvalidRequest):
            await site.fetcher("127.0.0.1", "10.0.0.1").fetch(site.url())
        assert site.requests == []


async def test_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"the image")
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await site.fetcher().fetch(site.url("other.test"))
        assert site.requests == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("302 Found", "Location: https://127.0.0.1/\r\n"),
        ("404 Not Found", ""),
        ("500 Oops", ""),
        ("200 OK", "Content-Encoding: gzip\r\n"),
    ],
)
async def test_anything_but_a_plain_answer_is_refused(
    tmp_path: Path, status: str, headers: str
) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"x", status, headers)
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await site.fetcher().fetch(site.url())
        assert len(site.requests) == 1


async def test_the_size_is_counted_while_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "IMAGE_MAX", 1000)
    async with running_site(tmp_path) as site:
        site.answer = answer(b"x" * 1001)
        with pytest.raises(TooLarge):
            await site.fetcher().fetch(site.url())


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        site.hang = True
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await site.fetcher(total_seconds=0.3).fetch(site.url())


async def test_a_server_that_sends_little_by_little_is_given_up(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site, asyncio.timeout(9):
        site.drips = True
        with pytest.raises(InvalidRequest, match="could not be fetched"):
            await site.fetcher(total_seconds=0.3).fetch(site.url())
        await site.left.wait()


async def streamed(fetcher: ImageFetcher, url: str, most: int = 1000) -> bytes:
    return b"".join([chunk async for chunk in fetcher.stream(url, most)])


def everywhere(site: Site, **options: float) -> ImageFetcher:
    """Return a fetcher to which every name has the address of `site`."""
    return ImageFetcher(
        resolve=resolving("127.0.0.1"),
        is_allowed="127.0.0.1".__eq__,
        trust=site.trust,
        port=site.port,
        **options,
    )


async def test_a_file_elsewhere_is_streamed_through_a_redirect_and_without_its_compression(
    tmp_path: Path,
) -> None:
    async with running_site(tmp_path) as site:
        site.answers = [
            answer(b"", "302 Found", "Location: /b.mp4?signed=1\r\n"),
            answer(gzip.compress(b"the video"), headers="Content-Encoding: gzip\r\n"),
        ]
        assert await streamed(everywhere(site), site.url()) == b"the video"
        assert site.requests[1].startswith(b"GET /b.mp4?signed=1 ")


@pytest.mark.parametrize(
    "target",
    [
        "http://site.test/b",
        "https://169.254.169.254/b",
        "https://10.0.0.1.nip.io:1/b",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_has_to_pass_the_same_guard(tmp_path: Path, target: str) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"", "302 Found", f"Location: {target}\r\n")
        with pytest.raises(InvalidRequest):
            await streamed(everywhere(site), site.url())
        assert len(site.requests) == 1


async def test_redirects_end_and_so_do_files(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        site.answer = answer(b"", "302 Found", "Location: /a.png\r\n")
        with pytest.raises(InvalidRequest, match="on and on"):
            await streamed(everywhere(site), site.url())
        assert len(site.requests) == fetcher.PLACES_MAX
        site.answer = answer(gzip.compress(bytes(5000)), headers="Content-Encoding: gzip\r\n")
        with pytest.raises(TooLarge):
            await streamed(everywhere(site), site.url())
        site.answer = answer(b"x")
        with pytest.raises(TooLarge):
            await streamed(everywhere(site, stream_seconds=-1), site.url())
        site.answer = answer(b"gone", "410 Gone")
        with pytest.raises(ProviderUnavailable, match="could not be fetched"):
            await streamed(everywhere(site), site.url())
