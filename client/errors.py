"""The one error of the client: the API has refused, or gave no answer that can be understood."""

from contextlib import suppress
from decimal import Decimal

import httpx
from pydantic import ValidationError

from client.schemas import Out, Problem
from client.schemas.generations import ErrorOut

API_UNAVAILABLE = "api_unavailable"
BAD_ANSWER = "bad_answer"
TOO_SLOW = "too_slow"
"""The request took so long that its old tokens could pass for stolen ones, so it was not sent."""
NOT_KNOWN = "not_known"
"""The API has not said for a long time what became of a request."""
UNANSWERED = {API_UNAVAILABLE, BAD_ANSWER}
SILENT = {API_UNAVAILABLE, "database_unavailable"}
GATEWAY = {502, 503, 504}
"""Statuses of a proxy that does not reach the API."""
UNAVAILABLE = 503
UNANSWERABLE = 400


class _Refusal(Out):
    """A problem document of another version of the API, without the reason."""

    code: str
    detail: str
    charged_usd: Decimal | None = None
    retry_after: float | None = None
    cost_usd: Decimal | None = None
    draft_id: str | None = None


class ApiError(Exception):
    """The API refused or could not be asked.

    `code`: the API's own, `api_unavailable`, `bad_answer`, `too_slow` or `not_known`. `status`
    is 503 without a refusal. `problem` is all that the API has said; its reason is `earlier` where
    that is one of another version. `request_id`: by this name the API's log knows the request.
    `unsent`: the API has certainly not got it. `fields`: the refused fields, each with its reason.
    With `confirm_cost`, `cost` is the most that it may cost in dollars, and `draft_id` what can be
    confirmed. `charged`: the dollars that were booked all the same.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = UNAVAILABLE,
        problem: Problem | None = None,
        retry_after: float | None = None,
        request_id: str = "",
        unsent: bool = False,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.problem = problem
        self.retry_after = problem.retry_after if problem else retry_after
        self.request_id = request_id
        self.unsent = unsent
        self.fields = (problem.fields if problem else None) or []
        self.cost = problem.cost_usd if problem else None
        self.charged = problem.charged_usd if problem else None
        self.draft_id = problem.draft_id if problem else None

    @property
    def unanswered(self) -> bool:
        """Nobody knows whether the API did what was asked."""
        return self.code in UNANSWERED

    @property
    def silent(self) -> bool:
        """The API is away for a while, or what it needs is: asking again helps."""
        return self.code in SILENT

    @property
    def busy(self) -> bool:
        """The API is answering the same request already."""
        return self.code == "conflict" and self.retry_after is not None

    @property
    def refuses_session(self) -> bool:
        """The API has said that nobody is signed in with these tokens."""
        return self.status == httpx.codes.UNAUTHORIZED and not self.unanswered

    @property
    def needs_person(self) -> bool:
        """Before anything else the person has to sign in, or to enter the password."""
        return self.refuses_session or self.code == "reauth_required"


def unavailable(error: BaseException, *, unsent: bool = False) -> ApiError:
    """The transport has failed."""
    return ApiError(API_UNAVAILABLE, f"{type(error).__name__}: {error}", unsent=unsent)


def too_slow() -> ApiError:
    """The error of a request that may not renew its tokens any more."""
    return ApiError(TOO_SLOW, "the request took too long", status=UNANSWERABLE, unsent=True)


def refused(response: httpx.Response) -> ApiError:
    """The error that an answer stands for; its body must have been read."""
    status, request_id = response.status_code, response.headers.get("x-request-id", "")
    problem = _problem(response)
    if problem is not None:
        return ApiError(
            problem.code, problem.detail, status=status, problem=problem, request_id=request_id
        )
    said = f"The api answered with {status}."
    if status in GATEWAY:
        return ApiError(API_UNAVAILABLE, said, request_id=request_id)
    return ApiError(BAD_ANSWER, said, status=status, request_id=request_id)


def _problem(response: httpx.Response) -> Problem | None:
    with suppress(ValidationError):
        return Problem.model_validate_json(response.content)
    with suppress(ValidationError):
        other = _Refusal.model_validate_json(response.content)
        return Problem(
            title="",
            status=response.status_code,
            reason="earlier",
            params={"said": other.detail},
            **other.model_dump(),
        )
    return None


def broken_off(error: ErrorOut, retry_after: float | None) -> ApiError:
    """The error that the last event of a stream stands for."""
    problem = Problem(
        title=error.code,
        status=0,
        detail=error.message,
        code=error.code,
        reason=error.reason,
        params=error.params,
        charged_usd=error.charged_usd,
        retry_after=retry_after,
    )
    return ApiError(error.code, error.message, problem=problem)
