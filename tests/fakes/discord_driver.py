"""Drives a fake Discord over its control calls, in this process or another, and shows what people
there would see."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests import canaries
from tests.fakes.driver_base import Driver, encoded, picked


@dataclass(frozen=True)
class SeenFile:
    id: str
    filename: str
    content_type: str
    size: int
    url: str


@dataclass(frozen=True)
class SeenMessage:
    """`history`: earlier contents, oldest first. `edited_by`: `channel` (bot token) or `webhook`
    (interaction token), one per edit."""

    id: str
    channel_id: str
    author_id: str
    content: str
    flags: int
    nonce: str | None
    reference: str | None
    interaction_id: str | None
    components: list[dict[str, Any]]
    embeds: list[dict[str, Any]]
    attachments: list[SeenFile]
    allowed_mentions: dict[str, Any] | None
    history: list[str]
    edited_by: list[str]
    deleted: bool
    ephemeral: bool
    loading: bool

    @property
    def buttons(self) -> list[str]:
        """The labels, those in menus last."""
        parts = [part for row in self.components for part in row["components"]]
        return [one["label"] for part in parts for one in part.get("options", [part])]

    @property
    def text(self) -> str:
        """The content as people see it: without the marks that keep formatting away."""
        return re.sub(r"\\([^\w\s])", r"\1", self.content)


@dataclass(frozen=True)
class SeenInteraction:
    id: str
    type: int
    channel_id: str
    user_id: str
    answered_after: float | None
    answer_type: int | None
    ephemeral: bool
    original_id: str | None
    follow_ups: int
    choices: list[dict[str, Any]] | None
    form: dict[str, Any] | None


@dataclass(frozen=True)
class Scene:
    """Everything at one moment. `messages` are those still shown, oldest first."""

    version: int
    messages: list[SeenMessage]
    interactions: dict[str, SeenInteraction]
    commands: list[dict[str, Any]]
    commands_put: int
    requests: list[dict[str, Any]]
    typing: dict[str, int]
    connected: int
    identified: int
    resumed: int
    refused_connections: int
    shards_connected: list[list[int]]
    too_fast: int
    faults_left: list[str | None]
    bot_id: str = field(default="900000000000000001")

    def by_bot(self, channel_id: str | None = None) -> list[SeenMessage]:
        return [
            one
            for one in self.messages
            if one.author_id == self.bot_id and channel_id in (None, one.channel_id)
        ]

    def newest(self) -> list[str]:
        return [
            f"{one.channel_id} {one.author_id}: {one.content[:100]!r}"
            for one in self.messages[-10:]
        ]

    def original(self, interaction_id: str) -> SeenMessage | None:
        """The deferred or pressed message of an interaction, once it says something."""
        wanted = self.interactions[interaction_id].original_id
        return next((one for one in self.messages if one.id == wanted and not one.loading), None)

    def answers(self, interaction_id: str) -> list[SeenMessage]:
        """The original first, then the follow-ups, for a secret answer may need a message of its
        own."""
        original = self.original(interaction_id)
        others = [
            one
            for one in self.messages
            if one.interaction_id == interaction_id and not one.loading and one != original
        ]
        return others if original is None else [original, *others]


class FakeDiscord(Driver[Scene]):
    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self.token = token
        self.api_url = f"{base_url}/api"
        self.gateway_url = base_url.replace("http", "ws", 1) + "/gateway"
        super().__init__(base_url)

    def _seen(self, raw: dict[str, Any]) -> Scene:
        return _scene(raw)

    def slash(
        self,
        user_id: str,
        channel_id: str,
        command: str,
        options: dict[str, Any] | None = None,
        *,
        guild: str | None = None,
        attachment: tuple[str, str, bytes] | None = None,
        user_installed: bool = False,
        language: str | None = None,
    ) -> str:
        """A person sends a slash command; the id of the interaction. Without `guild` the channel is
        the person's DM."""
        for value in (options or {}).values():
            canaries.said(str(value))
        made = self._do(
            "slash",
            user_id=user_id,
            channel_id=channel_id,
            command=command,
            options=options or {},
            guild=guild,
            attachment=encoded(attachment),
            user_installed=user_installed,
            language=language,
        )
        return str(made["id"])

    def press(self, user_id: str, channel_id: str, message_id: str, button: str) -> str:
        """A person presses a button, named by its label or custom id; the id of the interaction."""
        return str(
            self._do(
                "press",
                user_id=user_id,
                channel_id=channel_id,
                message_id=message_id,
                button=button,
            )["id"]
        )

    def menu(
        self, user_id: str, message_id: str, command: str, *, language: str | None = None
    ) -> str:
        """A person chooses an entry of a message's menu; the id of the interaction."""
        return str(
            self._do(
                "menu", user_id=user_id, message_id=message_id, command=command, language=language
            )["id"]
        )

    def submit(self, interaction_id: str, text: str) -> str:
        """A person fills in the form that an interaction has opened; the id of the new
        interaction."""
        return str(self._do("submit", interaction_id=interaction_id, text=text)["id"])

    def types(
        self,
        user_id: str,
        channel_id: str,
        command: str,
        option: str,
        typed: str,
        *,
        guild: str | None = None,
    ) -> str:
        """A person types into an option with autocomplete; the interaction gets the `choices`."""
        made = self._do(
            "types",
            user_id=user_id,
            channel_id=channel_id,
            command=command,
            option=option,
            typed=typed,
            guild=guild,
        )
        return str(made["id"])

    def says(
        self,
        user_id: str,
        channel_id: str,
        text: str,
        *,
        guild: str | None = None,
        attachment: tuple[str, str, bytes] | None = None,
        reply_to: str | None = None,
        ping: bool = True,
        forwards: str | None = None,
        voice_seconds: float | None = None,
    ) -> str:
        """A person writes a message; its id. The bot is mentioned as `<@900000000000000001>`.
        `voice_seconds`: the attachment is a voice message of this length.
        `ping`: an answer mentions its addressee. `forwards`: the id of a message that is passed on;
        Discord lets nobody add words to that."""
        canaries.said(text)
        sent: dict[str, Any] = {
            "user_id": user_id,
            "channel_id": channel_id,
            "text": text,
            "guild": guild,
            "reply_to": reply_to,
            "ping": ping,
        }
        sent |= {"forwards": forwards, "voice_seconds": voice_seconds}
        return str(self._do("says", attachment=encoded(attachment), **sent)["id"])

    def edits(self, message_id: str, text: str) -> None:
        """A person changes a message after sending it."""
        self._do("edits", message_id=message_id, text=text)

    def deletes(self, message_id: str) -> None:
        """Somebody removes a message."""
        self._do("deletes", message_id=message_id)

    def again(self) -> None:
        """The last event comes a second time."""
        self._do("again")

    def portal(self, **given: Any) -> None:
        """Set an operator's decisions: `content_intent` off, shown (but refused) or granted; boost
        `tier` of the server; `shards` that are recommended; `moderators` and `managers`, by
        user id; limits of the gateway. The first and the third count from the next login on."""
        self._do("portal", **given)

    def advance(self, seconds: float) -> None:
        """Let time pass on Discord's side."""
        self._do("advance", seconds=seconds)

    def fault(self, method: str, path: str, kind: str, **more: Any) -> None:
        """See `Fault` and its `Kind`."""
        self._do("fault", method=method, path=path, kind=kind, **more)

    def mute(self, channel_id: str) -> None:
        """From now on the channel takes no voice messages."""
        self._do("mute", channel_id=channel_id)

    def open(self, channel_id: str) -> None:
        """A direct message with somebody."""
        self._do("open", channel_id=channel_id)

    def limit(
        self, method: str, path: str, limit: int, per: float, *, is_global: bool = False
    ) -> None:
        """See `Bucket`."""
        self._do("limit", method=method, path=path, limit=limit, per=per, is_global=is_global)

    def drop(self, code: int | None = None, *, forget: bool = False, refuse: bool = False) -> None:
        """Break the gateway connections; `forget`: they cannot be resumed; `refuse`: nor made anew
        until `clear`."""
        self._do("drop", code=code, forget=forget, refuse=refuse)

    def reach(self, channel_id: str, reachable: bool, *, history: bool = True) -> None:
        """Whether the bot's own token may use a channel, and answer to messages there."""
        self._do("reach", channel_id=channel_id, reachable=reachable, history=history)

    def content(self, file: SeenFile) -> bytes:
        return self._http.get(file.url).raise_for_status().content

    async def connected(self, seconds: float = 15) -> None:
        await self.until(lambda scene: scene.connected, seconds)

    async def answer(
        self, interaction_id: str, containing: str = "", seconds: float = 15
    ) -> SeenMessage:
        """The message that answers an interaction, once it shows the text."""

        def find(scene: Scene) -> SeenMessage | None:
            return next(
                (one for one in scene.answers(interaction_id) if containing in one.content), None
            )

        return await self.until(find, seconds)

    async def message(
        self, channel_id: str, containing: str = "", *, files: int = 0, seconds: float = 15
    ) -> SeenMessage:
        """The newest message of the bot in a channel that shows the text and at least so many
        files."""

        def find(scene: Scene) -> SeenMessage | None:
            fits = [
                one
                for one in scene.by_bot(channel_id)
                if containing in one.content and len(one.attachments) >= files and not one.loading
            ]
            return fits[-1] if fits else None

        return await self.until(find, seconds)


def _scene(raw: dict[str, Any]) -> Scene:
    return Scene(
        version=raw["version"],
        messages=[_message(one) for one in raw["messages"] if not one["deleted"]],
        interactions={one["id"]: picked(SeenInteraction, one) for one in raw["interactions"]},
        commands=raw["commands"],
        commands_put=raw["commands_put"],
        requests=raw["requests"],
        typing={one["id"]: one["typing"] for one in raw["channels"]},
        connected=raw["connected"],
        identified=raw["identified"],
        resumed=raw["resumed"],
        refused_connections=raw["refused_connections"],
        shards_connected=raw["shards_connected"],
        too_fast=raw["too_fast"],
        faults_left=raw["faults_left"],
    )


def _message(raw: dict[str, Any]) -> SeenMessage:
    return picked(
        SeenMessage, {**raw, "attachments": [picked(SeenFile, one) for one in raw["attachments"]]}
    )
