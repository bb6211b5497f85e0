"""Actions of people on Discord as `Inbound`."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import discord

from bots.core.commands import Command
from bots.core.types import Address, Attachment, Inbound, Place, QuotedMessage, Sender
from bots.discord.commands import ATTACHMENT
from bots.discord.markdown import clean
from client.errors import ApiError

PLATFORM = "discord"
OWN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
UNREADABLE = "unreadable"
"""The command for a message whose words Discord keeps from the bot."""

Fetch = Callable[[str], Awaitable[bytes]]
_ESCAPE = re.compile(r"\\([^\w\s])")


class AttachmentReader:
    """Attachments, read through `fetch` and only from Discord's own hosts (`more`: a loopback
    Discord's)."""

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
                said = f"Discord no longer has the file ({error.status})."
                raise ApiError("not_found", said) from error

        kind = (content_type or "application/octet-stream").partition(";")[0]
        return Attachment(name, kind, size, read)

    def of_message(self, said: discord.Message) -> tuple[Attachment, ...]:
        """The attachments of a message, with those of a message that it passes on."""
        passed_on = [one for shown in said.message_snapshots for one in shown.attachments]
        return tuple(
            replace(
                self.attachment(one.filename, one.content_type, one.size, one.url),
                seconds=one.duration,
                spoken=one.is_voice_message(),
            )
            for one in (*said.attachments, *passed_on)
        )

    def of_raw(self, raw: Mapping[str, Any]) -> Attachment:
        found = self.attachment(
            str(raw["filename"]), raw.get("content_type"), int(raw["size"]), str(raw["url"])
        )
        return replace(
            found, seconds=raw.get("duration_secs"), spoken=raw.get("waveform") is not None
        )


def slash(interaction: discord.Interaction, command: Command, files: AttachmentReader) -> Inbound:
    data: Mapping[str, Any] = interaction.data or {}
    text, options, attached = _given(command, data.get("options", []))
    resolved = data.get("resolved", {}).get("attachments", {})
    given = tuple(files.of_raw(resolved[one]) for one in attached if one in resolved)
    return _inbound(interaction, command.name, clean(text), options=options, attachments=given)


def on_message(
    interaction: discord.Interaction, command: Command, files: AttachmentReader
) -> Inbound:
    """An entry of a message's menu: Discord hands over the whole message, whoever wrote it."""
    data: Mapping[str, Any] = interaction.data or {}
    target = str(data["target_id"])
    raw = data["resolved"]["messages"][target]
    whole = (raw, *(one.get("message", {}) for one in raw.get("message_snapshots") or ()))
    words = _joined(str(one.get("content") or "") for one in whole)
    author, own = raw["author"], str(interaction.application_id)
    quoted = QuotedMessage(
        target,
        _unescaped(clean(words)),
        own in (str(author["id"]), raw.get("application_id")),
        tuple(files.of_raw(one) for part in whole for one in part.get("attachments") or ()),
        clean(str(author.get("global_name") or author.get("username") or "")),
    )
    return _inbound(interaction, command.name, quoted=quoted)


def press(interaction: discord.Interaction) -> Inbound:
    data: Mapping[str, Any] = interaction.data or {}
    chosen = data.get("values") or [data["custom_id"]]
    action, _, value = str(chosen[0]).partition(":")
    pressed = None if interaction.message is None else str(interaction.message.id)
    return _inbound(interaction, action, value, pressed=pressed)


def submitted(interaction: discord.Interaction) -> Inbound:
    """A form that was filled in: see `Ask`."""
    data: Mapping[str, Any] = interaction.data or {}
    action, _, value = str(data["custom_id"]).partition(":")
    written = next(_values(data.get("components", [])), "")
    return _inbound(interaction, action, f"{value} {clean(written)}".strip())


def message(said: discord.Message, bot_id: int, files: AttachmentReader) -> Inbound | None:
    """A direct message, or one that mentions or answers the bot: a question, unless it is written
    as a command. None for any other message."""
    quoted = _quoted(said, bot_id, files)
    mentioned = any(one.id == bot_id for one in said.mentions)
    words = _words(said)
    empty = not words and not files.of_message(said)
    private = said.guild is None
    if not private and not mentioned and (quoted is None or not quoted.mine or empty):
        return None
    text = clean(words)
    for mention in (f"<@{bot_id}>", f"<@!{bot_id}>"):
        text = text.replace(mention, " ")
    text = text.strip()
    command = UNREADABLE if empty and not private else "ask"
    plain = command == "ask"
    # what was passed on commands nothing
    if said.content and text.startswith("/") and len(text) > 1 and not text[1].isspace():
        command, _, text = text[1:].partition(" ")
        plain = False
    return Inbound(
        address=Address(PLATFORM, str(said.channel.id), message_id=str(said.id), private=private),
        sender=Sender(str(said.author.id), said.author.display_name),
        update_id=str(said.id),
        command=command,
        text=text.strip(),
        attachments=files.of_message(said),
        quoted=quoted,
        moderates=_may_moderate(said),
        plain=plain,
        addressed=True,
        place=_place_of(said),
    )


