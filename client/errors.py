"""How the bots speak HTTP with the api: one factory for clients, one place where failures become
`ApiError`."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import ValidationError

from api.version import USER_AGENT
from client.schemas import Problem
from client.schemas.generations import ErrorOut

API_UNAVAILABLE = "api_unavailable"
BAD_ANSWER = "bad_answer"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
MAX_CONNECTIONS = 200


class ApiError(Exception):
    """The api refused or could not be asked. `code`: the api's own, `api_unavailable` or
    `bad_answer`; `status` is 0 without an answer. `cost` and `draft_id` come with `confirm_cost`;
    `problem` is all that the api has said. `unsent`: the api has certainly not got it."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        status: int = 0,
        cost: Decimal | None = None,
        draft_id: str | None = None,
        problem: Problem | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.status = status
        self.cost = cost
        self.draft_id = draft_id
        self.problem = problem
        self.unsent = unsent


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once a process."""
    return httpx.create_ssl_context()


def make_client(base_url: str) -> httpx.AsyncClient:
    """A client for one origin. No redirects and no proxies: a credential must not travel
    elsewhere."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"User-Agent": USER_AGENT},
        transport=AiohttpTransport(
            verify=_tls(), trust_env=False, limits=httpx.Limits(max_connections=MAX_CONNECTIONS)
        ),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


TRANSPORT_ERRORS = (httpx.TransportError, aiohttp.ClientError, TimeoutError)
"""All that can go wrong below HTTP; the aiohttp transport lets a few of its own errors through."""


_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    aiohttp.ClientConnectorError,
)


CLOSED = "Connection closed."
"""What aiohttp says, in a RuntimeError, of a connection that ended between two reads."""


@contextmanager
def below_http() -> Iterator[None]:
    """What fails in the transport is an `ApiError`: `api_unavailable`."""
    try:
        yield
    except TRANSPORT_ERRORS as error:
        raise unavailable(error) from error
    except RuntimeError as error:
        if str(error) != CLOSED:
            raise
        raise unavailable(error) from error


def told(error: ErrorOut, retry_after: float | None) -> ApiError:
    """What an event of a stream says in the place of an answer."""
    problem = Problem(
        title=error.code,
        status=0,
        detail=error.message,
        code=error.code,
        reason=error.reason,
        charged_usd=error.charged_usd,
        retry_after=retry_after,
    )
    return ApiError(error.code, error.message, retry_after=retry_after, problem=problem)


def unavailable(error: BaseException) -> ApiError:
    return ApiError(
        API_UNAVAILABLE, f"{type(error).__name__}: {error}", unsent=isinstance(error, _UNSENT)
    )


def refused(response: httpx.Response) -> ApiError:
    """The error that a non-2xx answer stands for; its body must have been read."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        if response.status_code in (502, 503, 504):
            return ApiError(
                API_UNAVAILABLE,
                f"HTTP {response.status_code} in front of the api",
                status=response.status_code,
            )
        return ApiError(
            BAD_ANSWER,
            f"HTTP {response.status_code} without a problem document",
            status=response.status_code,
        )
    return ApiError(
        problem.code,
        problem.detail,
        retry_after=problem.retry_after,
        status=response.status_code,
        cost=problem.cost_usd,
        draft_id=problem.draft_id,
        problem=problem,
    )
