"""The one factory of httpx clients. They run on aiohttp's transport, which is two to four times faster with many connections."""

import ssl
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

NO_BYTES_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors that prove that the request never left us."""


def _honest(error: Exception) -> Exception:
    """The httpx error that says what is known.

    httpx-aiohttp calls every lost connection a ConnectTimeout, also one that broke after the request was sent; a paid call must tell these
    apart. It lets protocol errors of aiohttp through as they are.
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


class _Transport(AiohttpTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise _honest(error) from error
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Stream(response.stream)
        return response


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once a process."""
    return httpx.create_ssl_context(trust_env=False)


def http_client(
    *, base_url: str = "", headers: Mapping[str, str] | None = None, timeout: httpx.Timeout | None = None, connections: int = 200
) -> httpx.AsyncClient:
    """A client without redirects, cookies and proxies of the environment. Close it on the loop that used it."""

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=15, ssl=_tls())
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    transport = _Transport(verify=_tls(), client=session, trust_env=False)
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=timeout if timeout is not None else httpx.Timeout(30, connect=10),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=transport,
    )
