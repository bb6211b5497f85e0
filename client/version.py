"""The version of the product, for the programs that know nothing of the api."""

from api.version import VERSION

__all__ = ["VERSION"]
