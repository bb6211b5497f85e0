"""The fetcher of addresses from users and from the provider's answers, which reaches nothing in our
network.

The name is resolved once, all its addresses are checked, and the connection goes to a checked
address, because a second look-up could give another one. Every failure has the same reason for the
user, which tells nothing about our network.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx
import structlog

from api.errors import InvalidRequest, ProviderUnavailable, TooLarge
from api.proxies import proxy_of
from api.version import USER_AGENT

log = structlog.get_logger("fetcher")

IMAGE_MAX = 10_000_000
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
STREAM_SECONDS = 600.0
PLACES_MAX = 4
"""An address with its redirects."""


_DENIED = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "64:ff9b::/96",  # NAT64: an IPv4 address inside
        "64:ff9b:1::/48",
        "::/96",  # IPv4-compatible
        "fec0::/10",  # site-local
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4: an IPv4 address inside
    )
)
"""Networks that Python's `is_global` wrongly lets pass, or that carry another address inside."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def is_public(address: str) -> bool:
    """Return whether an address is on the open internet; False also for text that is none."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    return not any(ip.version == network.version and ip in network for network in _DENIED)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return all addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class ImageFetcher:
    """The arguments are for tests, which have no open internet and bring names, trust and port of
    their own."""

    def __init__(
        self,
        *,
        resolve: Resolve = resolve,
        is_allowed: Callable[[str], bool] = is_public,
        trust: ssl.SSLContext | None = None,
        port: int = 443,
        total_seconds: float = TOTAL_SECONDS,
        stream_seconds: float = STREAM_SECONDS,
    ) -> None:
        self._resolve = resolve
        self._is_allowed = is_allowed
        self._trust = trust
        self._port = port
        self._total_seconds = total_seconds
        self._stream_seconds = stream_seconds

    async def fetch(self, url: str) -> bytes:
        """Fetch up to 10 MB of any content. Raises `InvalidRequest` or `TooLarge`."""
        parts = self._checked(url)
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(self._total_seconds):
                return await self._get(parts, host, await self._address(host))
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # TimeoutError is an OSError
            log.info("image_not_fetched", host=host, error=repr(error))
            raise InvalidRequest("address_not_fetched", field="image_url") from error

    def _checked(self, url: str) -> SplitResult:
        if not url.isascii() or not url.isprintable() or {" ", "\\"} & {*url} or len(url) > 2048:
            raise InvalidRequest("address_not_https", field="image_url")
        try:
            parts = urlsplit(url)
            port = parts.port or 443
        except ValueError as error:
            raise InvalidRequest("address_not_https", field="image_url") from error
        if parts.scheme != "https" or not parts.hostname:
            raise InvalidRequest("address_not_https", field="image_url")
        if port != self._port or parts.username is not None or parts.password is not None:
            raise InvalidRequest("address_not_plain", field="image_url")
        if ":" in parts.hostname or parts.hostname.rpartition(".")[2].isdigit():
            raise InvalidRequest("address_not_plain", field="image_url")
        return parts

    async def _address(self, host: str) -> str:
        """Return the first address of the name, when all of them are allowed."""
        addresses = await self._resolve(host, self._port)
        if not addresses or not all(self._is_allowed(address) for address in addresses):
            log.warning("image_address_refused", host=host, addresses=list(addresses))
            raise InvalidRequest("address_not_fetched", field="image_url")
        return addresses[0]

    async def _get(self, parts: SplitResult, host: str, address: str) -> bytes:
        headers = {
            "Accept": "image/png, image/jpeg, image/webp, image/*;q=0.8",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
        }
        async with self._opened(parts, host, address, headers) as response:
            is_plain = response.headers.get("content-encoding", "identity") == "identity"
            if response.status_code != 200 or not is_plain:
                log.info("image_not_fetched", host=host, status=response.status_code)
                raise InvalidRequest("address_not_fetched", field="image_url")
            return await _all(response.aiter_raw())

    async def stream(self, url: str, most: int) -> AsyncIterator[bytes]:
        """Yield the content in chunks, up to `most` bytes, through redirects to allowed addresses.
        Raises `InvalidRequest`, `TooLarge`, and `ProviderUnavailable` when another try may
        help."""
        clock = asyncio.get_running_loop().time
        until, count = clock() + self._stream_seconds, 0
        try:
            for _ in range(PLACES_MAX):
                parts = self._checked(url)
                host = parts.hostname or ""
                async with self._opened(
                    parts, host, await self._address(host), {"Accept": "*/*"}
                ) as response:
                    if response.has_redirect_location:
                        url = urljoin(url, response.headers["location"])
                        continue
                    response.raise_for_status()
                    async for chunk in response.aiter_bytes():
                        count += len(chunk)
                        if count > most or clock() > until:
                            raise TooLarge("file_too_large", megabytes=most // 1_000_000)
                        yield chunk
                    return
            raise InvalidRequest("address_leads_on", field="image_url")
        except (httpx.HTTPError, OSError, ValueError) as error:
            log.info("file_not_fetched", error=type(error).__name__)
            raise ProviderUnavailable("not_fetched") from error

    @asynccontextmanager
    async def _opened(
        self, parts: SplitResult, host: str, address: str, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Connect to `address` and require the certificate of `host`."""
        literal = f"[{address}]" if ":" in address else address
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}".encode()
        target = httpx.URL(scheme="https", host=literal, port=self._port, raw_path=path)
        name = host if self._port == 443 else f"{host}:{self._port}"
        # httpx's own transport: only it keeps the certificate's name apart from the address. A
        # proxy gets the checked address, which httpx would take for the name: it is forced.
        client = httpx.AsyncClient(
            trust_env=False,
            proxy=proxy_of(f"https://{host}"),
            follow_redirects=False,
            verify=self._trust or _NamedServer(host),
            timeout=httpx.Timeout(10, connect=CONNECT_SECONDS),
        )
        sent = {"Host": name, **headers}
        async with (
            client,
            client.stream(
                "GET", target, headers=sent, extensions={"sni_hostname": host}
            ) as response,
        ):
            yield response


class _NamedServer(ssl.SSLContext):
    """The usual trust, for a server of one name at any address."""

    def __new__(cls, name: str) -> "_NamedServer":
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, name: str) -> None:
        self._name = name
        self.load_default_certs()

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        *_: object,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self._name)


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > IMAGE_MAX:
            raise TooLarge("file_too_large", megabytes=IMAGE_MAX // 1_000_000)
    return bytes(data)
