"""The api over HTTP: one method per endpoint, answers as the api's own schema types, one error type."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from api.auth.schemas import TokensOut
from api.catalog.schemas import ModelOut
from api.generations.schemas import EstimateIn, EstimateOut, GenerationOut, ImageIn, UploadOut, VideoFromImageIn, VideoIn
from api.links.schemas import CodeOut, CodeStateOut, LinkOut
from api.schemas import FieldProblem, Kind, Page, Platform, Problem, ReadyOut
from api.text.schemas import ConversationDetailOut, ConversationOut, TextIn, TextOut
from api.users.schemas import ProfileIn, Role, UserOut

QUICK = httpx.Timeout(10, connect=3)
SLOW = httpx.Timeout(200, connect=3)
"""For calls that wait on the provider."""

AGENT = "allucanget-web"
"""The api tells by it what was asked for on the web."""

M = TypeVar("M", bound=BaseModel)


class ApiError(Exception):
    """The api said no. `code` is stable, `detail` a sentence, `fields` what is wrong with which field."""

    def __init__(
        self, code: str, detail: str, *, status: int = 500, fields: Sequence[FieldProblem] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.fields = tuple(fields)
        self.retry_after = retry_after


class ApiDown(ApiError):
    """The api did not answer, or not in words we know: whether it did what was asked is not known."""

    def __init__(self, detail: str) -> None:
        super().__init__("api_unavailable", detail, status=503)


class Access(Protocol):
    """Where access tokens come from. Both raise `SessionEnded` when there is nothing to be had any more."""

    def token(self) -> str: ...
    def renewed(self, stale: str) -> str:
        """A token newer than `stale`, which the api has refused."""
        ...


def open_http(api_url: str) -> httpx.Client:
    """The one place that makes the web's HTTP client."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=40)
    return httpx.Client(base_url=api_url, timeout=QUICK, limits=limits, headers={"user-agent": AGENT})


