"""The one factory of httpx clients. They run on aiohttp's transport, which is two to four times
faster with many connections."""

import ssl
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from api.provider.proxies import proxy_of
from api.version import USER_AGENT

KEPT_SECONDS = 15
"""An idle connection."""

NO_BYTES_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Errors that prove that the request never left us."""


def _honest(error: Exception) -> Exception:
    """The httpx error that says what is known.

    httpx-aiohttp calls every lost connection a ConnectTimeout, also one that broke after the
    request was sent; a paid call must tell these apart. It lets protocol errors of aiohttp through
    as they are.
    """
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    message = str(error) or type(error).__name__
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout(message)
    if isinstance(cause, aiohttp.ServerTimeoutError):
        return httpx.ReadTimeout(message)
    if isinstance(cause, aiohttp.ClientConnectorError):
        return httpx.ConnectError(message)
    if isinstance(cause, aiohttp.ClientConnectionError):
        return httpx.ReadError(message)
    if isinstance(cause, aiohttp.InvalidURL):
        return httpx.UnsupportedProtocol(message)
    if isinstance(cause, aiohttp.ClientPayloadError):
        return httpx.ReadError(message)
    if isinstance(cause, aiohttp.ClientError):
        return httpx.RemoteProtocolError(message)
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
    """`outside`: through the proxy that the environment names for an address."""

    def __init__(self, connections: int, *, outside: bool) -> None:
        self._connections = connections
        self._outside = outside
        self._ways: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = proxy_of(str(request.url)) if self._outside else None
        try:
            if proxy not in self._ways:
                self._ways[proxy] = self._through(proxy)
            response = await self._ways[proxy].handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise _honest(error) from error
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Stream(response.stream)
        return response

    def _through(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        if proxy is None:
            return AiohttpTransport(verify=_tls(), client=self._session, trust_env=False)
        # httpx's own: of the two, only it speaks SOCKS too, and says of each failure whether
        # anything was sent
        limits = httpx.Limits(max_connections=self._connections, keepalive_expiry=KEPT_SECONDS)
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
            limit=self._connections, keepalive_timeout=KEPT_SECONDS, ssl=_tls()
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def aclose(self) -> None:
        for way in self._ways.values():
            await way.aclose()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once a process. `SSL_CERT_FILE` and
    `SSL_CERT_DIR` name others."""
    return httpx.create_ssl_context()


def http_client(
    *,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
    connections: int = 200,
    outside: bool = False,
) -> httpx.AsyncClient:
    """A client without redirects and cookies, and without a proxy but for calls to the `outside`.
    Close it on the loop that used it."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"User-Agent": USER_AGENT, **(headers or {})},
        timeout=timeout if timeout is not None else httpx.Timeout(30, connect=10),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=_Transport(connections, outside=outside),
    )
