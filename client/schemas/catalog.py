"""The bodies and answers of `api.catalog.schemas`."""

from api.catalog.schemas import *
