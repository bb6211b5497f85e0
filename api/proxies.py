"""The proxy that the environment names for the outside world, as curl reads it. Our own processes
are never asked through one."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_PORTS = {"http": ":80", "https": ":443"}


def proxy_of(url: str) -> str | None:
    """By `HTTPS_PROXY` or `HTTP_PROXY`, else `ALL_PROXY`; None for what `NO_PROXY` names and for
    this machine."""
    named = getproxies()
    parts = urlsplit(url)
    proxy = named.get(parts.scheme) or named.get("all")
    place = parts.netloc.rpartition("@")[2] + ("" if parts.port else _PORTS.get(parts.scheme, ""))
    if not proxy or _is_here(parts.hostname or "") or proxy_bypass(place):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
