"""The fake Discord's REST API (v10), as much of it as a chat bot uses."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.control_base import json_answer
from tests.fakes.discord_checks import REQUEST_BYTES, check_commands, check_message
from tests.fakes.discord_faults import Faults
from tests.fakes.discord_gateway import DIRECT_MESSAGES, GUILD_MESSAGES, Gateway, member_json
from tests.fakes.discord_interactions import Interactions
from tests.fakes.discord_world import (
    APPLICATION_ID,
    FLAG_VOICE,
    DiscordError,
    Message,
    World,
    bad_form,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Parts = list[tuple[str, str, bytes]]
NONCE_SECONDS = 180
CONTENT_LIMITED = 1 << 19
TOKENLESS = re.compile(r"^/api/v10/(interactions/\d+/|webhooks/\d+/|gateway$)")


class Rest:
    def __init__(self, world: World, gateway: Gateway, faults: Faults) -> None:
        self.world = world
        self.gateway = gateway
        self.faults = faults
        self.interactions = Interactions(world, self.create)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v10/users/@me", self.me),
            web.post("/api/v10/users/@me/channels", self.open_dm),
            web.get("/api/v10/oauth2/applications/@me", self.application),
            web.get("/api/v10/applications/@me", self.application),
            web.get("/api/v10/applications/{application}/commands", self.get_commands),
            web.put("/api/v10/applications/{application}/commands", self.put_commands),
            web.get("/api/v10/gateway", self.gateway_url),
            web.get("/api/v10/gateway/bot", self.gateway_url),
            web.get("/api/v10/channels/{channel}", self.get_channel),
            web.post("/api/v10/channels/{channel}/typing", self.typing),
            web.get("/api/v10/channels/{channel}/messages", self.list_messages),
            web.post("/api/v10/channels/{channel}/messages", self.create_message),
            web.get("/api/v10/channels/{channel}/messages/{message}", self.get_message),
            web.patch("/api/v10/channels/{channel}/messages/{message}", self.edit_message),
            web.delete("/api/v10/channels/{channel}/messages/{message}", self.delete_message),
            web.post("/api/v10/interactions/{interaction}/{token}/callback", self.callback),
            web.post("/api/v10/webhooks/{application}/{token}", self.follow_up),
            web.get(
                "/api/v10/webhooks/{application}/{token}/messages/{message}",
                self.get_webhook_message,
            ),
            web.patch(
                "/api/v10/webhooks/{application}/{token}/messages/{message}",
                self.edit_webhook_message,
            ),
            web.delete(
                "/api/v10/webhooks/{application}/{token}/messages/{message}",
                self.delete_webhook_message,
            ),
        ]

    @web.middleware
    async def edge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Checks the bot token, strikes faults, turns errors into Discord's bodies. Other paths
        pass."""
        if not request.path.startswith("/api/"):
            return await handler(request)

        async def answer(one: web.Request) -> web.StreamResponse:
            try:
                if (
                    not TOKENLESS.match(one.path)
                    and one.headers.get("Authorization") != f"Bot {self.world.token}"
                ):
                    raise DiscordError(401, 0, "401: Unauthorized")
                return await handler(one)
            except DiscordError as error:
                return json_answer(error.body, error.status)
            except web.HTTPRequestEntityTooLarge:
                return json_answer({"message": "Request entity too large", "code": 40005}, 413)
            except web.HTTPNotFound:
                return json_answer({"message": "404: Not Found", "code": 0}, 404)

        response = await self.faults.meet(request, answer)
        told = {"method": request.method, "path": request.path, "status": response.status}
        channel = self.world.channel_of(request.match_info)
        self.world.requests.append({**told, "channel": channel})
        self.world.touch()
        return response

    async def me(self, request: web.Request) -> web.Response:
        return json_answer(
            {
                **self.world.users[self.world.bot_id],
                "verified": True,
                "mfa_enabled": False,
                "flags": 0,
            }
        )

    async def application(self, request: web.Request) -> web.Response:
        return json_answer(
            {
                "id": APPLICATION_ID,
                "name": "studio",
                "description": "",
                "icon": None,
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "00",
                "flags": 0 if self.world.content_intent == "off" else CONTENT_LIMITED,
                "owner": self.world.user("500000000000000001"),
            }
        )

    async def gateway_url(self, request: web.Request) -> web.Response:
        url = self.world.base_url.replace("http", "ws", 1) + "/gateway"
        world = self.world
        if request.path.endswith("/gateway"):
            return json_answer({"url": url})
        limit = {
            "total": 1000,
            "remaining": world.sessions_left,
            "reset_after": 3_600_000,
            "max_concurrency": world.max_concurrency,
        }
        return json_answer({"url": url, "shards": world.shards, "session_start_limit": limit})

    async def get_commands(self, request: web.Request) -> web.Response:
        if request.query.get("with_localizations") in ("1", "true"):
            return json_answer(self.world.commands)
        return json_answer([without_localizations(one) for one in self.world.commands])

    async def put_commands(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        check_commands(wanted)
        filled = {
            "application_id": APPLICATION_ID,
            "default_member_permissions": None,
            "nsfw": False,
            "version": "1",
            "type": 1,
        }
        self.world.commands = [{**filled, "id": self.world.next_id(), **one} for one in wanted]
        self.world.commands_put += 1
        return json_answer(self.world.commands)

    async def open_dm(self, request: web.Request) -> web.Response:
        user_id = str((await request.json())["recipient_id"])
        channel = self.world.dm_channel(user_id)
        return json_answer(
            {
                "id": channel.id,
                "type": 1,
                "recipients": [self.world.users[user_id]],
                "last_message_id": None,
            }
        )

    async def get_channel(self, request: web.Request) -> web.Response:
        channel = self.world.open_channel(request.match_info["channel"])
        return json_answer(
            {
                "id": channel.id,
                "type": channel.type,
                "guild_id": channel.guild_id,
                "name": "general",
            }
        )

    async def typing(self, request: web.Request) -> web.Response:
        self.world.open_channel(request.match_info["channel"]).typing += 1
        return web.Response(status=204)

    async def list_messages(self, request: web.Request) -> web.Response:
        channel = self.world.open_channel(request.match_info["channel"])
        found = [
            one
            for one in self.world.messages.values()
            if one.channel_id == channel.id and not (one.deleted or one.ephemeral)
        ]
        newest = found[: -int(request.query.get("limit", 50)) - 1 : -1]
        return json_answer([self.world.message_json(one) for one in newest])

    async def create_message(self, request: web.Request) -> web.Response:
        channel = self.world.open_channel(request.match_info["channel"])
        body, files = await read_body(request)
        check_message(body, files, webhook=False, file_bytes=self.world.file_bytes(channel.id))
        key = (channel.id, str(body.get("nonce")))
        if body.get("enforce_nonce") and body.get("nonce") is not None and key in self.world.nonces:
            when, known = self.world.nonces[key]
            if self.world.now() - when < NONCE_SECONDS:
                return json_answer(self.world.message_json(self.world.messages[known]))
        message = await self.create(channel.id, self.world.bot_id, body, files)
        if message.nonce is not None:
            self.world.nonces[key] = (self.world.now(), message.id)
        return json_answer({**self.world.message_json(message), "nonce": message.nonce})

    async def create(
        self,
        channel_id: str,
        author_id: str,
        body: dict[str, Any],
        files: Parts,
        interaction_id: str | None = None,
        flags: int = 0,
    ) -> Message:
        """Store a message and tell the gateway about it, unless only one person may see it."""
        if int(body.get("flags") or 0) & FLAG_VOICE and channel_id in self.world.voiceless:
            raise DiscordError(400, 50173, "Cannot send voice messages in this channel")
        message = Message(
            id=self.world.next_id(),
            channel_id=channel_id,
            author_id=author_id,
            content=body.get("content") or "",
            created=self.world.now(),
            flags=int(body.get("flags") or 0) | flags,
            nonce=None if body.get("nonce") is None else str(body["nonce"]),
            reference=self._reference(channel_id, body.get("message_reference")),
            interaction_id=interaction_id,
            components=body.get("components") or [],
            embeds=body.get("embeds") or [],
            attachments=[self.world.store_file(channel_id, *one).id for one in files],
            mentions=[
                one
                for one in re.findall(r"<@!?(\d+)>", body.get("content") or "")
                if one in self.world.users
            ],
            allowed_mentions=body.get("allowed_mentions"),
            pinged=bool(body.get("pinged", True)),
            forwards=body.get("forwards"),
        )
        for about, kept in zip(body.get("attachments") or [], message.attachments, strict=False):
            if "waveform" in about:
                told = {name: about[name] for name in ("duration_secs", "waveform")}
                self.world.files[kept].voice = told
        self._ping(message)
        self.world.messages[message.id] = message
        if not message.ephemeral:
            await self.announce(message)
        self.world.touch()
        return message

    def _ping(self, message: Message) -> None:
        """An answer mentions whom it answers, unless its writer switched that off. It is no mention
        that lets a bot read the words of an answer to what it said by an interaction."""
        answered = self.world.messages.get(message.reference or "")
        if answered is not None and message.pinged and message.author_id != self.world.bot_id:
            message.mentions.append(answered.author_id)

    def _hidden(self, message: Message) -> bool:
        """Whether only bots with the content intent may read it."""
        if (
            self.world.channels[message.channel_id].guild_id is None
            or message.author_id == self.world.bot_id
        ):
            return False
        answered = self.world.messages.get(message.reference or "")
        by_interaction = answered is not None and answered.interaction_id is not None
        named = re.search(rf"<@!?{self.world.bot_id}>", message.content) is not None
        return not named and (by_interaction or self.world.bot_id not in message.mentions)

    async def announce(self, message: Message, name: str = "MESSAGE_CREATE") -> int:
        channel = self.world.channels[message.channel_id]
        private_content = self._hidden(message)
        needs = GUILD_MESSAGES if channel.guild_id else DIRECT_MESSAGES
        body = {**self.world.message_json(message), "nonce": message.nonce}
        if channel.guild_id:
            body["member"] = member_json(self.world, message.author_id)
        return await self.gateway.emit(name, body, needs=needs, private_content=private_content)

    def _reference(self, channel_id: str, reference: dict[str, Any] | None) -> str | None:
        if reference is None:
            return None
        if not self.world.channels[channel_id].history:
            raise DiscordError(
                400, 160002, "Cannot reply without permission to read message history"
            )
        known = self.world.messages.get(str(reference["message_id"]))
        if (
            known is not None
            and known.channel_id == channel_id
            and not known.deleted
            and not known.ephemeral
        ):
            return known.id
        if reference.get("fail_if_not_exists", True):
            raise bad_form("Unknown message", "message_reference")
        return None

    async def get_message(self, request: web.Request) -> web.Response:
        return json_answer(self.world.message_json(self._bot_message(request, own=False)))

    async def edit_message(self, request: web.Request) -> web.Response:
        message = self._bot_message(request, own=True)
        body, files = await read_body(request)
        self.interactions.apply_edit(message, body, files, by="channel")
        return json_answer(self.world.message_json(message))

    async def delete_message(self, request: web.Request) -> web.Response:
        self._bot_message(request, own=True).deleted = True
        return web.Response(status=204)

    def _bot_message(self, request: web.Request, *, own: bool) -> Message:
        """A message as the bot token sees it: an ephemeral one does not exist for it."""
        channel = self.world.open_channel(request.match_info["channel"])
        message = self.world.message(channel.id, request.match_info["message"])
        if message.ephemeral:
            raise DiscordError(404, 10008, "Unknown Message")
        if own and message.author_id != self.world.bot_id:
            raise DiscordError(403, 50005, "Cannot edit a message authored by another user")
        return message

    async def callback(self, request: web.Request) -> web.Response:
        body, _ = await read_body(request)
        found = self.world.interactions.get(request.match_info["interaction"])
        if found is None or found.token != request.match_info["token"]:
            raise DiscordError(404, 10062, "Unknown interaction")
        answer = await self.interactions.acknowledge(found, body)
        if request.query.get("with_response") in ("1", "true"):
            return json_answer(answer)
        return web.Response(status=204)

    async def follow_up(self, request: web.Request) -> web.Response:
        interaction = self.world.live_interaction(request.match_info["token"])
        body, files = await read_body(request)
        return json_answer(
            self.world.message_json(await self.interactions.follow_up(interaction, body, files))
        )

    async def get_webhook_message(self, request: web.Request) -> web.Response:
        return json_answer(self.world.message_json(self._webhook_message(request)))

    async def edit_webhook_message(self, request: web.Request) -> web.Response:
        message = self._webhook_message(request)
        body, files = await read_body(request)
        self.interactions.apply_edit(message, body, files, by="webhook")
        return json_answer(self.world.message_json(message))

    async def delete_webhook_message(self, request: web.Request) -> web.Response:
        self._webhook_message(request).deleted = True
        return web.Response(status=204)

    def _webhook_message(self, request: web.Request) -> Message:
        interaction = self.world.live_interaction(request.match_info["token"])
        return self.interactions.message_of(interaction, request.match_info["message"])

    async def download(self, request: web.Request) -> web.Response:
        """The CDN: only signed addresses work, as Discord's expire."""
        stored = self.world.files.get(request.match_info["file"])
        if stored is None or request.query.get("hm") != stored.signature:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=stored.data, content_type=stored.content_type)


