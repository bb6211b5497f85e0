"""The bodies and answers of `api.places.schemas`."""

from api.places.schemas import *
