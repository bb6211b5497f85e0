"""The fake Discord's gateway: sessions that survive a lost connection and replay what was
missed."""

import asyncio
import json
import secrets
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.fakes.discord_world import (
    APPLICATION_ID,
    EVERYBODY_PERMISSIONS,
    GUILD_ID,
    GUILD_TEXT,
    MANAGER_PERMISSIONS,
    MANAGER_ROLE,
    MODERATOR_PERMISSIONS,
    MODERATOR_ROLE,
    THREAD,
    Channel,
    World,
)

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = (
    0,
    1,
    2,
    6,
    7,
    9,
    10,
    11,
)
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1, 1 << 9, 1 << 12, 1 << 15
PRIVILEGED = (1 << 1) | (1 << 8) | MESSAGE_CONTENT
JOINED = "2026-01-01T00:00:00+00:00"
SHELL: dict[str, Any] = {"content": "", "attachments": [], "components": [], "embeds": []}


class Connection:
    """One socket; speaks zlib-stream where the client asked for it. `dropped`: it was us who ended
    it."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, *, compress: bool
    ) -> None:
        self.socket = socket
        self.transport = transport
        self.dropped = False
        self._packer = zlib.compressobj() if compress else None

    async def send(self, payload: dict[str, Any]) -> None:
        text = json.dumps(payload)
        if self._packer is None:
            await self.socket.send_str(text)
        else:
            await self.socket.send_bytes(
                self._packer.compress(text.encode()) + self._packer.flush(zlib.Z_SYNC_FLUSH)
            )


@dataclass
class Session:
    id: str
    intents: int
    shard: int
    shards: int
    connection: Connection | None
    events: list[dict[str, Any]] = field(default_factory=list)

    def has(self, guild: str | int) -> bool:
        """Whether the guild's events come here; direct messages are of no guild, 0."""
        return (int(guild) >> 22) % self.shards == self.shard

    async def dispatch(self, name: str, data: dict[str, Any]) -> None:
        event = {"op": DISPATCH, "t": name, "s": len(self.events) + 1, "d": data}
        self.events.append(event)
        if self.connection is not None:
            try:
                await self.connection.send(event)
            except ConnectionError:
                self.connection = None


