"""The bot's calls to Discord's REST API, through discord.py's own HTTP client and its rate limits.
Every failure is a `SendFailed`.

Payloads are written out rather than built by the library: `allowed_mentions`, flags and nonces are
then seen, and tested, in one place.
"""

import asyncio
import io
import json
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import aiohttp
import discord
from discord.http import HTTPClient, Route

from bots.core.types import ReplyFile, SendFailed
from bots.discord.render import file_name
from client.schemas.deliveries import DeliveryReason

TEXT_SECONDS, FILES_SECONDS = 35.0, 120.0
"""The whole of one call, with its wait for a rate limit and discord.py's own repeats after 5xx."""
AGAIN_SECONDS = 10.0
"""Pause after a send with an unknown end: short enough for Discord to know the nonce still."""

REPEAT_SECONDS = 0.9
"""discord.py repeats a call after 5xx by itself, but never sooner than a second later."""

EPHEMERAL = 64
DEFER_MESSAGE, DEFER_UPDATE, SUGGEST, OPEN_FORM = 5, 6, 8, 9

CALLBACK = "/interactions/{interaction_id}/{webhook_token}/callback?with_response=true"
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
COMMANDS = "/applications/{application_id}/commands"

BY_CODE: dict[int, DeliveryReason] = {
    10003: "channel_gone",
    10004: "chat_gone",
    10008: "message_gone",
    10013: "account_gone",
    20009: "moderated",
    20016: "flood",
    40005: "too_large",
    50001: "channel_hidden",
    50007: "direct_messages_closed",
    50013: "no_permission",
    50045: "too_large",
    50046: "file_refused",
    50083: "topic_closed",
    50173: "file_refused",
    50278: "no_shared_server",
    160005: "topic_closed",
    200000: "moderated",
    200001: "moderated",
    240000: "moderated",
}
BY_STATUS: dict[int, DeliveryReason] = {401: "token_refused", 413: "too_large", 429: "flood"}
"""Reasons by status, for codes without an entry; 5xx is `platform_failed`, everything else
`request_refused`."""

Payload = dict[str, Any]


class ErrorCode(IntEnum):
    """Discord's codes of the refusals after which the bot goes on in another way."""

    UNKNOWN_MESSAGE = 10008
    UNKNOWN_WEBHOOK = 10015
    ACKNOWLEDGED = 40060
    TOO_MANY_FOLLOW_UPS = 40094
    DEAD_TOKEN = 50027
    FORM_INVALID = 50035
    NO_HISTORY = 160002
    NO_VOICE = 50173


class DiscordRefusal(SendFailed):
    """Discord answered no. `code` is its own error code, 0 when it gave none."""

    def __init__(self, reason: DeliveryReason, said: str, code: int, *, final: bool) -> None:
        super().__init__(reason, said, final=final)
        self.code = code


def refused_with(failure: SendFailed, *codes: ErrorCode) -> bool:
    return isinstance(failure, DiscordRefusal) and failure.code in codes


class TokenDead(Exception):
    """The interaction's 15 minutes are over."""


