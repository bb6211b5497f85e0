"""The world of accounts, for these tests."""

from tests.auth.world import world

__all__ = ["world"]
