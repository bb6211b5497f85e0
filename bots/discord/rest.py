"""Discord's REST calls that the bot makes, through discord.py's own HTTP client and its rate limits. Every failure is a `SendFailed`.

Payloads are written out rather than built by the library: `allowed_mentions`, flags and nonces are then seen, and tested, in one place.
"""

import asyncio
import io
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import discord
from discord.http import HTTPClient, Route

from bots.core.types import File, SendFailed

TEXT_SECONDS, FILES_SECONDS = 40.0, 120.0
"""The whole of one call: waiting for a rate limit, and discord.py's own repeats after 5xx, included."""

MISSING_ACCESS, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, DEAD_TOKEN, ACKNOWLEDGED = 50001, 10008, 10015, 50027, 40060
EPHEMERAL = 64
DEFER_MESSAGE, DEFER_UPDATE = 5, 6

Payload = dict[str, Any]


class Refused(SendFailed):
    """Discord answered no. `code` is its own error code, 0 when it gave none."""

    def __init__(self, reason: str, code: int, *, final: bool) -> None:
        super().__init__(reason, final=final)
        self.code = code


class TokenDead(Exception):
    """The interaction's 15 minutes are over."""


class Rest:
    def __init__(self, http: HTTPClient, application_id: int) -> None:
        self._http = http
        self._application_id = application_id

    async def defer(self, interaction_id: int, token: str, kind: int, *, ephemeral: bool) -> str | None:
        """Acknowledge at once; the id of the message that will carry the answer (None: Discord did not say)."""
        body: Payload = {"type": kind}
        if ephemeral:
            body["data"] = {"flags": EPHEMERAL}
        route = Route(
            "POST",
            "/interactions/{interaction_id}/{webhook_token}/callback?with_response=true",
            interaction_id=interaction_id,
            webhook_token=token,
        )
        try:
            answer = await self._call(route, body)
        except SendFailed as failure:
            if not failure.uncertain:
                raise
            return await self._defer_again(route, body)
        return _response_id(answer)

    async def _defer_again(self, route: Route, body: Payload) -> str | None:
        """After a broken line: the first try may have counted, and then the second is told so."""
        try:
            return _response_id(await self._call(route, body))
        except Refused as refused:
            if refused.code != ACKNOWLEDGED:
                raise
            return None

    async def send(self, channel_id: str, payload: Payload, files: Sequence[File] = ()) -> str:
        """A new message. Its nonce makes a second try after a broken line safe, so that is done once here."""
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel_id)
        return _id(await self._twice(route, {**payload, "enforce_nonce": True}, files))

    async def edit(self, channel_id: str, message_id: str, payload: Payload, files: Sequence[File] = ()) -> None:
        route = Route("PATCH", "/channels/{channel_id}/messages/{message_id}", channel_id=channel_id, message_id=message_id)
        await self._twice(route, payload, files)

    async def delete(self, channel_id: str, message_id: str) -> None:
        await self._call(Route("DELETE", "/channels/{channel_id}/messages/{message_id}", channel_id=channel_id, message_id=message_id))

    async def follow_up(self, token: str, payload: Payload, files: Sequence[File] = ()) -> str:
        return _id(await self._by_token("POST", "", token, payload, files))

    async def edit_by_token(self, token: str, message: str, payload: Payload, files: Sequence[File] = ()) -> str:
        """`message` is an id or `@original`; the id of the edited message."""
        return _id(await self._by_token("PATCH", f"/messages/{message}", token, payload, files))

    async def delete_by_token(self, token: str, message: str) -> None:
        await self._by_token("DELETE", f"/messages/{message}", token, None, ())

    async def typing(self, channel_id: str) -> None:
        await self._call(Route("POST", "/channels/{channel_id}/typing", channel_id=channel_id))

    async def open_dm(self, user_id: str) -> str:
        return _id(await self._call(Route("POST", "/users/@me/channels"), {"recipient_id": user_id}))

    async def commands(self) -> list[Payload]:
        answer = await self._call(Route("GET", "/applications/{application_id}/commands", application_id=self._application_id))
        return list(answer)

    async def put_commands(self, commands: list[Payload]) -> None:
        await self._call(Route("PUT", "/applications/{application_id}/commands", application_id=self._application_id), commands)

    async def _by_token(self, method: str, path: str, token: str, payload: Payload | None, files: Sequence[File]) -> Any:
        """Through the interaction's webhook. Edits are repeated once after a broken line, new messages are not: webhooks know no nonce."""
        route = Route(method, "/webhooks/{webhook_id}/{webhook_token}" + path, webhook_id=self._application_id, webhook_token=token)
        try:
            return await (self._call(route, payload, files) if method == "POST" else self._twice(route, payload, files))
        except Refused as refused:
            if refused.code in (DEAD_TOKEN, UNKNOWN_WEBHOOK):
                raise TokenDead from refused
            raise

    async def _twice(self, route: Route, payload: Payload | None, files: Sequence[File]) -> Any:
        try:
            return await self._call(route, payload, files)
        except SendFailed as failure:
            if not failure.uncertain:
                raise
            return await self._call(route, payload, files)

    async def _call(self, route: Route, payload: Any = None, files: Sequence[File] = ()) -> Any:
        """One request. Raises `SendFailed`, `Refused` where Discord itself said no."""
        given: dict[str, Any] = {} if payload is None else {"json": payload}
        if files:
            parts = [discord.File(io.BytesIO(one.data), filename=one.name) for one in files]
            given = {"files": parts, "form": _form(payload, parts)}
        try:
            async with asyncio.timeout(FILES_SECONDS if files else TEXT_SECONDS):
                return await self._http.request(route, **given)
        except discord.RateLimited as limited:
            raise SendFailed("Discord asks to wait", retry_after=limited.retry_after) from limited
        except discord.HTTPException as refusal:
            raise _refused(refusal) from refusal
        except aiohttp.ClientConnectorError as error:
            raise SendFailed(f"Discord cannot be reached: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            # TimeoutError is an OSError: nobody knows what became of the request.
            raise SendFailed(f"the connection to Discord broke: {error!r}", uncertain=True) from error


def _form(payload: Payload, parts: Sequence[discord.File]) -> list[dict[str, Any]]:
    body = {**payload, "attachments": [{"id": index, "filename": one.filename} for index, one in enumerate(parts)]}
    form: list[dict[str, Any]] = [{"name": "payload_json", "value": json.dumps(body)}]
    form += [
        {"name": f"files[{index}]", "value": one.fp, "filename": one.filename, "content_type": "application/octet-stream"}
        for index, one in enumerate(parts)
    ]
    return form


def _refused(error: discord.HTTPException) -> SendFailed:
    """What the answer means for this chat: a 4xx never gets better by repeating, but for waiting and our own credential."""
    reason = f"Discord answered {error.status}: {error.text[:200]}"
    if isinstance(error, discord.DiscordServerError):
        return SendFailed(reason, uncertain=True)
    if error.status == 429:
        return SendFailed(reason, retry_after=_seconds(error.response.headers.get("Retry-After")))
    return Refused(reason, error.code, final=error.status in (400, 403, 404, 413))


def _seconds(header: str | None) -> float:
    try:
        return float(header or "")
    except ValueError:
        return 60.0


def _response_id(answer: Any) -> str | None:
    found = answer.get("interaction", {}).get("response_message_id") if isinstance(answer, dict) else None
    return None if found is None else str(found)


def _id(answer: Any) -> str:
    if not isinstance(answer, dict) or "id" not in answer:
        raise SendFailed("Discord answered without a message", uncertain=True)
    return str(answer["id"])