class Gateway:
    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.identified = 0
        self.resumed = 0
        self.refuse_connections = False
        self.refused_connections = 0
        self.too_fast = 0
        self._identified_at: dict[int, float] = {}
        self.last: tuple[str, dict[str, Any], int, bool] | None = None

    @property
    def connected(self) -> int:
        return sum(1 for one in self.sessions.values() if one.connection is not None)

    @property
    def shards_connected(self) -> list[list[int]]:
        found = [one for one in self.sessions.values() if one.connection is not None]
        return sorted([one.shard, one.shards] for one in found)

    async def emit(
        self, name: str, data: dict[str, Any], *, needs: int = 0, private_content: bool = False
    ) -> int:
        """Send to each session with the intent and of the right shard; how many were reached.
        `private_content`: only the shell, without the content intent."""
        reached = 0
        self.last = (name, data, needs, private_content)
        guild = data.get("guild_id") or 0
        for session in list(self.sessions.values()):
            if needs and not session.intents & needs:
                continue
            if not session.has(guild):
                continue
            reads = bool(session.intents & MESSAGE_CONTENT)
            seen = {**data, **SHELL} if private_content and not reads else data
            if (
                not reads
                and seen.get("referenced_message")
                and seen["referenced_message"]["author"]["id"] != self.world.bot_id
            ):
                seen = {**seen, "referenced_message": {**seen["referenced_message"], **SHELL}}
            reached += session.connection is not None
            await session.dispatch(name, seen)
        return reached

    async def repeat(self) -> int:
        """The last event once more, as after a connection that broke."""
        if self.last is None:
            return 0
        name, data, needs, private_content = self.last
        return await self.emit(name, data, needs=needs, private_content=private_content)

    async def drop(self, code: int | None = None, *, forget: bool = False) -> None:
        """Close all connections (`code` None: cut the line); `forget` makes the sessions impossible
        to resume."""
        dropped = list(self.connections)
        if forget:
            self.sessions.clear()
        for connection in dropped:
            connection.dropped = True
            if code is None:
                if connection.transport is not None:
                    connection.transport.abort()
            else:
                await connection.socket.close(code=code)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_connections:
            self.refused_connections += 1
            self.world.touch()
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(
            socket, request.transport, compress=request.query.get("compress") == "zlib-stream"
        )
        self.connections.add(connection)
        try:
            await connection.send(
                {"op": HELLO, "d": {"heartbeat_interval": 41_250}, "s": None, "t": None}
            )
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._receive(connection, json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            await self._leave(connection)
        return socket

    async def _receive(self, connection: Connection, payload: dict[str, Any]) -> None:
        if payload["op"] == HEARTBEAT:
            await connection.send({"op": HEARTBEAT_ACK, "d": None, "s": None, "t": None})
        elif payload["op"] == IDENTIFY:
            await self._identify(connection, payload["d"])
        elif payload["op"] == RESUME:
            await self._resume(connection, payload["d"])

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if data["token"] != self.world.token:
            await connection.socket.close(code=4004, message=b"Authentication failed.")
            return
        if (
            data["intents"]
            & PRIVILEGED
            & ~(MESSAGE_CONTENT if self.world.content_intent == "granted" else 0)
        ):
            await connection.socket.close(code=4014, message=b"Disallowed intent(s).")
            return
        shard, shards = data.get("shard", (0, 1))
        if not await self._may_identify(connection, shard, shards):
            return
        session = Session(secrets.token_hex(16), data["intents"], shard, shards, connection)
        self.sessions[session.id] = session
        self.identified += 1
        await session.dispatch("READY", self._ready(session))
        if session.intents & GUILDS and session.has(GUILD_ID):
            await session.dispatch("GUILD_CREATE", guild_json(self.world))
        self.world.touch()

    async def _may_identify(self, connection: Connection, shard: int, shards: int) -> bool:
        world = self.world
        if not 0 <= shard < shards:
            await connection.socket.close(code=4010, message=b"Invalid shard.")
            return False
        if shards < world.shards_least:
            await connection.socket.close(code=4011, message=b"Sharding required.")
            return False
        bucket, now = shard % world.max_concurrency, time.monotonic()
        if now - self._identified_at.get(bucket, -1e9) < world.identify_seconds:
            self.too_fast += 1
            await connection.send({"op": INVALID_SESSION, "d": False, "s": None, "t": None})
            return False
        self._identified_at[bucket] = now
        world.sessions_left -= 1
        if world.sessions_left < 0:  # Discord ends all sessions, and the token with them
            world.token = secrets.token_hex(16)
            await self.drop(4004, forget=True)
            return False
        return True

    def _ready(self, session: Session) -> dict[str, Any]:
        return {
            "v": 10,
            "user": {
                **self.world.users[self.world.bot_id],
                "verified": True,
                "mfa_enabled": False,
                "email": None,
                "flags": 0,
            },
            "guilds": [{"id": GUILD_ID, "unavailable": True}] if session.has(GUILD_ID) else [],
            "session_id": session.id,
            "shard": [session.shard, session.shards],
            "resume_gateway_url": self.world.base_url.replace("http", "ws", 1) + "/gateway",
            "application": {"id": APPLICATION_ID, "flags": 0},
            "private_channels": [],
        }

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        session = self.sessions.get(data["session_id"] or "")
        if session is None or data["token"] != self.world.token:
            await connection.send({"op": INVALID_SESSION, "d": False, "s": None, "t": None})
            return
        session.connection = connection
        for event in session.events[data["seq"] or 0 :]:
            await connection.send(event)
        self.resumed += 1
        await session.dispatch("RESUMED", {})
        self.world.touch()

    async def _leave(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for session in list(self.sessions.values()):
            if session.connection is connection:
                session.connection = None
                if not connection.dropped and connection.socket.close_code in (
                    WSCloseCode.OK,
                    WSCloseCode.GOING_AWAY,
                ):
                    del self.sessions[session.id]
        # A closing server cancels its sockets: the notice must not be lost half-way.
        self.world.touch()


def guild_json(world: World) -> dict[str, Any]:
    channels = [
        channel_json(one)
        for one in world.channels.values()
        if one.guild_id == GUILD_ID and one.type == GUILD_TEXT
    ]
    threads = [
        channel_json(one)
        for one in world.channels.values()
        if one.guild_id == GUILD_ID and one.type == THREAD
    ]
    roles = [
        _role(GUILD_ID, "@everyone", EVERYBODY_PERMISSIONS),
        _role(MODERATOR_ROLE, "moderators", MODERATOR_PERMISSIONS),
        _role(MANAGER_ROLE, "managers", MANAGER_PERMISSIONS),
    ]
    return {
        "id": GUILD_ID,
        "name": "Studio",
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": "500000000000000001",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": world.tier,
        "preferred_locale": "en-US",
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": roles,
        "channels": channels,
        "threads": threads,
        "members": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "member_count": 2,
        "large": False,
        "unavailable": False,
        "joined_at": JOINED,
    }


def _role(role_id: str, name: str, permissions: str) -> dict[str, Any]:
    return {
        "id": role_id,
        "name": name,
        "permissions": permissions,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0 if role_id == GUILD_ID else 1,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }


def member_json(world: World, user_id: str) -> dict[str, Any]:
    roles = [MODERATOR_ROLE] if user_id in world.moderators else []
    roles += [MANAGER_ROLE] if user_id in world.managers else []
    return {"roles": roles, "joined_at": JOINED, "deaf": False, "mute": False, "flags": 0}


def channel_json(channel: Channel) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": channel.id,
        "type": channel.type,
        "guild_id": channel.guild_id,
        "name": "general",
        "position": 0,
    }
    if channel.type == THREAD:
        metadata = {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": JOINED,
            "locked": False,
        }
        return {
            **about,
            "parent_id": channel.parent_id,
            "owner_id": "1",
            "message_count": 0,
            "member_count": 1,
            "thread_metadata": metadata,
        }
    return {**about, "permission_overwrites": [], "parent_id": None, "nsfw": False}
