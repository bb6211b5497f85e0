"""The world of the fake Discord: people, channels, messages with their edits, interactions, files.
It lives in the server's loop only."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.fakes.control_base import ChangingWorld

EPOCH_MS = 1_420_070_400_000
APPLICATION_ID = "900000000000000001"
GUILD_ID = "700000000000000001"
GUILD_CHANNEL_ID = "710000000000000001"
SNAPSHOT = {
    "type",
    "content",
    "embeds",
    "attachments",
    "timestamp",
    "edited_timestamp",
    "flags",
    "mentions",
    "mention_roles",
    "components",
}
"""The fields that Discord shows of a forwarded message: all except its author."""
TOKEN_SECONDS = 15 * 60
ANSWER_SECONDS = 3.0

THREAD_ID = "710000000000000002"
GUILD_TEXT, DM, GROUP_DM, THREAD = 0, 1, 3, 11
MIB = 1024 * 1024
FILE_BYTES = (10 * MIB, 10 * MIB, 50 * MIB, 100 * MIB)
"""By a server's boost tier. A request holds at most 25 MiB in any case."""
BOT_PERMISSIONS = EVERYBODY_PERMISSIONS = "2248473465835073"
MODERATOR_PERMISSIONS = "2248473465843265"
"""With Manage Messages."""
MODERATOR_ROLE = "700000000000000009"
MANAGER_PERMISSIONS = str(int(MODERATOR_PERMISSIONS) | 0x20)
"""With Manage Server."""
MANAGER_ROLE = "700000000000000010"
FLAG_EPHEMERAL, FLAG_LOADING = 64, 128
FLAG_SUPPRESS_EMBEDS, FLAG_SUPPRESS_NOTIFICATIONS, FLAG_VOICE = 4, 4096, 8192


