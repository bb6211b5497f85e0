"""The bodies and answers of `api.generations.schemas`."""

from api.generations.schemas import *
