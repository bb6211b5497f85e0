"""The bodies and answers of `api.links.schemas`."""

from api.links.schemas import *
