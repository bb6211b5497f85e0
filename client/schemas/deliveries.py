"""The bodies and answers of `api.deliveries.schemas`."""

from api.deliveries.schemas import *
