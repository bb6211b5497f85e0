"""The bodies and answers of `api.users.schemas`."""

from api.users.schemas import *
