"""What people do on the fake Discord, and how its behaviour is set: the calls under /_fake/ that a driver uses."""

import base64
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.fakes.discord_faults import Faults, plain
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_rest import Rest
from tests.fakes.discord_world import APPLICATION_ID, DM, File, Interaction, Message, World, buttons

SLASH, COMPONENT = 2, 3
STRING, INTEGER, BOOLEAN, ATTACHMENT, NUMBER = 3, 4, 5, 11, 10
VALUE_TYPES: dict[int, tuple[type, ...]] = {STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float), ATTACHMENT: (str,)}
OWN_LIMIT_BYTES = 10 * 1024 * 1024


class Control:
    def __init__(self, world: World, gateway: Gateway, rest: Rest, faults: Faults) -> None:
        self.world = world
        self.gateway = gateway
        self.rest = rest
        self.faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/_fake/state", self.state), web.post("/_fake/{action}", self.act)]

    async def state(self, request: web.Request) -> web.Response:
        """The whole world, as soon as it is newer than `after` or `seconds` are over."""
        await self.world.wait_changed(int(request.query.get("after", -1)), float(request.query.get("seconds", 0)))
        seen = self.world.snapshot()
        for name in ("connected", "identified", "resumed", "refused_connections"):
            seen[name] = getattr(self.gateway, name)
        return plain(seen)

    async def act(self, request: web.Request) -> web.Response:
        actions: dict[str, Callable[..., Awaitable[Any]]] = {
            "slash": self.slash,
            "press": self.press,
            "says": self.says,
            "advance": self.advance,
            "fault": self.fault,
            "limit": self.limit,
            "clear": self.clear,
            "drop": self.drop,
            "reach": self.reach,
        }
        action = actions.get(request.match_info["action"])
        if action is None:
            return plain({"error": f"no action {request.match_info['action']}"}, 404)
        try:
            answer = await action(**await request.json())
        except (LookupError, ValueError) as error:
            return plain({"error": str(error)}, 400)
        await self.world.touch()
        return plain(answer)

    async def slash(
        self,
        user_id: str,
        channel_id: str,
        command: str,
        options: dict[str, Any],
        guild: str | None = None,
        attachment: dict[str, str] | None = None,
        user_installed: bool = False,
        language: str = "en-US",
    ) -> dict[str, Any]:
        known = next((one for one in self.world.commands if one["name"] == command), None)
        if known is None:
            raise LookupError(f"/{command} is not registered")
        channel = self.world.place(channel_id, guild, user_id)
        if user_installed:
            channel.reachable = False
        given = dict(options)
        files: list[File] = []
        if attachment is not None:
            files.append(self._upload(channel.id, attachment))
            slot = next(one["name"] for one in known.get("options", []) if one["type"] == ATTACHMENT)
            given[slot] = files[0].id
        data = {
            "id": known["id"],
            "name": command,
            "type": 1,
            "options": _typed_options(known, given),
            "resolved": {"attachments": {one.id: {**self.world.file_json(one.id), "ephemeral": True} for one in files}},
        }
        return await self._interact(SLASH, user_id, channel.id, data, user_installed=user_installed, language=language)

    async def press(self, user_id: str, channel_id: str, message_id: str, button: str) -> dict[str, Any]:
        message = self.world.messages[message_id]
        if message.channel_id != channel_id or message.deleted:
            raise LookupError("no such message in this channel")
        found = next((one for one in buttons(message.components) if button in (one.get("label"), one.get("custom_id"))), None)
        if found is None or found.get("disabled"):
            raise LookupError(f"no button {button} on message {message_id}")
        data = {"custom_id": found["custom_id"], "component_type": 2}
        first = self.world.interactions.get(message.interaction_id or "")
        installed = first.user_installed if first is not None else False
        return await self._interact(COMPONENT, user_id, channel_id, data, message=message, user_installed=installed)

    async def _interact(
        self,
        kind: int,
        user_id: str,
        channel_id: str,
        data: dict[str, Any],
        *,
        message: Message | None = None,
        user_installed: bool = False,
        language: str = "en-US",
    ) -> dict[str, Any]:
        world, channel = self.world, self.world.channels[channel_id]
        made = Interaction(
            id=world.next_id(),
            token=secrets.token_urlsafe(60),
            type=kind,
            channel_id=channel_id,
            user_id=user_id,
            created=world.now(),
            guild_id=channel.guild_id,
            user_installed=user_installed,
            message_id=message.id if message else None,
        )
        world.interactions[made.id] = made
        event = self._event(made, data, language)
        if message is not None:
            event["message"] = world.message_json(message)
        reached = await self.gateway.emit("INTERACTION_CREATE", event)
        return {"id": made.id, "channel_id": channel_id, "delivered": reached}

    def _event(self, made: Interaction, data: dict[str, Any], language: str) -> dict[str, Any]:
        channel, user = self.world.channels[made.channel_id], self.world.user(made.user_id)
        owners = {"1": made.user_id} if made.user_installed else {"0": made.guild_id or "0"}
        about: dict[str, Any] = {"id": channel.id, "type": channel.type}
        if channel.type == DM:
            about["recipients"] = [user]
        else:
            about |= {"name": "general", "guild_id": channel.guild_id, "position": 0, "permissions": "2248473465835073"}
        event: dict[str, Any] = {
            "id": made.id,
            "application_id": APPLICATION_ID,
            "type": made.type,
            "data": data,
            "token": made.token,
            "version": 1,
            "channel_id": channel.id,
            "channel": about,
            "locale": language,
            "app_permissions": "2248473465835073",
            "entitlements": [],
            "attachment_size_limit": OWN_LIMIT_BYTES,
            "authorizing_integration_owners": owners,
            "context": 1 if channel.type == DM else 0,
        }
        if channel.guild_id is None:
            return {**event, "user": user}
        member = {
            "user": user,
            "roles": [],
            "joined_at": "2026-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": "2248473465835073",
        }
        guild = {"id": channel.guild_id, "locale": "en-US", "features": []}
        return {**event, "guild_id": channel.guild_id, "guild": guild, "guild_locale": "en-US", "member": member}

    async def says(
        self,
        user_id: str,
        channel_id: str,
        text: str,
        guild: str | None = None,
        attachment: dict[str, str] | None = None,
        reply_to: str | None = None,
    ) -> dict[str, Any]:
        self.world.user(user_id)
        channel = self.world.place(channel_id, guild, user_id)
        body: dict[str, Any] = {"content": text}
        if reply_to is not None:
            body["message_reference"] = {"message_id": reply_to}
        files = [] if attachment is None else [_decoded(attachment)]
        message = await self.rest.create(channel.id, user_id, body, files)
        return {"id": message.id, "channel_id": channel.id}

    def _upload(self, channel_id: str, attachment: dict[str, str]) -> File:
        return self.world.store_file(channel_id, *_decoded(attachment))

    async def advance(self, seconds: float) -> None:
        self.world.clock_offset += seconds

    async def fault(self, **given: Any) -> None:
        re.compile(given["path"])
        self.faults.fault(**given)

    async def limit(self, **given: Any) -> None:
        self.faults.limit(**given)

    async def clear(self) -> None:
        self.faults.clear()
        self.gateway.refuse_connections = False

    async def drop(self, code: int | None = None, forget: bool = False, refuse: bool = False) -> None:
        self.gateway.refuse_connections = refuse
        await self.gateway.drop(code, forget=forget)

    async def reach(self, channel_id: str, reachable: bool) -> None:
        self.world.channels[channel_id].reachable = reachable


