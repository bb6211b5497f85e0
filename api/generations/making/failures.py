"""The meaning of a provider's failure for a generation: its cost, and the error with which it
ends."""

from typing import Any, cast

from api.errors import ContentRefused, DomainError, ProviderUnavailable, TimedOut
from api.generations.store import Generation
from api.provider.types import ProviderError, VideoJob
from api.reasons import MAKING, Making


def billed(row: Generation, error: ProviderError) -> int | None:
    """Return the cost of a failed paid call; None where only the provider knows it."""
    if error.cost_micro is not None:
        return error.cost_micro
    if error.made:
        return row.estimate_micro
    return None if error.outcome == "unknown" else 0


def cause(error: DomainError, otherwise: Making) -> Making:
    """Return the reason why a file cannot be used, or `otherwise`."""
    return cast(Making, error.reason) if error.reason in MAKING else otherwise


def video_error(video: VideoJob) -> DomainError:
    said: dict[str, Any] = {"said": video.error} if video.error else {}
    if video.refused:
        return ContentRefused("safety", **said)
    if video.state == "expired":
        return TimedOut("timed_out")
    return ProviderUnavailable("provider_failed", **said)
