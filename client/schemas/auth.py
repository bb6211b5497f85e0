"""The bodies and answers of `api.auth.schemas`."""

from api.auth.schemas import *