class ApiClient:
    """Calls for one caller: anonymous without `access`, else a signed-in user."""

    def __init__(self, http: httpx.Client, access: Access | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with every call: who the browser is."""
        self._http = http
        self._access = access
        self._headers = dict(headers or {})

    # --- machines and accounts

    def ready(self) -> ReadyOut:
        """Also answers when the api is up but not ready."""
        response = self._send("GET", "/readyz", good=(200, 503))
        return _parse(ReadyOut, response)

    def setup(self, token: str, email: str, password: str) -> TokensOut:
        return _parse(TokensOut, self._send("POST", "/auth/setup", json={"token": token, "email": email, "password": password}))

    def login(self, email: str, password: str) -> TokensOut:
        return _parse(TokensOut, self._send("POST", "/auth/login", json={"email": email, "password": password}))

    def refresh(self, refresh_token: str) -> TokensOut:
        return _parse(TokensOut, self._send("POST", "/auth/refresh", json={"refresh_token": refresh_token}))

    def logout(self) -> None:
        self._send("POST", "/auth/logout")

    def me(self) -> UserOut:
        return _parse(UserOut, self._send("GET", "/users/me"))

    def update_me(self, change: ProfileIn) -> UserOut:
        return _parse(UserOut, self._send("PUT", "/users/me", json=_body(change)))

    # --- models and making things

    def models(self, kind: Kind) -> list[ModelOut]:
        response = self._send("GET", "/models", params={"kind": kind, "limit": "100"})
        return _parse_list(ModelOut, response)

    def estimate(self, ask: EstimateIn) -> EstimateOut:
        return _parse(EstimateOut, self._send("POST", "/generate/estimate", json=_body(ask)))

    def text(self, ask: TextIn, key: str) -> TextOut:
        response = self._send("POST", "/generate/text", json=_body(ask), headers={"idempotency-key": key}, timeout=SLOW)
        return _parse(TextOut, response)

    @contextmanager
    def text_stream(self, ask: TextIn, key: str) -> Iterator[Iterator[bytes]]:
        """The api's server-sent events as bytes. An error before the first event raises; later ones are events themselves."""
        headers = {"idempotency-key": key, "accept": "text/event-stream"}
        response = self._open("POST", "/generate/text", json=_body(ask), headers=headers, timeout=SLOW)
        try:
            _check(response, (200,))
            yield response.iter_raw()
        finally:
            response.close()

    def image(self, ask: ImageIn, key: str) -> GenerationOut:
        headers = {"idempotency-key": key, "prefer": "respond-async"}
        return _parse(GenerationOut, self._send("POST", "/generate/image", json=_body(ask), headers=headers))

    def video(self, ask: VideoIn, key: str) -> GenerationOut:
        return _parse(GenerationOut, self._send("POST", "/generate/video", json=_body(ask), headers={"idempotency-key": key}))

    def video_from_image(self, ask: VideoFromImageIn, key: str) -> GenerationOut:
        response = self._send(
            "POST", "/generate/video/from-image", json=_body(ask), headers={"idempotency-key": key}, timeout=httpx.Timeout(40, connect=3)
        )
        return _parse(GenerationOut, response)

    def upload(self, name: str, data: bytes, content_type: str) -> UploadOut:
        files = {"file": (name, data, content_type)}
        return _parse(UploadOut, self._send("POST", "/uploads", files=files, timeout=httpx.Timeout(30, connect=3)))

    # --- what was made

    def generations(
        self, *, kind: str | None = None, status: str | None = None, q: str | None = None, cursor: str | None = None, limit: int = 24
    ) -> Page[GenerationOut]:
        params = _params(kind=kind, status=status, q=q, cursor=cursor, limit=limit)
        return _parse(Page[GenerationOut], self._send("GET", "/generations", params=params))

    def generation(self, generation_id: str) -> GenerationOut:
        return _parse(GenerationOut, self._send("GET", _path("/generations/{}", generation_id)))

    def cancel(self, generation_id: str) -> None:
        self._send("POST", _path("/generations/{}/cancel", generation_id))

    def conversations(self, limit: int = 12) -> Page[ConversationOut]:
        return _parse(Page[ConversationOut], self._send("GET", "/conversations", params={"limit": str(limit)}))

    def conversation(self, conversation_id: str) -> ConversationDetailOut:
        return _parse(ConversationDetailOut, self._send("GET", _path("/conversations/{}", conversation_id)))

    @contextmanager
    def media(self, media_id: str, query: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A file, streamed; 206, 304 and 416 are answers, not errors. The owner may read it also when its link has run out."""
        response = self._open("GET", f"{_path('/media/{}', media_id)}?{query}", headers={**headers, "accept-encoding": "identity"})
        try:
            _check(response, (200, 206, 304, 416))
            yield response
        finally:
            response.close()

    # --- chats

    def links(self) -> list[LinkOut]:
        return _parse_list(LinkOut, self._send("GET", "/links"))

    def new_link_code(self, platform: Platform) -> CodeOut:
        return _parse(CodeOut, self._send("POST", "/links/codes", json={"platform": platform}))

    def link_code(self, code_id: str) -> CodeStateOut:
        return _parse(CodeStateOut, self._send("GET", _path("/links/codes/{}", code_id)))

    def confirm_link(self, code_id: str) -> None:
        self._send("POST", _path("/links/codes/{}/confirm", code_id))

    def unlink(self, platform: str, platform_user_id: str) -> None:
        self._send("DELETE", _path("/links/{}/{}", platform, platform_user_id))

    # --- users, for admins

    def users(self, *, q: str | None, role: str | None, cursor: str | None, limit: int = 50) -> Page[UserOut]:
        return _parse(Page[UserOut], self._send("GET", "/users", params=_params(q=q, role=role, cursor=cursor, limit=limit)))

    def user(self, user_id: str) -> UserOut:
        return _parse(UserOut, self._send("GET", _path("/users/{}", user_id)))

    def set_role(self, user_id: str, role: Role) -> None:
        self._send("PUT", _path("/users/{}/role", user_id), json={"role": role})

    def delete_user(self, user_id: str) -> None:
        self._send("DELETE", _path("/users/{}", user_id))

    # --- how it is sent

    def _send(
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
        response = self._open(method, path, json=json, params=params, files=files, headers=headers, timeout=timeout)
        try:
            response.read()
            _check(response, good)
        except httpx.HTTPError as error:
            raise ApiDown(str(error)) from error
        finally:
            response.close()
        return response

    def _open(
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
            sent = {**self._headers, **(headers or {})}
            if token is not None:
                sent["authorization"] = f"Bearer {token}"
            request = self._http.build_request(method, path, json=json, params=params, files=files, headers=sent, timeout=timeout)
            try:
                return self._http.send(request, stream=True)
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


def _params(**values: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def _path(template: str, *parts: str) -> str:
    """A path with each part quoted: what comes from a browser's address must not choose another endpoint."""
    return template.format(*(quote(part, safe="") for part in parts))


def _body(model: BaseModel) -> dict[str, object]:
    """JSON with the secrets in it, without what was not given."""

    def plain(value: object) -> object:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    return {name: plain(value) for name, value in model.model_dump(exclude_none=True).items()}


def _check(response: httpx.Response, good: tuple[int, ...]) -> None:
    if response.status_code in good:
        return
    response.read()
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiDown(f"the api answered {response.status_code} without a problem document") from error
    raise ApiError(problem.code, problem.detail, status=problem.status, fields=problem.fields or (), retry_after=problem.retry_after)


def _parse(model: type[M], response: httpx.Response) -> M:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiDown(f"the api answered {response.request.url.path} in a shape that is not {model.__name__}") from error


def _parse_list(model: type[M], response: httpx.Response) -> list[M]:
    return _parse(Page[model], response).items  # type: ignore[valid-type]
