"""The Discord bot: acknowledges a person's action with its first call, then lets the core
answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.shard import Shard

from bots.core import language, texts
from bots.core.commands import ALIASES, COMMANDS, Command, resolve
from bots.core.recent import Recent
from bots.core.types import Address, Ask, Inbound, Messenger, SendFailed
from bots.discord import inbound
from bots.discord.chat import ChannelChat, Memory
from bots.discord.commands import CHOICES, changed, on_message, registered
from bots.discord.connector import connector_for
from bots.discord.interaction import InteractionChat, InteractionFacts, Taken
from bots.discord.leased_shard import SHARD, LeasedChat, LeasedShard
from bots.discord.render import FORM, LABEL, form
from bots.discord.rest import DiscordRefusal, DiscordRest
from bots.discord.shards import SessionsUsedUp, Shards
from client.bot import Who
from client.schemas import Kind
from client.schemas.catalog import ModelOut

log = structlog.get_logger()

Answer = Callable[[Messenger, Inbound], Awaitable[None]]
Suggest = Callable[[Who, Sequence[Kind], str, int], Awaitable[list[ModelOut]]]

DISCORD = "https://discord.com/api"
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,
).value
"""Permissions that a server's owner is asked for."""
RATE_LIMIT_SECONDS = 30.0
"""A longer wait is an error, and the delivery's turn comes again. The library allows no less."""
SUGGEST_SECONDS = 2.0
FINISH_SECONDS = 1.2
LAST_WORD_SECONDS = 0.9
CLOSE_SECONDS = 1.0
SHARD_SECONDS = 60.0
USED_UP_SECONDS = 300.0
"""Longest pause until Discord is asked again for connects that are left."""
BACKOFF_LEAST, BACKOFF_MOST = 1.0, 60.0
REMEMBERED = 1000


