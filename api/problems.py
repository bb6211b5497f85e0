"""Errors as RFC 9457 problem documents: the one place where they become HTTP."""

from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from structlog import get_logger

from api import errors
from api.db import DbUnavailable
from api.reasons import Reason
from api.schemas import Between, FieldProblem, Problem, usd
from telemetry.requests import request_id

log = get_logger("http")

_PLAIN: dict[int, tuple[str, Reason]] = {
    400: ("invalid_request", "body_unreadable"),
    401: ("not_authenticated", "sign_in_first"),
    403: ("not_allowed", "admins_only"),
    404: ("not_found", "address_unknown"),
    405: ("method_not_allowed", "method_unknown"),
    408: ("timed_out", "request_too_slow"),
    413: ("too_large", "request_too_large"),
    416: ("range_not_satisfiable", "range_unknown"),
    431: ("too_large", "request_too_large"),
}
_OTHER: tuple[str, Reason] = ("invalid_request", "request_wrong")
_LIMITS = {"ge", "le", "gt", "lt", "min_length", "max_length"}
"""The facts of a validation error that are told: never the value."""


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def problem_of(error: errors.DomainError) -> Problem:
    fields = None
    if isinstance(error, errors.InvalidRequest) and error.field:
        said, reason, params = error.detail, error.reason, error.params or None
        fields = [FieldProblem(field=error.field, message=said, reason=reason, params=params)]
    problem = Problem(
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        reason=error.reason,
        params=error.params,
        charged_usd=None if error.charged_micro is None else usd(error.charged_micro),
        retry_after=error.retry_after,
        fields=fields,
        cost_usd=usd(error.estimate_micro) if isinstance(error, errors.ConfirmCost) else None,
        draft_id=error.draft_id if isinstance(error, errors.ConfirmCost) else None,
    )
    if isinstance(error, errors.OptionUnsupported | errors.ModelUnavailable):
        problem.model = cast(str | None, error.params.get("model"))
        problem.allowed = (
            error.allowed if isinstance(error.allowed, Between) else list(error.allowed)
        )
    if isinstance(error, errors.OptionUnsupported):
        problem.option = error.field
    return problem


def _respond(problem: Problem, headers: dict[str, str] | None = None) -> ProblemResponse:
    headers = dict(headers or {})
    problem.request_id = request_id()
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return ProblemResponse(
        problem.model_dump(mode="json", exclude_none=True), problem.status, headers
    )


def plain_problem(status: HTTPStatus, title: str = "") -> Problem:
    """The problem of a bare status, without an error of ours."""
    code, reason = _PLAIN.get(status, _OTHER)
    return Problem(
        title=title or status.phrase,
        status=status,
        detail=errors.sentence(reason, {}),
        code=code,
        reason=reason,
    )


def problem_response(error: errors.DomainError) -> ProblemResponse:
    return _respond(problem_of(error))


async def _domain(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, errors.DomainError)
    return _respond(problem_of(error))


async def _invalid(request: Request, error: Exception) -> ProblemResponse:
    """Names the fields and never echoes a value: it may be a password."""
    assert isinstance(error, RequestValidationError)
    fields = [
        FieldProblem(
            field=".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]),
            message=item["msg"],
            reason=item["type"],
            params={
                name: str(value) for name, value in item.get("ctx", {}).items() if name in _LIMITS
            }
            or None,
        )
        for item in error.errors()
    ]
    detail = "; ".join(f"{field.field}: {field.message}" for field in fields[:5])
    return _respond(
        Problem(
            title="The request is not valid",
            status=422,
            detail=detail,
            code="invalid_request",
            reason="fields_wrong",
            fields=fields,
        )
    )


async def _http(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    problem = plain_problem(HTTPStatus(error.status_code), error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
    return _respond(problem, headers)


def _methods(request: Request) -> list[str]:
    """All that this address takes. The framework names those of the first route only, and each of
    ours has one."""
    fitting = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    return sorted({method for route in fitting for method in route.methods or ()})


async def _database(request: Request, error: Exception) -> ProblemResponse:
    log.error("database_unavailable", path=request.url.path, error=str(error))
    return _respond(
        Problem(
            title="Database unavailable",
            status=503,
            detail=errors.sentence("database_away", {}),
            code="database_unavailable",
            reason="database_away",
            retry_after=5,
        )
    )


async def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    reference = request_id() or "-"
    log.error("unexpected", path=request.url.path, exc_info=error)
    params: dict[str, str | int] = {"reference": reference}
    return _respond(
        Problem(
            title="Internal error",
            status=500,
            detail=errors.sentence("unexpected", params),
            code="internal_error",
            reason="unexpected",
            params=params,
        )
    )


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(errors.DomainError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DbUnavailable, _database)
    app.add_exception_handler(Exception, _unexpected)