class DiscordRest:
    def __init__(self, http: HTTPClient, application_id: int) -> None:
        self._http = http
        self._application_id = application_id

    async def defer(
        self, interaction_id: int, token: str, *, update: bool, ephemeral: bool
    ) -> str | None:
        """Acknowledge at once; `update`: the answer changes the pressed button's message. Returns
        the id of the message that will carry the answer, None when Discord did not say."""
        body: Payload = {"type": DEFER_UPDATE if update else DEFER_MESSAGE}
        if ephemeral:
            body["data"] = {"flags": EPHEMERAL}
        answer = await self._first_answer(interaction_id, token, body)
        interaction = answer.get("interaction", {}) if isinstance(answer, dict) else {}
        found = interaction.get("response_message_id")
        return None if found is None else str(found)

    async def open_form(self, interaction_id: int, token: str, form: Payload) -> None:
        """Open a form, which may only be the first answer to a command or a button."""
        await self._first_answer(interaction_id, token, {"type": OPEN_FORM, "data": form})

    async def suggest(self, interaction_id: int, token: str, choices: Sequence[Payload]) -> None:
        body = {"type": SUGGEST, "data": {"choices": list(choices)}}
        await self._first_answer(interaction_id, token, body)

    async def _first_answer(self, interaction_id: int, token: str, body: Payload) -> Any:
        """Answer an interaction. After a broken line or a 5xx the first try may have counted, and
        then Discord refuses the second."""
        began = time.monotonic()
        for last in (False, True):
            try:
                return await self._call(
                    "POST", CALLBACK, body, interaction_id=interaction_id, webhook_token=token
                )
            except SendFailed as failure:
                repeated = last or time.monotonic() - began >= REPEAT_SECONDS
                if repeated and refused_with(failure, ErrorCode.ACKNOWLEDGED):
                    return None
                if last or not failure.uncertain:
                    raise
        return None

    async def send(self, channel_id: str, payload: Payload, files: Sequence[ReplyFile] = ()) -> str:
        """Send a new message and return its id. Its nonce makes further tries safe: a failure is
        never uncertain, only to be tried again soon."""
        body = {**payload, "enforce_nonce": True}
        try:
            return _id(await self._call("POST", MESSAGES, body, files, 2, channel_id=channel_id))
        except SendFailed as failure:
            if not failure.uncertain:
                raise
            raise SendFailed(failure.reason, failure.said, retry_after=AGAIN_SECONDS) from failure

    async def newest(self, channel_id: str) -> list[Payload]:
        """The last 50 messages of a channel."""
        return list(await self._call("GET", f"{MESSAGES}?limit=50", tries=2, channel_id=channel_id))

    async def edit(
        self, channel_id: str, message_id: str, payload: Payload, files: Sequence[ReplyFile] = ()
    ) -> None:
        await self._call(
            "PATCH", MESSAGE, payload, files, 2, channel_id=channel_id, message_id=message_id
        )

    async def delete(self, channel_id: str, message_id: str) -> None:
        await self._call("DELETE", MESSAGE, channel_id=channel_id, message_id=message_id)

    async def follow_up(self, token: str, payload: Payload, files: Sequence[ReplyFile] = ()) -> str:
        """Send one more message of an interaction, once: webhooks know no nonce."""
        return _id(await self._by_token("POST", "", token, payload, files, tries=1))

    async def edit_by_token(
        self, token: str, message: str, payload: Payload, files: Sequence[ReplyFile] = ()
    ) -> str:
        """Edit a message, given by its id or as `@original`, and return its id."""
        return _id(await self._by_token("PATCH", f"/messages/{message}", token, payload, files))

    async def delete_by_token(self, token: str, message: str) -> None:
        await self._by_token("DELETE", f"/messages/{message}", token)

    async def typing(self, channel_id: str) -> None:
        await self._call("POST", "/channels/{channel_id}/typing", channel_id=channel_id)

    async def open_dm(self, user_id: str) -> str:
        return _id(await self._call("POST", "/users/@me/channels", {"recipient_id": user_id}))

    async def commands(self) -> list[Payload]:
        path = f"{COMMANDS}?with_localizations=true"
        return list(await self._call("GET", path, application_id=self._application_id))

    async def put_commands(self, commands: list[Payload]) -> None:
        await self._call("PUT", COMMANDS, commands, application_id=self._application_id)

    async def _by_token(
        self,
        method: str,
        path: str,
        token: str,
        payload: Payload | None = None,
        files: Sequence[ReplyFile] = (),
        tries: int = 2,
    ) -> Any:
        """Call the interaction's webhook. Raises `TokenDead` when it is over."""
        ids: dict[str, Any] = {"webhook_id": self._application_id, "webhook_token": token}
        try:
            return await self._call(method, WEBHOOK + path, payload, files, tries, **ids)
        except DiscordRefusal as refused:
            if refused.code in (ErrorCode.DEAD_TOKEN, ErrorCode.UNKNOWN_WEBHOOK):
                raise TokenDead from refused
            raise

    async def _call(
        self,
        method: str,
        path: str,
        payload: Any = None,
        files: Sequence[ReplyFile] = (),
        tries: int = 1,
        **ids: Any,
    ) -> Any:
        """Make one request, again after an uncertain end while there are tries. Raises
        `SendFailed`, `DiscordRefusal` where Discord itself said no."""
        while True:
            tries -= 1
            given: dict[str, Any] = {} if payload is None else {"json": payload}
            if files:
                parts = [discord.File(io.BytesIO(one.data), file_name(one)) for one in files]
                given = {"files": parts, "form": _form(payload, parts)}
            try:
                async with asyncio.timeout(FILES_SECONDS if files else TEXT_SECONDS):
                    return await self._http.request(Route(method, path, **ids), **given)
            except asyncio.CancelledError:
                self._free_others()
                raise
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                if isinstance(error, TimeoutError):
                    self._free_others()
                failure = failure_of(error)
                if not failure.uncertain or not tries:
                    raise failure from error

    def _free_others(self) -> None:
        """Wake the other requests. The one that meets the global rate limit makes them wait until
        it has slept; cut off, it would never wake them."""
        self._http._global_over.set()  # noqa: SLF001  (there is no other way to it)


def _form(payload: Payload, parts: Sequence[discord.File]) -> list[dict[str, Any]]:
    about = payload.get("attachments") or [{}] * len(parts)
    attachments = [
        {"id": index, "filename": one.filename} | said
        for index, (one, said) in enumerate(zip(parts, about, strict=True))
    ]
    body = {**payload, "attachments": attachments}
    form: list[dict[str, Any]] = [{"name": "payload_json", "value": json.dumps(body)}]
    form += [
        {
            "name": f"files[{index}]",
            "value": one.fp,
            "filename": one.filename,
            "content_type": "audio/ogg" if "waveform" in said else "application/octet-stream",
        }
        for index, (one, said) in enumerate(zip(parts, attachments, strict=True))
    ]
    return form


def failure_of(error: Exception) -> SendFailed:
    """The meaning of an error for this chat. A 4xx never gets better by repeating, except by
    waiting or with another credential."""
    if isinstance(error, TimeoutError):
        return SendFailed("unclear", "Discord did not answer in time", uncertain=True)
    if isinstance(error, discord.RateLimited):
        return SendFailed("flood", retry_after=error.retry_after)
    if isinstance(error, aiohttp.ClientConnectorError):
        return SendFailed("platform_unreachable", str(error))
    if not isinstance(error, discord.HTTPException):
        return SendFailed("unclear", repr(error), uncertain=True)
    said = f"Discord {error.status}, code {error.code}: {error.text[:200]}"
    if isinstance(error, discord.DiscordServerError):
        return SendFailed("platform_failed", said, uncertain=True)
    reason = BY_CODE.get(error.code) or BY_STATUS.get(error.status, "request_refused")
    if error.status == 429:
        wait = _seconds(error.response.headers.get("Retry-After"))
        return SendFailed("flood", said, retry_after=wait)
    return DiscordRefusal(reason, said, error.code, final=error.status in (400, 403, 404, 413))


def _seconds(header: str | None) -> float:
    try:
        return float(header or "")
    except ValueError:
        return 60.0


def _id(answer: Any) -> str:
    if not isinstance(answer, dict) or "id" not in answer:
        raise SendFailed("unclear", "Discord answered without a message", uncertain=True)
    return str(answer["id"])
