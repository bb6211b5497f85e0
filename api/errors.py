"""The one tree of domain errors. Services raise them; `api/problems.py` turns them into HTTP once.

`code` and `reason` are the contract: they never change meaning, clients switch on them.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args

from api import reasons
from api.reasons import Making, Param, Reason
from api.schemas import Between, usd

R = TypeVar("R", bound=str)


class DomainError(Exception):
    """`params` are the facts in the sentence of the reason. `retry_after` is in seconds, where
    waiting helps. `charged_micro`: the amount that was booked all the same, in micro-dollars; None
    for an error before anything was paid."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    charged_micro: int | None = None

    def __init__(
        self, reason: Reason, *, retry_after: float | None = None, **params: Param
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.params: dict[str, str | int] = {
            name: f"{value:.6f}" if isinstance(value, Decimal) else value
            for name, value in params.items()
        }
        self.retry_after = retry_after

    @property
    def detail(self) -> str:
        """The English sentence of the reason."""
        return sentence(self.reason, self.params, self.code, getattr(self, "allowed", ()))

    def __str__(self) -> str:
        return self.detail


class Because(DomainError, Generic[R]):
    """One that is raised with reasons of its own only."""

    def __init__(self, reason: R, *, retry_after: float | None = None, **params: Param) -> None:
        super().__init__(cast(Reason, reason), retry_after=retry_after, **params)


class NotAuthenticated(Because[reasons.NotAuthenticatedReason]):
    code, status, title = "not_authenticated", 401, "Not signed in"


class NotAllowed(Because[reasons.NotAllowedReason]):
    code, status, title = "not_allowed", 403, "Not allowed"


class ReauthRequired(Because[reasons.ReauthRequiredReason]):
    """`POST /auth/reauth` with the password, then ask again."""

    code, status, title = "reauth_required", 403, "Enter your password again"


class SignupClosed(Because[reasons.SignupClosedReason]):
    code, status, title = "signup_closed", 403, "Sign-up is by invitation"


class NotFound(Because[reasons.NotFoundReason]):
    code, status, title = "not_found", 404, "Not found"


class NotLinked(Because[reasons.NotLinkedReason]):
    code, status, title = "not_linked", 404, "This chat is not linked to an account"


class InvalidRequest(
    Because[reasons.InvalidRequestReason | reasons.OptionUnsupportedReason | Making]
):
    """A value that is well-formed but cannot be used; `field` names it."""

    code, status, title = "invalid_request", 422, "The request is not valid"
    field: str | None = None

    def __init__(
        self,
        reason: reasons.InvalidRequestReason | Making,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        **params: Param,
    ) -> None:
        super().__init__(reason, retry_after=retry_after, **params)
        self.field = field


class OptionUnsupported(InvalidRequest):
    """`allowed` are the values that the model takes; none = it has no such option. `model` is its
    name."""

    code, title = "option_unsupported", "The model does not take this option"
    allowed: Sequence[str] | Between = ()

    def __init__(
        self,
        reason: reasons.OptionUnsupportedReason,
        *,
        field: str,
        model: str | None = None,
        allowed: Sequence[str] | Between = (),
    ) -> None:
        named: dict[str, Any] = {} if model is None else {"model": model}
        DomainError.__init__(self, reason, option=field, **named)
        self.field = field
        self.model = model
        self.allowed = allowed


class ModelUnavailable(Because[reasons.ModelUnavailableReason | Making]):
    """`model` is what was asked for, `allowed` are ids to choose from."""

    code, status, title = "model_unavailable", 422, "This model is not available"
    allowed: Sequence[str] = ()

    def __init__(
        self,
        reason: reasons.ModelUnavailableReason | Making,
        *,
        retry_after: float | None = None,
        allowed: Sequence[str] = (),
        **params: Param,
    ) -> None:
        super().__init__(reason, retry_after=retry_after, **params)
        self.allowed = allowed


class BudgetExceeded(Because[reasons.BudgetExceededReason]):
    code, status, title = "budget_exceeded", 402, "The budget is used up"


class PriceUnknown(Because[reasons.PriceUnknownReason]):
    code, status, title = "price_unknown", 409, "The price of this model is not known"


class ContentRefused(Because[Making]):
    code, status, title = "content_refused", 422, "The model refused this request"


class ConfirmCost(Because[reasons.ConfirmCostReason]):
    """It may cost more than the user wants to spend without being asked: the same request with
    `confirm: true` goes through. A chat's request is kept for a day as `draft_id`."""

    code, status, title = "confirm_cost", 409, "Please confirm the cost"

    def __init__(self, *, estimate_micro: int, draft_id: str | None = None) -> None:
        super().__init__("cost_above_wish", cost_usd=usd(estimate_micro))
        self.estimate_micro = estimate_micro
        self.draft_id = draft_id


class ProviderUnavailable(Because[Making]):
    code, status, title = "provider_unavailable", 502, "The AI provider could not do it"


class ProviderOutOfCredit(Because[Making]):
    code, status, title = (
        "provider_out_of_credit",
        502,
        "The AI provider's account is out of credit",
    )


class NoAnswer(Because[Making]):
    """The model was asked and ended without a word; `reason` says why. Asking again is paid
    again."""

    code, status, title = "no_answer", 502, "The model gave no answer"


class OutcomeUnknown(Because[Making]):
    """The provider was asked, and whether it did the work cannot be told. Never repeated
    automatically."""

    code, status, title = "outcome_unknown", 502, "The outcome is not known"


class RateLimited(Because[reasons.RateLimitedReason | Making]):
    code, status, title = "rate_limited", 429, "Too many requests"


class TooManyJobs(Because[reasons.TooManyJobsReason]):
    code, status, title = "too_many_jobs", 429, "Too many jobs at once"


class AlreadyFinished(Because[reasons.AlreadyFinishedReason]):
    code, status, title = "already_finished", 409, "Already finished"


class Conflict(Because[reasons.ConflictReason | Making]):
    code, status, title = "conflict", 409, "This conflicts with the present state"


class LastAdmin(Because[reasons.LastAdminReason]):
    code, status, title = "last_admin", 409, "The last admin has to stay"


class SetupDone(Because[reasons.SetupDoneReason]):
    code, status, title = "setup_done", 410, "Setup is already done"


class TooLarge(Because[reasons.TooLargeReason | Making]):
    code, status, title = "too_large", 413, "Too large"


class UnsupportedMedia(Because[reasons.UnsupportedMediaReason | Making]):
    code, status, title = "unsupported_media", 415, "This kind of file is not taken"


class StorageFull(Because[Making]):
    code, status, title = "storage_full", 507, "The server's storage is full"


class StorageUnavailable(Because[Making]):
    """The store for files does not answer, or refuses."""

    code, status, title = "storage_unavailable", 503, "The server's storage cannot be used"


class TimedOut(Because[Making]):
    code, status, title = "timed_out", 504, "It took too long"


def kept_error(code: str | None, reason: Reason, params: Mapping[str, Param]) -> DomainError:
    """A stored failure as an error again, without what its class is else told."""
    kind = BY_CODE.get(code or "", ProviderUnavailable)
    if issubclass(kind, ConfirmCost):
        kind = ProviderUnavailable
    error = kind.__new__(kind)
    DomainError.__init__(error, reason, **cast(dict[str, Any], params))
    return error


BY_CODE: dict[str, type[DomainError]] = {}
"""Each concrete error by its code: how a failed job's stored code becomes an error again."""


def _register(base: type[DomainError]) -> None:
    for child in base.__subclasses__():
        if hasattr(child, "code"):
            BY_CODE[child.code] = child
        _register(child)


_register(DomainError)


def reasons_of(kind: type[DomainError]) -> list[Reason]:
    """All that an error may be raised with, sorted."""
    if kind is OptionUnsupported:
        return sorted(get_args(reasons.OptionUnsupportedReason))
    found: set[Reason] = set()
    for given in get_args(kind.__orig_bases__[0]):  # type: ignore[attr-defined]
        for one in get_args(given):
            found.update(get_args(one) or (one,))
    return sorted(found)


def sentence(
    reason: Reason,
    params: Mapping[str, Param],
    code: str = "",
    allowed: Sequence[str] | Between = (),
) -> str:
    """The English sentence of a reason, with the values that are allowed instead."""
    facts = {
        name: _dollars(value) if name.endswith("_usd") else value for name, value in params.items()
    }
    if reason == "earlier":
        return str(facts.get("said") or reasons.NO_REASON)
    template = reasons.SENTENCES[reason]
    said = template % reasons.Facts(facts)
    if facts.get("said") and "%(said)s" not in template:
        said = f"{said.removesuffix('.')}: {facts['said']}"
    if isinstance(allowed, Between):
        return f"{said} Possible: {allowed.least} to {allowed.most}."
    if allowed:
        return f"{said} Possible: {', '.join(allowed)}."
    return f"{said} {reasons.NOT_REPEATED}" if code == "outcome_unknown" else said


def _dollars(value: Param) -> str:
    """`$0.40`, and `$0.0031` below a cent."""
    amount = Decimal(value)
    return f"${amount:.2f}" if amount >= Decimal("0.01") or not amount else f"${amount:.4f}"
