"""The api as the bots see it, with the bot's own credential: one method for each endpoint, in the
api's own types. All raise `ApiError`.

`client.person` speaks for one person.
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast
from urllib.parse import parse_qsl

import httpx
import httpx_sse
from pydantic import BaseModel, TypeAdapter, ValidationError

from client.errors import API_UNAVAILABLE, BAD_ANSWER, ApiError, below_http, make_client, refused
from client.patience import Patience, Waiters
from client.schemas.deliveries import AckIn, BeginIn, DeliveryOut, FailIn, LinkIn
from client.schemas.generations import FitIn, MediaOut, ShareOut
from client.schemas.links import ActIn, ActOut, AnswerIn, BotProfileIn, RedeemIn, RedeemOut

M = TypeVar("M", bound=BaseModel)

ACT_SECONDS = 100.0
ACT_MARGIN = 15.0
"""A token is renewed this long before it ends, so that it does not end on its way."""
ACT_CACHE = 5_000
ACT_TIMEOUT = httpx.Timeout(4.0, connect=3.0)
"""Every command begins with it: when the api is away, people know within five seconds."""
CLAIM_MARGIN = 15.0
STREAM_READ_SECONDS = 45.0
"""An api that is well says something every 15 seconds while it answers."""


@dataclass(frozen=True, slots=True)
class Who:
    """A person in a chat, as the platform vouches for it. `update_id` names the update that is
    being answered, `language` is the platform's, as `bots.core.language` has it."""

    platform_user_id: str
    display_name: str
    chat_id: str
    update_id: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class _Act:
    token: str
    until: float
    language: str | None