class DiscordError(Exception):
    """An answer of Discord's REST API that is no success. `code` is Discord's own."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code, **more}


def bad_form(message: str, fld: str = "") -> DiscordError:
    return DiscordError(
        400,
        50035,
        "Invalid Form Body",
        errors={fld or "_": {"_errors": [{"code": "INVALID", "message": message}]}},
    )


@dataclass
class File:
    id: str
    name: str
    content_type: str
    size: int
    channel_id: str
    signature: str
    data: bytes = field(repr=False)
    voice: dict[str, Any] | None = None
    """Length and waveform of a voice message."""


@dataclass
class Message:
    id: str
    channel_id: str
    author_id: str
    content: str
    created: float
    flags: int = 0
    nonce: str | None = None
    reference: str | None = None
    interaction_id: str | None = None
    components: list[dict[str, Any]] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    allowed_mentions: dict[str, Any] | None = None
    history: list[str] = field(default_factory=list)
    edited_by: list[str] = field(default_factory=list)
    deleted: bool = False
    pinged: bool = True
    forwards: str | None = None

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & FLAG_EPHEMERAL)


@dataclass
class Interaction:
    id: str
    token: str
    type: int
    channel_id: str
    user_id: str
    created: float
    guild_id: str | None
    user_installed: bool
    message_id: str | None = None
    answered_after: float | None = None
    answer_type: int | None = None
    ephemeral: bool = False
    original_id: str | None = None
    follow_ups: int = 0
    choices: list[dict[str, Any]] | None = None
    form: dict[str, Any] | None = None


@dataclass
class Channel:
    id: str
    type: int
    guild_id: str | None
    recipients: list[str] = field(default_factory=list)
    reachable: bool = True
    typing: int = 0
    parent_id: str | None = None
    history: bool = True


class World(ChangingWorld):
    def __init__(self, token: str, *, ticking: bool = False) -> None:
        super().__init__()
        self.token = token
        self.ticking = ticking
        self.base_url = ""
        self.bot_id = APPLICATION_ID
        self.clock_offset = 0.0
        self.users: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, Message] = {}
        self.interactions: dict[str, Interaction] = {}
        self.files: dict[str, File] = {}
        self.voiceless: set[str] = set()
        self.commands: list[dict[str, Any]] = []
        self.commands_put = 0
        self.content_intent = "off"
        self.tier = 0
        self.shards = 1
        self.shards_least = 1
        self.identify_seconds = 5.0
        self.max_concurrency = 1
        self.sessions_left = 1000
        self.moderators: set[str] = set()
        self.managers: set[str] = set()
        self.nonces: dict[tuple[str, str], tuple[float, str]] = {}
        self.requests: list[dict[str, Any]] = []
        self._sequence = 0
        self.user(self.bot_id, name="studio", bot=True)
        self.channels[GUILD_CHANNEL_ID] = Channel(GUILD_CHANNEL_ID, GUILD_TEXT, GUILD_ID)
        self.channels[THREAD_ID] = Channel(THREAD_ID, THREAD, GUILD_ID, parent_id=GUILD_CHANNEL_ID)

    def now(self) -> float:
        """Stands still until it is advanced, so that no test depends on how fast the machine is,
        unless it is `ticking`."""
        return self.clock_offset + (time.monotonic() if self.ticking else 0.0)

    def next_id(self) -> str:
        self._sequence += 1
        ms = int((time.time() + self.clock_offset) * 1000) - EPOCH_MS
        return str((ms << 22) | (self._sequence & 0x3FFFFF))

    def user(self, user_id: str, *, name: str | None = None, bot: bool = False) -> dict[str, Any]:
        if user_id not in self.users:
            username = name or f"person{user_id[-4:]}"
            self.users[user_id] = {
                "id": user_id,
                "username": username,
                "global_name": username.title(),
                "discriminator": "0",
                "avatar": None,
                "bot": bot,
                "public_flags": 0,
            }
        return self.users[user_id]

    def forget(self) -> None:
        for things in (self.messages, self.interactions, self.files, self.nonces, self.requests):
            things.clear()
        self.touch()

    def dm_channel(self, user_id: str, channel_id: str | None = None) -> Channel:
        for channel in self.channels.values():
            if channel.type == DM and channel.recipients == [user_id]:
                return channel
        self.user(user_id)
        channel = Channel(channel_id or self.next_id(), DM, None, [user_id])
        self.channels[channel.id] = channel
        return channel

    def place(self, channel_id: str, guild_id: str | None, user_id: str) -> Channel:
        """The channel that a person acts in, made when it is new: a DM without a guild."""
        if channel_id not in self.channels:
            if guild_id is None:
                return self.dm_channel(user_id, channel_id)
            self.channels[channel_id] = Channel(channel_id, GUILD_TEXT, guild_id)
        return self.channels[channel_id]

    def open_channel(self, channel_id: str) -> Channel:
        """The channel, as the bot token may use it."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise DiscordError(404, 10003, "Unknown Channel")
        if not channel.reachable:
            raise DiscordError(403, 50001, "Missing Access")
        return channel

    def file_bytes(self, channel_id: str) -> int:
        """The largest file there."""
        return (
            FILE_BYTES[self.tier]
            if self.channels[channel_id].guild_id == GUILD_ID
            else FILE_BYTES[0]
        )

    def message(self, channel_id: str, message_id: str) -> Message:
        found = self.messages.get(message_id)
        if found is None or found.deleted or found.channel_id != channel_id:
            raise DiscordError(404, 10008, "Unknown Message")
        return found

    def channel_of(self, path: Mapping[str, str]) -> str | None:
        """Return the channel that a request is about, by the parts of its path."""
        if "channel" in path:
            return path["channel"]
        token = path.get("token")
        found = (one.channel_id for one in self.interactions.values() if one.token == token)
        return next(found, None)

    def live_interaction(self, token: str) -> Interaction:
        """The interaction of a webhook token that still works: answered before, younger than 15
        minutes."""
        found = next((one for one in self.interactions.values() if one.token == token), None)
        if found is None or found.answered_after is None:
            raise DiscordError(404, 10015, "Unknown Webhook")
        if self.now() - found.created > TOKEN_SECONDS:
            raise DiscordError(401, 50027, "Invalid Webhook Token")
        return found

    def store_file(self, channel_id: str, name: str, content_type: str, data: bytes) -> File:
        stored = File(
            self.next_id(), name, content_type, len(data), channel_id, secrets.token_hex(16), data
        )
        self.files[stored.id] = stored
        return stored

    def file_json(self, file_id: str) -> dict[str, Any]:
        one = self.files[file_id]
        path = f"{one.channel_id}/{one.id}/{one.name}?hm={one.signature}"
        url = f"{self.base_url}/cdn/attachments/{path}"
        return {
            "id": one.id,
            "filename": one.name,
            "content_type": one.content_type,
            "size": one.size,
            "url": url,
            "proxy_url": url,
        } | (one.voice or {})

    def message_json(self, message: Message) -> dict[str, Any]:
        channel = self.channels[message.channel_id]
        body: dict[str, Any] = {
            "id": message.id,
            "channel_id": message.channel_id,
            "author": self.users[message.author_id],
            "content": message.content,
            "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "edited_timestamp": "2026-01-01T00:00:01.000000+00:00" if message.history else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [self.users[one] for one in message.mentions],
            "mention_roles": [],
            "attachments": [self.file_json(one) for one in message.attachments],
            "embeds": message.embeds,
            "components": message.components,
            "flags": message.flags,
            "pinned": False,
            "type": 20 if message.interaction_id else 19 if message.reference else 0,
        }
        if channel.guild_id:
            body["guild_id"] = channel.guild_id
        if message.reference:
            body["message_reference"] = {
                "message_id": message.reference,
                "channel_id": message.channel_id,
                "type": 0,
            }
            answered = self.messages[message.reference]
            nested = {**answered.__dict__, "reference": None}
            body["referenced_message"] = (
                None if answered.deleted else self.message_json(Message(**nested))
            )
        if message.forwards:
            passed = self.messages[message.forwards]
            kept = {
                name: value for name, value in self.message_json(passed).items() if name in SNAPSHOT
            }
            body["message_reference"] = {
                "message_id": passed.id,
                "channel_id": passed.channel_id,
                "type": 1,
            }
            body["message_snapshots"] = [{"message": kept}]
        if message.interaction_id:
            body["application_id"] = body["webhook_id"] = self.bot_id
        return body

    def snapshot(self) -> dict[str, Any]:
        """All that a test may look at, without file bytes."""
        return {
            "version": self.version,
            "messages": [self._seen(one) for one in self.messages.values()],
            "interactions": [asdict(one) for one in self.interactions.values()],
            "channels": [asdict(one) for one in self.channels.values()],
            "commands": self.commands,
            "commands_put": self.commands_put,
            "requests": self.requests,
        }

    def _seen(self, message: Message) -> dict[str, Any]:
        return {
            **asdict(message),
            "ephemeral": message.ephemeral,
            "loading": bool(message.flags & FLAG_LOADING),
            "attachments": [self.file_json(one) for one in message.attachments],
        }


def buttons(components: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [button for row in components for button in row.get("components", [])]