def without_localizations(command: dict[str, Any]) -> dict[str, Any]:
    """Discord leaves them out where they are not asked for."""
    bare = {name: value for name, value in command.items() if not name.endswith("_localizations")}
    return {**bare, "options": [without_localizations(one) for one in command.get("options", [])]}


async def read_body(request: web.Request) -> tuple[dict[str, Any], Parts]:
    """JSON, or `payload_json` with `files[n]` parts, as (payload, [(name, content type,
    bytes)])."""
    if (request.content_length or 0) > REQUEST_BYTES:
        raise DiscordError(413, 40005, "Request entity too large")
    if not request.content_type.startswith("multipart/"):
        return await request.json(), []
    payload: dict[str, Any] = {}
    files: Parts = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise bad_form("Nested multipart", "payload_json")
        data = bytes(await part.read(decode=False))
        if part.name == "payload_json":
            payload = json.loads(data)
        elif re.fullmatch(r"files\[\d+\]", part.name or ""):
            files.append((part.filename or "file", guess_type(part.filename or ""), data))
        else:
            raise bad_form("Unknown part", part.name or "")
    return payload, files


def guess_type(name: str) -> str:
    types = {
        "png": "image/png",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "mp4": "video/mp4",
        "mp3": "audio/mpeg",
        "ogg": "audio/ogg",
        "txt": "text/plain",
    }
    return types.get(name.rsplit(".", 1)[-1].lower(), "application/octet-stream")