class BotApi:
    """One per process. `public_url` is where people find the web, when that is known."""

    def __init__(
        self,
        api_url: str,
        bot_key: str,
        public_url: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.public_url = public_url
        self.waiters = Waiters(self._look, patience or Patience())
        self._client = make_client(api_url)
        self._key = bot_key
        self._acts: dict[tuple[str, str], _Act] = {}
        self._new_guests: set[tuple[str, str]] = set()

    async def __aenter__(self) -> "BotApi":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.waiters.close()
        await self._client.aclose()

    async def _look(self) -> None:
        with below_http():
            answer = await self._client.get("/healthz")
        if not answer.is_success:
            raise refused(answer)

    async def profile(self, profile: BotProfileIn) -> None:
        await self.call("PUT", "/bot/profile", self._key, body=profile)

    async def redeem(self, redeem: RedeemIn) -> RedeemOut:
        return read(RedeemOut, await self.call("POST", "/bot/links/redeem", self._key, body=redeem))

    async def answer_link(self, answer: AnswerIn) -> None:
        await self.call("POST", "/bot/links/answer", self._key, body=answer)

    async def claim(self, wait: float, limit: int) -> list[DeliveryOut]:
        """Waits up to `wait` seconds for the first delivery; empty when none came."""
        timeout = httpx.Timeout(wait + CLAIM_MARGIN, connect=5.0)
        params = {"wait": f"{wait:g}", "limit": str(limit)}
        response = await self.call(
            "POST", "/bot/deliveries/claim", self._key, params=params, timeout=timeout
        )
        try:
            return TypeAdapter(list[DeliveryOut]).validate_json(response.content)
        except ValidationError as error:
            raise _unreadable(response, error) from error

    async def begin(self, delivery_id: str, begin: BeginIn) -> None:
        """Raises `ApiError` `conflict` when the lease is over."""
        await self.call("POST", f"/bot/deliveries/{delivery_id}/begin", self._key, body=begin)

    async def link(self, delivery_id: str, link: LinkIn) -> ShareOut:
        """A public link to the delivery's result, for three days."""
        return read(
            ShareOut,
            await self.call("POST", f"/bot/deliveries/{delivery_id}/link", self._key, body=link),
        )

    async def ack(self, delivery_id: str, ack: AckIn) -> None:
        await self.call("POST", f"/bot/deliveries/{delivery_id}/ack", self._key, body=ack)

    async def fail(self, delivery_id: str, fail: FailIn) -> None:
        await self.call("POST", f"/bot/deliveries/{delivery_id}/fail", self._key, body=fail)

    async def fit(self, url: str, most: int) -> MediaOut:
        """The file behind a signed path, or a smaller copy of it. Raises `ApiError`: `conflict`
        with `retry_after` while the copy is being made, `too_large` when none can be."""
        path, _, signature = url.partition("?")
        params = dict(parse_qsl(signature))
        return read(
            MediaOut,
            await self.call(
                "POST", f"{path}/fit", self._key, body=FitIn(max_bytes=most), params=params
            ),
        )

    async def media(self, url: str, most: int) -> bytes:
        """The bytes behind a signed path of the api. Raises `ApiError` with code `too_large` beyond
        `most` bytes."""
        return await self.bytes_of(url, most)

    async def bytes_of(self, url: str, most: int, token: str | None = None) -> bytes:
        """As `media`; with a token what only that one opens."""
        headers = {} if token is None else _headers(token, None, None)
        taken = bytearray()
        with below_http():
            async with self._client.stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    await response.aread()
                    raise refused(response)
                async for chunk in response.aiter_bytes():
                    taken += chunk
                    if len(taken) > most:
                        raise ApiError("too_large", f"more than {most} bytes", status=413)
        return bytes(taken)

    async def act(self, who: Who, *, fresh: bool = False, patient: bool = False) -> str:
        """A token that acts for this person in this chat, from memory while it lasts. `patient`:
        people know already that it takes long. Raises `ApiError` `not_linked`."""
        return (await self._act(who, fresh=fresh, patient=patient)).token

    async def language(self, who: Who) -> tuple[str | None, bool]:
        """The one that the person has chosen, and whether this is a stranger, who has no account.
        While the api is away nobody waits for it: then none was chosen, and nobody is a
        stranger."""
        if self.waiters.away:
            return None, False
        try:
            return (await self._act(who)).language, False
        except ApiError as error:
            if error.code == API_UNAVAILABLE:
                self.waiters.missed()
            return None, error.code == "not_linked"

    def is_new_guest(self, who: Who) -> bool:
        """Whether this person has just got an account by writing here; true once."""
        key = (who.platform_user_id, who.chat_id)
        new = key in self._new_guests
        self._new_guests.discard(key)
        return new

    def forget(self, who: Who) -> None:
        """What was known of this person has changed."""
        self._acts = {key: act for key, act in self._acts.items() if key[0] != who.platform_user_id}

    async def _act(self, who: Who, *, fresh: bool = False, patient: bool = False) -> _Act:
        key = (who.platform_user_id, who.chat_id)
        known = self._acts.get(key)
        if known is not None and not fresh and known.until > time.monotonic():
            return known
        body = ActIn(
            platform_user_id=who.platform_user_id,
            display_name=who.display_name[:120],
            chat_id=who.chat_id,
            update_id=who.update_id[:100],
            language=cast(Literal["en", "de"] | None, who.language),
        )
        asked_at = time.monotonic()
        timeout = None if patient else ACT_TIMEOUT
        act = read(
            ActOut, await self.call("POST", "/bot/act", self._key, body=body, timeout=timeout)
        )
        if len(self._acts) >= ACT_CACHE:
            self._acts.clear()
        made = _Act(
            act.access_token, asked_at + min(ACT_SECONDS, act.expires_in - ACT_MARGIN), act.language
        )
        self._acts[key] = made
        if act.new_guest:
            self._new_guests.add(key)
        return made

    async def call(
        self,
        method: str,
        path: str,
        token: str,
        *,
        body: BaseModel | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        files: Any = None,
        timeout: httpx.Timeout | None = None,
    ) -> httpx.Response:
        """One request, its whole answer; anything but 2xx raises."""
        with below_http():
            response = await self._client.request(
                method,
                path,
                headers=_headers(token, headers, body),
                content=None if body is None else _json(body),
                params=params,
                files=files,
                timeout=timeout or httpx.USE_CLIENT_DEFAULT,
            )
        if not response.is_success:
            raise refused(response)
        return response

    async def events(
        self, path: str, token: str, body: BaseModel, headers: dict[str, str]
    ) -> AsyncGenerator[httpx_sse.ServerSentEvent, None]:
        """The server-sent events that a POST answers with."""
        sent = _headers(token, headers, body)
        timeout = httpx.Timeout(STREAM_READ_SECONDS, connect=5.0)
        with below_http():
            async with httpx_sse.aconnect_sse(
                self._client, "POST", path, content=_json(body), headers=sent, timeout=timeout
            ) as source:
                if not source.response.is_success:
                    await source.response.aread()
                    raise refused(source.response)
                async for event in source.aiter_sse():
                    yield event


def read(model: type[M], response: httpx.Response) -> M:
    """The answer as the type that the contract promises."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise _unreadable(response, error) from error


def _unreadable(response: httpx.Response, error: ValidationError) -> ApiError:
    where = ", ".join(
        ".".join(map(str, one["loc"])) for one in error.errors(include_input=False)[:3]
    )
    return ApiError(
        BAD_ANSWER,
        f"{response.request.url.path} answered something else than agreed at {where}",
        status=response.status_code,
    )


def _headers(token: str, extra: dict[str, str] | None, body: BaseModel | None) -> dict[str, str]:
    typed = {"Content-Type": "application/json"} if body is not None else {}
    return {"Authorization": f"Bearer {token}"} | typed | (extra or {})


def _json(body: BaseModel) -> bytes:
    """Only what was given: a null that was meant is sent."""
    return body.model_dump_json(exclude_unset=True).encode()
