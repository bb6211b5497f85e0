"""The proxy that the environment names for the outside world, for bots as for the API. The API
itself is never asked through one."""

from api.proxies import proxy_of

__all__ = ["proxy_of"]
