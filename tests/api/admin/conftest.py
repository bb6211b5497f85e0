"""The account services (`world`) for the tests of this folder."""

from tests.api.auth.world import world

__all__ = ["world"]
