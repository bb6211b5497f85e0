"""A failed provider call as one of our domain errors."""

from api.errors import BY_CODE, DomainError, ProviderUnavailable
from api.provider.types import ProviderError


def domain_error(error: ProviderError) -> DomainError:
    found = BY_CODE.get(error.code, ProviderUnavailable)(error.message)
    found.retry_after, found.reason = error.retry_after, error.reason or found.reason
    return found
