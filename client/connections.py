"""The one place that makes HTTP clients for the API. They carry passwords and tokens: no redirect
and no proxy of the environment gets to see those."""

import ssl
from functools import lru_cache

import httpx

from api.version import USER_AGENT, VERSION

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
MAX_CONNECTIONS = 200
KEPT_OPEN = 40


def open_http(
    api_url: str, agent: str = "allucanget", timeout: httpx.Timeout = TIMEOUT
) -> httpx.Client:
    """For `client.sync`. `agent` is the name by which the API knows the program, `timeout` counts
    where a call has none of its own."""
    return httpx.Client(
        base_url=api_url,
        timeout=timeout,
        # without an end: who reads a file slowly must not keep others waiting for a connection
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_OPEN),
        headers={"user-agent": f"{agent}/{VERSION}"},
        verify=_tls(is_https=api_url.startswith("https:")),
        trust_env=False,
    )


def open_async_http(api_url: str) -> httpx.AsyncClient:
    """For `client.asynchronous`."""
    from httpx_aiohttp import AiohttpTransport

    return httpx.AsyncClient(
        base_url=api_url,
        transport=AiohttpTransport(
            verify=_tls(is_https=api_url.startswith("https:")),
            trust_env=False,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
        ),
        timeout=TIMEOUT,
        headers={"user-agent": USER_AGENT},
        trust_env=False,
    )


@lru_cache(maxsize=2)
def _tls(*, is_https: bool) -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once a process, and only where one is
    looked at."""
    return httpx.create_ssl_context() if is_https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
