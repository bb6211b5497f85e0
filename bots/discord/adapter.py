"""The Discord client: acknowledges what people do within its first call, then lets the core answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.core.commands import COMMANDS, resolve
from bots.core.types import Address, Chat, Inbound, SendFailed
from bots.discord import inbound
from bots.discord.chat import ChannelChat, InteractionChat, Memory
from bots.discord.commands import changed, slash_commands
from bots.discord.rest import DEFER_MESSAGE, DEFER_UPDATE, Refused, Rest

log = structlog.get_logger()

Answer = Callable[[Chat, Inbound], Awaitable[None]]

DISCORD = "https://discord.com/api"
RATE_LIMIT_SECONDS = 30.0
"""A longer wait than this is an error, and the delivery's turn comes again. The library allows no less."""
FINISH_SECONDS = 1.5
CLOSE_SECONDS = 1.0


class Studio(discord.Client):
    """One bot account. `answer` gets each thing a person does, with a chat to show its replies in."""

    def __init__(self, answer: Answer, file_host: str | None = None) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        super().__init__(
            intents=intents,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=RATE_LIMIT_SECONDS,
        )
        # A first connection that fails makes the library read the state of a socket that it does not have yet.
        no_socket: Any = SimpleNamespace(sequence=None, session_id=None, gateway=None, open=False)
        self.ws = no_socket
        self._answer = answer
        self._files = inbound.Files(self.http.get_from_cdn, file_host)
        self._running: set[asyncio.Task[Any]] = set()
        self._channel: ChannelChat | None = None

    @property
    def channel_chat(self) -> ChannelChat:
        """Only after login."""
        assert self._channel is not None
        return self._channel

    async def setup_hook(self) -> None:
        assert self.application_id is not None
        rest = Rest(self.http, self.application_id)
        self._channel = ChannelChat(rest, Memory())
        wanted = slash_commands(COMMANDS)
        try:
            if changed(await rest.commands(), wanted):
                await rest.put_commands(wanted)
                log.info("commands_registered", count=len(wanted))
        except Refused as refused:
            # The commands that Discord has from before still work.
            log.error("commands_refused", reason=refused.reason)  # noqa: TRY400  (Discord's answer says it all)

    async def find_gateway(self) -> None:
        """Ask where the gateway is, as a loopback Discord has it anywhere."""
        found = await self.http.request(Route("GET", "/gateway"))
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(found["url"])

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        async with self._finishing():
            if interaction.type is discord.InteractionType.application_command:
                await self._on_slash(interaction)
            elif interaction.type is discord.InteractionType.component:
                await self._on_press(interaction)

    async def on_message(self, said: discord.Message) -> None:
        assert self.user is not None
        if said.author.bot or not (said.guild is None or self.user in said.mentions):
            return
        async with self._finishing():
            await self._answer(self.channel_chat, inbound.message(said, self.user.id, self._files))

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("event_broke", event_name=event_method)  # noqa: LOG004  (the library calls this while handling)

    async def _on_slash(self, interaction: discord.Interaction) -> None:
        data: Any = interaction.data
        command = resolve(str(data["name"]))
        hidden = command is not None and command.secret
        with_chat = await self._deferred(interaction, DEFER_MESSAGE, hidden=hidden)
        if with_chat is None:
            return
        chat, original = with_chat
        address = await self._address(interaction, original)
        await self._reply(chat, inbound.slash(interaction, address, self._files))

    async def _on_press(self, interaction: discord.Interaction) -> None:
        hidden = interaction.message is not None and interaction.message.flags.ephemeral
        with_chat = await self._deferred(interaction, DEFER_UPDATE, hidden=hidden)
        if with_chat is None:
            return
        chat, original = with_chat
        await self._reply(chat, inbound.press(interaction, await self._address(interaction, original)))

    async def _deferred(self, interaction: discord.Interaction, kind: int, *, hidden: bool) -> tuple[InteractionChat, str | None] | None:
        """Discord gives three seconds, so nothing is awaited before this. None: it is too late, or another process was first."""
        update = kind == DEFER_UPDATE
        try:
            original = await self.channel_chat.rest.defer(interaction.id, interaction.token, kind, ephemeral=hidden and not update)
        except SendFailed as failure:
            log.warning("interaction_lost", interaction=interaction.id, reason=failure.reason)
            return None
        if update and interaction.message is not None:
            original = str(interaction.message.id)
        chat = InteractionChat(
            self.channel_chat,
            interaction.token,
            original,
            waiting=not update,
            hidden=hidden,
            reachable=inbound.reachable(interaction),
        )
        return chat, original

    async def _address(self, interaction: discord.Interaction, original: str | None) -> Address:
        """Where a result can be pushed later: here, or the person's direct messages where the bot is no member."""
        private = interaction.context.dm_channel
        if inbound.reachable(interaction) and interaction.channel_id is not None:
            return Address(inbound.PLATFORM, str(interaction.channel_id), message_id=original, private=private)
        try:
            dm = await self.channel_chat.rest.open_dm(str(interaction.user.id))
        except SendFailed as failure:
            log.warning("no_direct_messages", reason=failure.reason)
            dm = str(interaction.channel_id)
        return Address(inbound.PLATFORM, dm, private=private)

    async def _reply(self, chat: InteractionChat, asked: Inbound) -> None:
        try:
            await self._answer(chat, asked)
        finally:
            await chat.close()

    @asynccontextmanager
    async def _finishing(self) -> AsyncIterator[None]:
        """Registers the running task, so that a stop lets it finish what it is about to show."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def leave(self) -> None:
        """Stop within three seconds: answers get a moment to end, the gateway a moment to say goodbye."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.close(), CLOSE_SECONDS)


def point_at(api_url: str, gateway_url: str | None) -> str | None:
    """Make discord.py talk to another Discord than the real one; the host that then may hold files, too."""
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)
    if api_url.rstrip("/") == DISCORD:
        return None
    Route.BASE = f"{api_url.rstrip('/')}/v10"
    return urlsplit(api_url).netloc
