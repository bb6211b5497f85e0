"""The bodies and answers of `api.text.schemas`."""

from api.text.schemas import *
