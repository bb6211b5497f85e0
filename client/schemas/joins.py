"""The bodies and answers of `api.joins.schemas`."""

from api.joins.schemas import *