def _decoded(attachment: dict[str, str]) -> tuple[str, str, bytes]:
    return attachment["name"], attachment["content_type"], base64.b64decode(attachment["data"])


def _typed_options(command: dict[str, Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    """The options as Discord would send them; it lets nobody send what the registration does not allow."""
    made = []
    for option in command.get("options", []):
        if option["name"] not in given:
            if option.get("required"):
                raise ValueError(f"option {option['name']} is required")
            continue
        value = given[option["name"]]
        if type(value) not in VALUE_TYPES[option["type"]]:
            raise ValueError(f"option {option['name']} has the wrong type")
        if option.get("choices") and value not in [one["value"] for one in option["choices"]]:
            raise ValueError(f"{value!r} is no choice of {option['name']}")
        if isinstance(value, str) and len(value) > option.get("max_length", 6000):
            raise ValueError(f"option {option['name']} is too long")
        if isinstance(value, int | float) and not option.get("min_value", value) <= value <= option.get("max_value", value):
            raise ValueError(f"option {option['name']} is out of range")
        made.append({"name": option["name"], "type": option["type"], "value": value})
    unknown = set(given) - {one["name"] for one in command.get("options", [])}
    if unknown:
        raise ValueError(f"/{command['name']} has no option {', '.join(sorted(unknown))}")
    return made
