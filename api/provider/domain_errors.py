"""The domain error for a failed provider call."""

from api.errors import BY_CODE, DomainError, ProviderUnavailable
from api.provider.types import ProviderError


def domain_error(error: ProviderError) -> DomainError:
    said = {"said": error.said} if error.said else {}
    kind = BY_CODE.get(error.code, ProviderUnavailable)
    return kind(error.reason, retry_after=error.retry_after, **said)
