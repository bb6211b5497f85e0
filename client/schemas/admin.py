"""The bodies and answers of `api.admin.schemas`."""

from api.admin.schemas import *
