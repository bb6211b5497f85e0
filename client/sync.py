"""How the api is asked: one client, tokens that are renewed, answers as the api's own schema types,
one error type."""

import re
import ssl
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from api.version import VERSION
from client.schemas import FieldProblem, Page, Problem

QUICK = httpx.Timeout(10, connect=3)
SLOW = httpx.Timeout(200, connect=3)
"""For calls that wait on the provider."""

AGENT = "allucanget-web"
USER_AGENT = f"{AGENT}/{VERSION}"
"""The api tells by it what was asked for on the web."""

M = TypeVar("M", bound=BaseModel)

_NOT_SENDABLE = re.compile(r"[^ -~]")


class ApiError(Exception):
    """The api said no. `code` is stable, `detail` a sentence, `fields` what is wrong with which
    field, `cost` in dollars what `confirm_cost` asks about, `request_id` under which the api has
    written it down, `problem` all that it has said."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 500,
        fields: Sequence[FieldProblem] = (),
        retry_after: float | None = None,
        cost: Decimal | None = None,
        request_id: str = "",
        problem: Problem | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.cost = cost
        self.request_id = request_id
        self.problem = problem

    @property
    def needs_person(self) -> bool:
        """Before anything else the person has to sign in, or to enter the password: `errors.py`
        sees to both."""
        return self.status == httpx.codes.UNAUTHORIZED or self.code == "reauth_required"


class ApiDown(ApiError):
    """The api did not answer, or not in words we know: whether it did what was asked is not
    known."""

    def __init__(self, detail: str) -> None:
        super().__init__("api_unavailable", detail, status=503)


class Access(Protocol):
    """Where access tokens come from. Both raise `SessionEnded` when there is nothing to be had any
    more."""

    def token(self) -> str: ...
    def renewed(self, stale: str) -> str:
        """A token newer than `stale`, which the api has refused."""
        ...


def open_http(api_url: str) -> httpx.Client:
    """The one place that makes the web's HTTP client. It carries passwords, so no proxy of the
    environment gets to see them."""
    # without an end: who reads a file slowly must not keep others' pages waiting for a connection
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=40)
    # reading the certificates takes longer than a page: not where none is looked at
    tls = (
        httpx.create_ssl_context()
        if api_url.startswith("https:")
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    return httpx.Client(
        base_url=api_url,
        timeout=QUICK,
        limits=limits,
        headers={"user-agent": USER_AGENT},
        verify=tls,
        trust_env=False,
    )


class ApiHttp:
    """Calls for one caller: anonymous without `access`, else a signed-in user."""

    def __init__(
        self,
        http: httpx.Client,
        access: Access | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` go with every call: who the browser is."""
        self._http = http
        self._access = access
        self._headers = dict(headers or {})

    def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = QUICK,
        good: tuple[int, ...] = (200, 201, 202, 204),
    ) -> httpx.Response:
        response = self.open(
            method, path, json=json, params=params, files=files, headers=headers, timeout=timeout
        )
        try:
            response.read()
            check(response, good)
        except httpx.HTTPError as error:
            raise ApiDown(str(error)) from error
        finally:
            response.close()
        return response

    def open(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = QUICK,
    ) -> httpx.Response:
        """Open a response for reading; an access token that the api refuses is renewed once."""

        def attempt(token: str | None) -> httpx.Response:
            sent = {
                name: _sendable(value)
                for name, value in {**self._headers, **(headers or {})}.items()
            }
            if token is not None:
                sent["authorization"] = f"Bearer {token}"
            try:
                request = self._http.build_request(
                    method,
                    path,
                    json=json,
                    params=params,
                    files=files,
                    headers=sent,
                    timeout=timeout,
                )
                return self._http.send(request, stream=True)
            except httpx.InvalidURL as error:
                raise ApiError(
                    "not_found", "There is no such address.", status=httpx.codes.NOT_FOUND
                ) from error
            except httpx.HTTPError as error:
                raise ApiDown(str(error)) from error

        if self._access is None:
            return attempt(None)
        token = self._access.token()
        response = attempt(token)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        response.close()
        return attempt(self._access.renewed(token))


def _sendable(value: str) -> str:
    """What a browser sent may hold what no header of ours can."""
    return _NOT_SENDABLE.sub("?", value).strip()


def query(**values: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def address(template: str, *parts: str) -> str:
    """A path with each part quoted: what comes from a browser's address must not choose another
    endpoint."""
    # dots too: a part of two of them would lead upwards
    return template.format(*(quote(part, safe="").replace(".", "%2E") for part in parts))


def as_json(model: BaseModel) -> dict[str, object]:
    """JSON with the secrets in it, without what was not given."""

    def plain(value: object) -> object:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    return {name: plain(value) for name, value in model.model_dump(exclude_none=True).items()}


def check(response: httpx.Response, good: tuple[int, ...]) -> None:
    if response.status_code in good:
        return
    response.read()
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiDown(
            f"the api answered {response.status_code} without a problem document"
        ) from error
    raise ApiError(
        problem.code,
        problem.detail,
        status=problem.status,
        fields=problem.fields or (),
        retry_after=problem.retry_after,
        cost=problem.cost_usd,
        request_id=response.headers.get("x-request-id", ""),
        problem=problem,
    )


def parse(model: type[M], response: httpx.Response) -> M:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiDown(
            f"the api answered {response.request.url.path} in a shape that is not {model.__name__}"
        ) from error


def parse_list(model: type[M], response: httpx.Response) -> list[M]:
    return parse(Page[model], response).items  # type: ignore[valid-type]
