"""The bodies and answers of `api.check_up.schemas`."""

from api.check_up.schemas import *
