"""The actions of people on the fake Discord, and the settings of its behaviour."""

import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.control_base import Action, FakeControl, decoded
from tests.fakes.discord_faults import Faults
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_people import People
from tests.fakes.discord_rest import Rest
from tests.fakes.discord_world import FLAG_VOICE, World

LIMITS = {"shards_least", "identify_seconds", "max_concurrency", "sessions_left"}
"""Discord's own limits of the gateway."""


class Control(FakeControl):
    def __init__(self, world: World, gateway: Gateway, rest: Rest, faults: Faults) -> None:
        super().__init__(world)
        self.world = world
        self.gateway = gateway
        self.rest = rest
        self.faults = faults
        self.people = People(world, gateway)

    def snapshot(self) -> dict[str, Any]:
        counts = ("connected", "identified", "resumed", "refused_connections")
        more = ("shards_connected", "too_fast")
        told = {name: getattr(self.gateway, name) for name in (*counts, *more)}
        return self.world.snapshot() | told | {"faults_left": self.faults.left()}

    @property
    def actions(self) -> Mapping[str, Action]:
        return {
            "advance": self.advance,
            "fault": self.fault,
            "limit": self.faults.limit,
            "clear": self.clear,
            "forget": self.forget,
            "drop": self.drop,
            "reach": self.reach,
            "edits": self.edits,
            "deletes": self.deletes,
            "again": self.gateway.repeat,
            "portal": self.portal,
            "slash": self.people.slash,
            "menu": self.people.menu,
            "types": self.people.types,
            "press": self.people.press,
            "submit": self.people.submit,
            "says": self.says,
            "open": self.open,
            "mute": self.mute,
        }

    async def says(
        self,
        user_id: str,
        channel_id: str,
        text: str,
        guild: str | None = None,
        attachment: dict[str, str] | None = None,
        reply_to: str | None = None,
        ping: bool = True,
        forwards: str | None = None,
        voice_seconds: float | None = None,
    ) -> dict[str, Any]:
        self.world.user(user_id)
        channel = self.world.place(channel_id, guild, user_id)
        body: dict[str, Any] = {"content": text, "pinged": ping}
        if reply_to is not None:
            body["message_reference"] = {"message_id": reply_to}
        if forwards is not None:
            if text or attachment:
                raise ValueError("a forwarded message has no words or files of its own")
            body["forwards"] = forwards
        files = [] if attachment is None else [decoded(attachment)]
        if voice_seconds is not None:
            body["flags"] = FLAG_VOICE
            body["attachments"] = [{"duration_secs": voice_seconds, "waveform": "AP8A"}]
        message = await self.rest.create(channel.id, user_id, body, files)
        return {"id": message.id, "channel_id": channel.id}

    async def edits(self, message_id: str, text: str) -> None:
        message = self.world.messages[message_id]
        message.history.append(message.content)
        message.content = text
        await self.rest.announce(message, "MESSAGE_UPDATE")

    async def deletes(self, message_id: str) -> None:
        message = self.world.messages[message_id]
        message.deleted = True
        channel = self.world.channels[message.channel_id]
        about = {"id": message.id, "channel_id": channel.id} | (
            {"guild_id": channel.guild_id} if channel.guild_id else {}
        )
        await self.gateway.emit("MESSAGE_DELETE", about)

    def mute(self, channel_id: str) -> None:
        self.world.voiceless.add(channel_id)

    def open(self, channel_id: str) -> None:
        self.world.place(channel_id, None, channel_id)

    def advance(self, seconds: float) -> None:
        self.world.clock_offset += seconds

    def fault(self, **given: Any) -> None:
        re.compile(given["path"])
        self.faults.fault(**given)

    def clear(self) -> None:
        self.faults.clear()
        self.gateway.refuse_connections = False

    def forget(self) -> None:
        """Everybody leaves with all that was written, and no fault or request is remembered."""
        self.clear()
        self.world.forget()

    async def drop(
        self, code: int | None = None, forget: bool = False, refuse: bool = False
    ) -> None:
        self.gateway.refuse_connections = refuse
        await self.gateway.drop(code, forget=forget)

    def reach(self, channel_id: str, reachable: bool = True, history: bool = True) -> None:
        self.world.channels[channel_id].reachable = reachable
        self.world.channels[channel_id].history = history

    def portal(
        self,
        content_intent: str | None = None,
        tier: int | None = None,
        shards: int | None = None,
        moderators: list[str] | None = None,
        managers: list[str] | None = None,
        **limits: float,
    ) -> None:
        """Set the decisions of the developer portal and the server's owner; `content_intent` is
        off, shown (but refused) or granted. `limits`: see `LIMITS`."""
        if not limits.keys() <= LIMITS:
            raise ValueError(f"only {', '.join(sorted(LIMITS))}")
        vars(self.world).update(limits)
        world = self.world
        world.content_intent = content_intent or world.content_intent
        world.tier = world.tier if tier is None else tier
        world.shards = shards or world.shards
        world.moderators = world.moderators if moderators is None else set(moderators)
        world.managers = world.managers if managers is None else set(managers)
