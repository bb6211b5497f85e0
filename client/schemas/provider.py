"""The options and capabilities of `api.provider.schemas`."""

from api.provider.schemas import *
