"""The sandbox and a provider client that asks it."""

from tests.api.provider.conftest import _server, _whole, provider, sandbox

__all__ = ["_server", "_whole", "provider", "sandbox"]
