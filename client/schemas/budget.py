"""The bodies and answers of `api.budget.schemas`."""

from api.budget.schemas import *
