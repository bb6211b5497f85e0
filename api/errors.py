"""The one tree of domain errors. Services raise them; `api/problems.py` turns them into HTTP once.

`code` is the contract: it never changes meaning, clients switch on it. `detail` is a sentence for a
person.
"""

from collections.abc import Sequence
from typing import ClassVar

from api.schemas import Between, Reason


class DomainError(Exception):
    """`retry_after` is in seconds, where waiting helps. `charged_micro`: what was booked all the
    same, in micro-dollars; None for an error before anything was paid."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    charged_micro: int | None = None
    usual_reason: ClassVar[Reason | None] = None

    def __init__(
        self, detail: str, *, retry_after: float | None = None, reason: Reason | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.reason = reason or self.usual_reason


class NotAuthenticated(DomainError):
    code, status, title = "not_authenticated", 401, "Not signed in"


class NotAllowed(DomainError):
    code, status, title = "not_allowed", 403, "Not allowed"


class ReauthRequired(DomainError):
    """`POST /auth/reauth` with the password, then ask again."""

    code, status, title = "reauth_required", 403, "Enter your password again"


class SignupClosed(DomainError):
    code, status, title = "signup_closed", 403, "Sign-up is by invitation"


class NotFound(DomainError):
    code, status, title = "not_found", 404, "Not found"


class NotLinked(DomainError):
    code, status, title = "not_linked", 404, "This chat is not linked to an account"


class InvalidRequest(DomainError):
    """A value that is well-formed but cannot be used; `field` names it. `reason` and `params` as in
    `FieldProblem`."""

    code, status, title = "invalid_request", 422, "The request is not valid"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        reason: str | None = None,
        **params: str | int,
    ) -> None:
        super().__init__(detail)
        self.field = field
        self.field_reason = reason
        self.params = {name: str(value) for name, value in params.items()}


class OptionUnsupported(InvalidRequest):
    """`allowed` are the values that the model takes; none = it has no such option. `model` is its
    name."""

    code, title = "option_unsupported", "The model does not take this option"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        model: str | None = None,
        allowed: Sequence[str] | Between = (),
    ) -> None:
        super().__init__(detail, field=field)
        self.model = model
        self.allowed = allowed


class ModelUnavailable(DomainError):
    """`model` is what was asked for, `allowed` are ids to choose from."""

    code, status, title = "model_unavailable", 422, "This model is not available"

    def __init__(
        self,
        detail: str,
        *,
        retry_after: float | None = None,
        model: str | None = None,
        allowed: Sequence[str] = (),
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.model = model
        self.allowed = allowed


class BudgetExceeded(DomainError):
    code, status, title = "budget_exceeded", 402, "The budget is used up"


class PriceUnknown(DomainError):
    code, status, title = "price_unknown", 409, "The price of this model is not known"


class ContentRefused(DomainError):
    code, status, title = "content_refused", 422, "The model refused this request"
    usual_reason = "safety"


class ConfirmCost(DomainError):
    """It may cost more than the user wants to spend without being asked: the same request with
    `confirm: true` goes through. A chat's request is kept for a day as `draft_id`."""

    code, status, title = "confirm_cost", 409, "Please confirm the cost"

    def __init__(self, detail: str, *, estimate_micro: int, draft_id: str | None = None) -> None:
        super().__init__(detail)
        self.estimate_micro = estimate_micro
        self.draft_id = draft_id


class ProviderUnavailable(DomainError):
    code, status, title = "provider_unavailable", 502, "The AI provider could not do it"


class ProviderOutOfCredit(DomainError):
    code, status, title = (
        "provider_out_of_credit",
        502,
        "The AI provider's account is out of credit",
    )
    usual_reason = "out_of_credit"


class NoAnswer(DomainError):
    """The model was asked and ended without a word; `reason` says why. Asking again is paid
    again."""

    code, status, title = "no_answer", 502, "The model gave no answer"


class OutcomeUnknown(DomainError):
    """The provider was asked, and whether it did the work cannot be told. Never repeated
    automatically."""

    code, status, title = "outcome_unknown", 502, "The outcome is not known"


class RateLimited(DomainError):
    code, status, title = "rate_limited", 429, "Too many requests"


class TooManyJobs(DomainError):
    code, status, title = "too_many_jobs", 429, "Too many jobs at once"


class AlreadyFinished(DomainError):
    code, status, title = "already_finished", 409, "Already finished"


class Conflict(DomainError):
    code, status, title = "conflict", 409, "This conflicts with the present state"


class LastAdmin(DomainError):
    code, status, title = "last_admin", 409, "The last admin has to stay"


class SetupDone(DomainError):
    code, status, title = "setup_done", 410, "Setup is already done"


class TooLarge(DomainError):
    code, status, title = "too_large", 413, "Too large"


class UnsupportedMedia(DomainError):
    code, status, title = "unsupported_media", 415, "This kind of file is not taken"


class StorageFull(DomainError):
    code, status, title = "storage_full", 507, "The server's storage is full"
    usual_reason = "storage_full"


class StorageUnavailable(DomainError):
    """The store for files does not answer, or refuses."""

    code, status, title = "storage_unavailable", 503, "The server's storage cannot be used"
    usual_reason = "storage_unavailable"


class TimedOut(DomainError):
    code, status, title = "timed_out", 504, "It took too long"
    usual_reason = "timed_out"


BY_CODE: dict[str, type[DomainError]] = {}
"""Each concrete error by its code: how a failed job's stored code becomes an error again."""


def _register(base: type[DomainError]) -> None:
    for child in base.__subclasses__():
        BY_CODE[child.code] = child
        _register(child)


_register(DomainError)
