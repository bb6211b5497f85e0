"""The bot's connections to Discord: direct, or through the proxy that the environment names."""

import ssl
from typing import Any

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from client.proxies import proxy_of


def connector_for(url: str) -> aiohttp.TCPConnector:
    """The connector for all calls to Discord, its gateway and its files too. Needs a running
    loop."""
    trust = ssl.create_default_context()
    proxy = proxy_of(url)
    if proxy is None:
        return aiohttp.TCPConnector(limit=0, ssl=trust)
    scheme, _, place = proxy.partition("://")
    if scheme == "https":
        return _Tunnel.from_url(f"http://{place}", limit=0, ssl=trust, proxy_ssl=trust)
    return _Tunnel.from_url(f"{scheme.removesuffix('h')}://{place}", limit=0, ssl=trust)


class _Tunnel(ProxyConnector):
    """Connections through a proxy. One that does not let us through raises the error of a
    connection that could not be made."""

    async def _wrap_create_connection(
        self, *args: Any, req: aiohttp.ClientRequest, **kwargs: Any
    ) -> Any:
        try:
            return await super()._wrap_create_connection(*args, req=req, **kwargs)
        except ProxyTimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(str(error)) from error
        except (ProxyError, ProxyConnectionError, OSError) as error:
            raise aiohttp.ClientProxyConnectionError(
                req.connection_key, OSError(str(error))
            ) from error
