"""The factory of httpx clients. They run on aiohttp's transport, which is two to four times faster
with many connections."""

import ssl
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from api.proxies import proxy_of
from api.version import USER_AGENT

IDLE_SECONDS = 15
"""Life of an idle connection."""
PLACES_KEPT = 64
"""The number of hosts whose proxy is looked up only once."""

NO_BYTES_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Errors that prove that the request never left us."""


_HONEST: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientPayloadError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
"""The httpx error for each of aiohttp's, subclasses first."""


def _honest(error: Exception) -> Exception:
    """Return the httpx error that tells whether the request was sent.

    httpx-aiohttp raises ConnectTimeout for every lost connection, also for one that broke after the
    request was sent; a paid call must tell these apart. It lets protocol errors of aiohttp through
    as they are.
    """
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    for theirs, ours in _HONEST:
        if isinstance(cause, theirs):
            return ours(str(error) or type(error).__name__)
    return error


class _Stream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise _honest(error) from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """Takes the proxy that the environment names for an address, when `outside`."""

    def __init__(self, connections: int, *, outside: bool) -> None:
        self._connections = connections
        self._outside = outside
        self._routes: dict[str | None, httpx.AsyncBaseTransport] = {}
        # to look through the environment takes longer than to write a request
        self._proxy_of = lru_cache(PLACES_KEPT)(proxy_of)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxy_of(_origin(request.url)) if self._outside else None
        try:
            if proxy not in self._routes:
                self._routes[proxy] = self._through(proxy)
            response = await self._routes[proxy].handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise _honest(error) from error
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Stream(response.stream)
        return response

    def _through(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        if proxy is None:
            return AiohttpTransport(verify=_tls(), client=self._session, trust_env=False)
        # httpx's own transport: only it speaks SOCKS, and tells with each failure of a proxy
        # whether anything was sent
        limits = httpx.Limits(max_connections=self._connections, keepalive_expiry=IDLE_SECONDS)
        try:
            return httpx.AsyncHTTPTransport(
                verify=_tls(), trust_env=False, limits=limits, proxy=proxy
            )
        except ValueError as error:
            raise httpx.ProxyError(
                f"The proxy of the environment cannot be used: {error}"
            ) from error

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections, keepalive_timeout=IDLE_SECONDS, ssl=_tls()
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def aclose(self) -> None:
        for route in self._routes.values():
            await route.aclose()


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}/"


class _Client(httpx.AsyncClient):
    """Sends each request as it is. Cookies, logins, redirects and hooks of httpx, none of which we
    use, are left out: they take as long as the call itself."""

    def __init__(self, transport: httpx.AsyncBaseTransport, **options: Any) -> None:
        super().__init__(transport=transport, trust_env=False, **options)
        self._sender = transport

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **_: Any
    ) -> httpx.Response:
        if self.is_closed:
            raise RuntimeError("The client is closed.")
        try:
            response = await self._sender.handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        response.request = request  # the address of the response is that of its request
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Read the certificates once a process, because it takes tens of milliseconds. `SSL_CERT_FILE`
    and `SSL_CERT_DIR` name others."""
    return httpx.create_ssl_context()


def http_client(
    *,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
    connections: int = 200,
    outside: bool = False,
) -> httpx.AsyncClient:
    """Make a client without redirects and cookies; only one for the `outside` uses proxies.
    Close it on the loop that used it."""
    return _Client(
        _Transport(connections, outside=outside),
        base_url=base_url,
        headers={"User-Agent": USER_AGENT, **(headers or {})},
        timeout=timeout if timeout is not None else httpx.Timeout(30, connect=10),
    )
