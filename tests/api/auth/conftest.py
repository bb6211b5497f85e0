"""The world of accounts, for these tests."""

from tests.api.auth.world import world

__all__ = ["world"]
