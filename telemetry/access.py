"""The readers of `/metrics`: programs of the allowed networks, and those with the scrape token."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from telemetry.settings import Network, TelemetrySettings

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""A request with one of these headers comes from somebody else than its connection says."""
_HERE = (ip_network("127.0.0.1/32"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Readers:
    token: str | None = None
    networks: tuple[Network, ...] = _HERE

    @classmethod
    def of(cls, settings: TelemetrySettings) -> "Readers":
        token = settings.metrics_token
        return cls(token.get_secret_value() if token else None, settings.networks)

    def is_allowed(self, host: str, headers: Collection[str], bearer: str | None) -> bool:
        """`headers` are the names of all headers, in lower case."""
        if self.token is not None and bearer is not None:
            return hmac.compare_digest(bearer.encode(), self.token.encode())
        if any(name in headers for name in FORWARDED):
            return False
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)
