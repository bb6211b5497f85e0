"""What a failure at the provider means for its job: what it cost, and as which error it ends."""

from api.errors import ContentRefused, DomainError, OutcomeUnknown, ProviderUnavailable, TimedOut
from api.generations.store import Generation
from api.provider.types import ProviderError, VideoJob
from api.schemas import Reason


def billed(job: Generation, error: ProviderError) -> int | None:
    """What a failed paid call cost; None where only the provider knows."""
    if error.cost_micro is not None:
        return error.cost_micro
    if error.made:
        return job.estimate_micro
    return None if error.outcome == "unknown" else 0


def unknown_outcome(reason: Reason) -> OutcomeUnknown:
    return OutcomeUnknown(
        "Whether the provider made this is not known, because its answer did not arrive. It was "
        "not repeated. "
        "Ask again if you still want it.",
        reason=reason,
    )


def video_error(video: VideoJob) -> DomainError:
    said = f": {video.error}" if video.error else "."
    if video.refused:
        return ContentRefused(f"The provider refused this{said}")
    if video.state == "expired":
        return TimedOut("The provider gave up on this video because it took too long.")
    return ProviderUnavailable(
        f"The provider could not make this video{said}", reason="provider_failed"
    )
