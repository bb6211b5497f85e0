"""The bodies and answers of `api.bots.schemas`."""

from api.bots.schemas import *
