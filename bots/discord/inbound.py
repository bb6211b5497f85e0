"""What people do on Discord, as an `Inbound`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import discord

from bots.core.commands import Command, resolve
from bots.core.http import ApiError
from bots.core.types import Address, Attachment, Inbound, Sender
from bots.discord.commands import ATTACHMENT

PLATFORM = "discord"
OWN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})

Fetch = Callable[[str], Awaitable[bytes]]


class Files:
    """Attachments, read through `fetch` and only from Discord's own hosts (`more`: a loopback Discord's)."""

    def __init__(self, fetch: Fetch, more: str | None = None) -> None:
        self._fetch = fetch
        self._more = more

    def attachment(self, name: str, content_type: str | None, size: int, url: str) -> Attachment:
        async def read() -> bytes:
            parts = urlsplit(url)
            own = parts.scheme == "https" and parts.netloc in OWN_HOSTS
            if not own and (self._more is None or parts.netloc != self._more):
                raise ApiError("not_found", "The file is not on Discord's servers.")
            try:
                return await self._fetch(url)
            except discord.HTTPException as error:
                raise ApiError("not_found", f"Discord no longer has the file ({error.status}).") from error

        return Attachment(name, (content_type or "application/octet-stream").partition(";")[0], size, read)


def slash(interaction: discord.Interaction, address: Address, files: Files) -> Inbound:
    data: Mapping[str, Any] = interaction.data or {}
    name = str(data["name"])
    command = resolve(name)
    text, options, attached = _given(command, data.get("options", []))
    resolved = data.get("resolved", {}).get("attachments", {})
    return Inbound(
        address=address,
        sender=_sender(interaction),
        update_id=str(interaction.id),
        command=name,
        text=text,
        options=options,
        attachments=tuple(_resolved(resolved[one], files) for one in attached if one in resolved),
    )


def press(interaction: discord.Interaction, address: Address) -> Inbound:
    data: Mapping[str, Any] = interaction.data or {}
    action, _, value = str(data["custom_id"]).partition(":")
    return Inbound(
        address=address,
        sender=_sender(interaction),
        update_id=str(interaction.id),
        command=action,
        text=value,
        pressed=None if interaction.message is None else str(interaction.message.id),
    )


def message(said: discord.Message, bot_id: int, files: Files) -> Inbound:
    """A direct message, or one that mentions the bot: a question, unless it is written as a command."""
    text = said.content
    for mention in (f"<@{bot_id}>", f"<@!{bot_id}>"):
        text = text.replace(mention, " ")
    text = text.strip()
    command = "ask"
    if text.startswith("/") and len(text) > 1 and not text[1].isspace():
        command, _, text = text[1:].partition(" ")
    return Inbound(
        address=Address(PLATFORM, str(said.channel.id), message_id=str(said.id), private=said.guild is None),
        sender=Sender(str(said.author.id), said.author.display_name),
        update_id=str(said.id),
        command=command,
        text=text.strip(),
        attachments=tuple(files.attachment(one.filename, one.content_type, one.size, one.url) for one in said.attachments),
    )


def reachable(interaction: discord.Interaction) -> bool:
    """Whether the bot's own token will be able to post where this was sent from, in an hour as well."""
    if interaction.channel is None:
        return False
    if interaction.guild_id is None:
        return interaction.context.dm_channel
    allowed = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    may_send = allowed.send_messages_in_threads if in_thread else allowed.send_messages
    return interaction.is_guild_integration() and allowed.view_channel and may_send and allowed.attach_files


def _given(command: Command | None, options: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, str], list[str]]:
    """The argument's text, the other options as text, the ids of attached files."""
    text, rest, attached = "", {}, []
    for option in options:
        if option["type"] == ATTACHMENT:
            attached.append(str(option["value"]))
        elif command is not None and option["name"] == command.argument:
            text = str(option["value"])
        else:
            value = option["value"]
            rest[str(option["name"])] = str(value).lower() if isinstance(value, bool) else str(value)
    return text, rest, attached


def _resolved(raw: Mapping[str, Any], files: Files) -> Attachment:
    return files.attachment(str(raw["filename"]), raw.get("content_type"), int(raw["size"]), str(raw["url"]))


def _sender(interaction: discord.Interaction) -> Sender:
    return Sender(str(interaction.user.id), interaction.user.display_name, str(interaction.locale))