def reachable(interaction: discord.Interaction) -> bool:
    """Whether the bot's own token will be able to post in this place, in an hour as well."""
    if interaction.channel is None:
        return False
    if interaction.guild_id is None:
        return interaction.context.dm_channel
    allowed = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    may_send = allowed.send_messages_in_threads if in_thread else allowed.send_messages
    may_post = allowed.view_channel and may_send and allowed.attach_files
    return interaction.is_guild_integration() and may_post


def focused(interaction: discord.Interaction) -> tuple[str, str]:
    """The option that is being typed, and its text so far."""
    data: Mapping[str, Any] = interaction.data or {}
    options = data.get("options", [])
    found = next((one for one in options if one.get("focused")), {"name": "", "value": ""})
    return str(found["name"]), clean(str(found["value"]))


def _quoted(said: discord.Message, bot_id: int, files: AttachmentReader) -> QuotedMessage | None:
    """The message that this one answers, as far as Discord shows it."""
    answered, is_reply = said.reference, said.type is discord.MessageType.reply
    if answered is None or answered.message_id is None or not is_reply:
        return None
    shown = answered.resolved
    if not isinstance(shown, discord.Message):
        return QuotedMessage(str(answered.message_id))
    return QuotedMessage(
        str(shown.id),
        _unescaped(clean(_words(shown))),
        shown.author.id == bot_id,
        files.of_message(shown),
        clean(shown.author.display_name),
    )


def _words(said: discord.Message) -> str:
    """The words of a message, with those that it passes on: Discord keeps them apart."""
    return _joined((said.content, *(shown.content for shown in said.message_snapshots)))


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(words for words in texts if words)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _moderates(interaction: discord.Interaction) -> Callable[[], Awaitable[bool]]:
    async def moderates() -> bool:
        return interaction.guild_id is not None and interaction.permissions.manage_messages

    return moderates


def _may_moderate(said: discord.Message) -> Callable[[], Awaitable[bool]]:
    async def moderates() -> bool:
        return (
            isinstance(said.author, discord.Member)
            and said.channel.permissions_for(said.author).manage_messages
        )

    return moderates


def _place(interaction: discord.Interaction) -> Place | None:
    """The server of an interaction; None where the bot is no member of it."""
    if interaction.guild_id is None or not interaction.is_guild_integration():
        return None

    async def administers() -> bool:
        return interaction.permissions.manage_guild or interaction.permissions.administrator

    guild, channel = interaction.guild, interaction.channel
    return Place(
        str(interaction.guild_id),
        "" if guild is None else clean(guild.name),
        _channels(interaction.channel_id, channel),
        administers,
        _named(channel),
        _roles(interaction.user),
        partial(_roles, guild),
    )


def _place_of(said: discord.Message) -> Place | None:
    if said.guild is None:
        return None

    async def administers() -> bool:
        if not isinstance(said.author, discord.Member):
            return False
        may = said.channel.permissions_for(said.author)
        return may.manage_guild or may.administrator

    return Place(
        str(said.guild.id),
        clean(said.guild.name),
        _channels(said.channel.id, said.channel),
        administers,
        _named(said.channel),
        _roles(said.author),
        partial(_roles, said.guild),
    )


def _channels(channel_id: int | None, channel: object) -> tuple[str, ...]:
    """The channel, and the one that a thread belongs to."""
    parent = channel.parent_id if isinstance(channel, discord.Thread) else None
    return tuple(str(one) for one in (channel_id, parent) if one is not None)


def _named(channel: object) -> str:
    return clean(str(getattr(channel, "name", None) or ""))


def _roles(of: discord.abc.User | discord.Guild | None) -> tuple[tuple[str, str], ...]:
    """The roles of a member, or of a server."""
    roles = of.roles if isinstance(of, discord.Member | discord.Guild) else ()
    return tuple((str(role.id), clean(role.name)) for role in roles)


def _given(
    command: Command, options: Sequence[Mapping[str, Any]]
) -> tuple[str, dict[str, str], list[str]]:
    """The argument's text, the other options as text, the ids of attached files."""
    text, rest, attached = "", {}, []
    for option in options:
        if option["type"] == ATTACHMENT:
            attached.append(str(option["value"]))
        elif option["name"] == command.argument:
            text = str(option["value"])
        else:
            value, said = option["value"], clean(str(option["value"]))
            rest[str(option["name"])] = said.lower() if isinstance(value, bool) else said
    return text, rest, attached


def _values(components: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The values of a form's fields, in a row or with a label."""
    for one in components:
        if "value" in one:
            yield str(one["value"])
        inner = one.get("components") or ([one["component"]] if "component" in one else [])
        yield from _values(inner)


def _inbound(
    interaction: discord.Interaction, command: str, text: str = "", **more: Any
) -> Inbound:
    """The inbound of an interaction, whose address is found while it is acknowledged."""
    user = interaction.user
    return Inbound(
        Address(PLATFORM, ""),
        Sender(str(user.id), clean(user.display_name), str(interaction.locale)),
        str(interaction.id),
        command,
        text,
        moderates=_moderates(interaction),
        place=_place(interaction),
        **more,
    )
