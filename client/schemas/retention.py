"""The bodies and answers of `api.retention.schemas`."""

from api.retention.schemas import *