class DiscordBot(discord.AutoShardedClient):
    """One bot account. `answer` is called with each action of a person, and a chat to show its
    replies in; `suggest` knows the models."""

    def __init__(
        self,
        answer: Answer,
        suggest: Suggest,
        file_host: str | None = None,
        *,
        commands: Sequence[Command] = COMMANDS,
        read_all: bool = True,
        shards: Shards | None = None,
    ) -> None:
        """`read_all`: use the Message Content Intent, where the application has it. `shards`: those
        of this process, which the others leave to it; None: all."""
        self._read_all = read_all
        self._wanted = discord.Intents.none()
        self._wanted.guilds = self._wanted.guild_messages = self._wanted.dm_messages = True
        super().__init__(
            connector=connector_for(Route.BASE),
            intents=self._wanted,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=RATE_LIMIT_SECONDS,
        )
        self._shards = shards
        self._counted = asyncio.Event()
        self._gateway: yarl.URL | None = None
        self._answer = answer
        self._suggest = suggest
        self._commands = commands
        self._files = inbound.AttachmentReader(self.http.get_from_cdn, file_host)
        self._running: set[asyncio.Task[Any]] = set()
        self._seen: Recent[int, None] = Recent(REMEMBERED)
        self._channel: ChannelChat | None = None

    @property
    def channel_chat(self) -> ChannelChat:
        """Only after login."""
        assert self._channel is not None
        return self._channel

    async def setup_hook(self) -> None:
        assert self.application_id is not None
        rest = DiscordRest(self.http, self.application_id)
        self._channel = ChannelChat(rest, Memory(), self._file_bytes)
        log.info(
            "invite",
            url=f"https://discord.com/oauth2/authorize?client_id={self.application_id}&permissions={PERMISSIONS}&scope=bot+applications.commands",
        )
        flags = self.application_flags
        # Asked for only where it is switched on, for Discord refuses a bot that asks for more than
        # it may have.
        self._wanted.message_content = self._read_all and (
            flags.gateway_message_content or flags.gateway_message_content_limited
        )
        if self._shards is None:
            await self.register_commands()

    async def register_commands(self) -> None:
        rest, wanted = self.channel_chat.rest, registered(self._commands)
        try:
            if changed(await rest.commands(), wanted):
                await rest.put_commands(wanted)
                log.info("commands_registered", count=len(wanted))
        except DiscordRefusal as refused:
            # The commands that Discord has from before still work.
            log.error("commands_refused", reason=str(refused))  # noqa: TRY400  (Discord's answer says it all)

    async def find_gateway(self, url: str | None, *, loopback: bool) -> None:
        """Find the gateway to connect to: as it is set, or as Discord says where that is not the
        real one."""
        if url is None and loopback:
            url = (await self.http.request(Route("GET", "/gateway")))["url"]
        if url is not None:
            self._gateway = DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)

    async def launch_shards(self) -> None:
        """Connect all shards, or get ready to connect those that this process is given."""
        if self._shards is None:
            await super().launch_shards()
            return
        self.shard_count = await self._shards.count(self.http)
        self._connection.shard_count = self.shard_count
        self._connection.shard_ids = range(self.shard_count)
        self._counted.set()

    async def keep_shards(self) -> None:
        """Connect and close shards as their leases come and go, until cancelled."""
        assert self._shards is not None
        await self._counted.wait()
        await self._shards.keep(self.open_shard, self.close_shard)

    async def open_shard(self, shard_id: int) -> None:
        """The first shard's process registers the commands, for all."""
        if shard_id == 0:
            await self.register_commands()
        await self.launch_shard(DiscordWebSocket.DEFAULT_GATEWAY, shard_id, initial=not self.shards)

    async def close_shard(self, shard_id: int) -> None:
        shard = self._launched.pop(shard_id, None)
        if shard is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(shard.close(), CLOSE_SECONDS)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if self._shards is None or shard_id is None:
            await super().before_identify_hook(shard_id, initial=initial)
            return
        await self._shards.may_connect(shard_id, self.http, initial=initial)

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect, also to a gateway that is away for a while. The library's own way calls itself
        for each try, until the stack is full."""
        pause = BACKOFF_LEAST
        while True:
            try:
                made = DiscordWebSocket.from_client(
                    self, initial=initial, gateway=self._gateway or gateway, shard_id=shard_id
                )
                socket = await asyncio.wait_for(made, SHARD_SECONDS)
                break
            except SessionsUsedUp as error:
                pause = min(error.seconds + 1.0, USED_UP_SECONDS)
                log.error("no_connects_left", shard=shard_id, error=str(error), again_in=pause)  # noqa: TRY400  (the sentence says it all)
                await asyncio.sleep(pause)
                pause = BACKOFF_LEAST
                continue
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                told = str(error) or repr(error)
                log.warning("shard_not_connected", shard=shard_id, error=told, again_in=pause)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (spreads restarts, guards nothing)
            pause = min(pause * 2, BACKOFF_MOST)
        queue = getattr(self, "_AutoShardedClient__queue")  # noqa: B009
        self._launched[shard_id] = shard = LeasedShard(socket, self, queue.put_nowait)
        shard.launch()

    @property
    def _launched(self) -> dict[int, Shard]:
        found: dict[int, Shard] = getattr(self, "_AutoShardedClient__shards")  # noqa: B009
        return found

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if not self._is_new(interaction.id):
            return
        kinds = {
            discord.InteractionType.application_command: self._on_command,
            discord.InteractionType.component: self._on_press,
            discord.InteractionType.modal_submit: self._on_form,
            discord.InteractionType.autocomplete: self._on_typing,
        }
        handle = kinds.get(interaction.type)
        if handle is not None:
            async with self._finishing():
                await handle(interaction)

    async def on_message(self, said: discord.Message) -> None:
        assert self.user is not None
        usual = said.type in (discord.MessageType.default, discord.MessageType.reply)
        if said.author.bot or said.webhook_id is not None or not usual:
            return
        asked = inbound.message(said, self.user.id, self._files)
        if asked is None or not self._is_new(said.id):
            return
        async with self._finishing():
            chat: Messenger = self.channel_chat
            shard = SHARD.get()
            if self._shards is not None and shard is not None:
                if not await self._shards.has(shard):
                    return
                chat = LeasedChat(chat, self._shards, shard)
            await self._answer(chat, asked)

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("event_broke", event_name=event_method)  # noqa: LOG004  (the library calls this while handling)

    async def _on_command(self, interaction: discord.Interaction) -> None:
        data: Any = interaction.data
        from_menu = int(data.get("type", 1)) == discord.AppCommandType.message.value
        name = str(data["name"])
        command = on_message(name, self._commands) if from_menu else _named(name, self._commands)
        if command is None:
            log.warning("command_unknown", name=name)
            return
        read = inbound.on_message if from_menu else inbound.slash
        asked = read(interaction, command, self._files)
        may_ask = command.asks and not asked.text.strip()
        await self._reply(interaction, asked, hidden=command.secret, may_ask=may_ask)

    async def _on_press(self, interaction: discord.Interaction) -> None:
        asked = inbound.press(interaction)
        if asked.command == FORM:
            await self._open_form(interaction, asked.text)
            return
        command = self._resolved(asked.command)
        hidden = interaction.message is not None and interaction.message.flags.ephemeral
        may_ask = command is not None and command.asks
        await self._reply(interaction, asked, hidden=hidden, may_ask=may_ask)

    async def _on_form(self, interaction: discord.Interaction) -> None:
        asked = inbound.submitted(interaction)
        command = self._resolved(asked.command)
        hidden = command is not None and command.secret
        await self._reply(interaction, asked, hidden=hidden, may_ask=False)

    async def _on_typing(self, interaction: discord.Interaction) -> None:
        data: Any = interaction.data
        command = _named(str(data["name"]), self._commands)
        name, typed = inbound.focused(interaction)
        kinds = () if command is None else _kinds(command, name)
        user, channel = interaction.user, str(interaction.channel_id)
        update = f"{inbound.PLATFORM}:{interaction.id}"
        who = Who(str(user.id), user.display_name, channel, update)
        models: list[ModelOut] = []
        with suppress(TimeoutError):
            models = await asyncio.wait_for(
                self._suggest(who, kinds, typed, CHOICES), SUGGEST_SECONDS
            )
        with language.speaking(language.chosen(str(interaction.locale))):
            choices = [_choice(one, several=len(kinds) > 1) for one in models]
        try:
            await self.channel_chat.rest.suggest(interaction.id, interaction.token, choices)
        except SendFailed as failure:
            log.info("not_suggested", reason=str(failure))

    async def _open_form(self, interaction: discord.Interaction, form_id: str) -> None:
        """Open the form of a question that was shown as a message with a button, because its form
        came too late."""
        action, _, value = form_id.partition(":")
        ask = self.channel_chat.memory.asks.get(form_id) or Ask(action, value, _label(interaction))
        try:
            await self.channel_chat.rest.open_form(interaction.id, interaction.token, form(ask))
        except SendFailed as failure:
            log.warning("form_not_opened", interaction=interaction.id, reason=str(failure))

    async def _reply(
        self, interaction: discord.Interaction, asked: Inbound, *, hidden: bool, may_ask: bool
    ) -> None:
        """Answer an interaction. Discord gives three seconds, so nothing is awaited before the
        acknowledgement, except where a form may be the answer. `hidden` counts where others read
        along."""
        facts = InteractionFacts(
            id=interaction.id,
            token=interaction.token,
            user_id=asked.sender.id,
            pressed=asked.pressed,
            hidden=hidden and not interaction.context.dm_channel,
            reachable=inbound.reachable(interaction),
            file_bytes=interaction.filesize_limit,
        )
        chat = InteractionChat(self.channel_chat, facts)
        if may_ask:
            chat.acknowledge_soon()
        else:
            try:
                await chat.acknowledge()
            except Taken:
                return
        try:
            address = await self._address(interaction, chat.original)
            await self._answer(chat, replace(asked, address=address))
        finally:
            await chat.close()

    async def _address(self, interaction: discord.Interaction, original: str | None) -> Address:
        """The place for a later result: here, or the person's direct messages where the bot is no
        member."""
        private = interaction.context.dm_channel
        if inbound.reachable(interaction) and interaction.channel_id is not None:
            is_command = interaction.type is discord.InteractionType.application_command
            here, first = str(interaction.channel_id), original if is_command else None
            return Address(inbound.PLATFORM, here, None, original, private, first)
        try:
            dm = await self.channel_chat.rest.open_dm(str(interaction.user.id))
        except SendFailed as failure:
            log.warning("no_direct_messages", reason=str(failure))
            dm = str(interaction.channel_id)
        return Address(inbound.PLATFORM, dm, private=private)

    def _resolved(self, name: str) -> Command | None:
        return _named(name, self._commands) or resolve(name)

    def _file_bytes(self, channel_id: str) -> int | None:
        channel = self.get_channel(int(channel_id)) if channel_id.isdigit() else None
        guild = getattr(channel, "guild", None)
        return guild.filesize_limit if isinstance(guild, discord.Guild) else None

    def _is_new(self, event_id: int) -> bool:
        """Whether the event is new: Discord may send it again after a broken connection."""
        new = event_id not in self._seen
        self._seen[event_id] = None
        return new

    @asynccontextmanager
    async def _finishing(self) -> AsyncIterator[None]:
        """Register the running task, so that a stop lets it finish a reply."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def leave(self) -> None:
        """Stop within about three seconds: answers get a moment to end, then one for a last word;
        the gateway gets a moment to say goodbye."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=LAST_WORD_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.close(), CLOSE_SECONDS)


def _named(name: str, commands: Sequence[Command]) -> Command | None:
    wanted = ALIASES.get(name, name)
    return next((one for one in commands if one.name == wanted), None)


def _choice(model: ModelOut, *, several: bool) -> dict[str, str]:
    """A choice for an option. `several`: models of other kinds are offered beside it, perhaps this
    one once more."""
    name = texts.of_kind(model) if several else model.name
    value = f"{model.kind} {model.id}" if several else model.id
    return {"name": name[:LABEL], "value": value if len(value) <= 100 else model.name[:100]}


def _kinds(command: Command, option: str) -> Sequence[Kind]:
    """The kinds of models that the option takes."""
    if option == command.argument:
        return command.argument_models
    return next((one.models for one in command.options if one.name == option), ())


def _label(interaction: discord.Interaction) -> str:
    """The label of the pressed button."""
    data: Any = interaction.data
    rows = [] if interaction.message is None else interaction.message.components
    for row in rows:
        for one in row.children if isinstance(row, discord.ActionRow) else ():
            if isinstance(one, discord.Button) and one.custom_id == data["custom_id"]:
                return one.label or ""
    return ""


def point_at(api_url: str) -> str | None:
    """Make discord.py talk to another Discord than the real one, and return the host that may then
    hold files, too."""
    if api_url.rstrip("/") == DISCORD:
        return None
    Route.BASE = f"{api_url.rstrip('/')}/v10"
    return urlsplit(api_url).netloc
