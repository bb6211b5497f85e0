"""An api on one engine, for the tests of recordings and speech."""

from tests.api.text.conftest import ana, api, database_url

__all__ = ["ana", "api", "database_url"]
