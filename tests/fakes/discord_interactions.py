"""The fake Discord's rules for interactions: one answer within 3 seconds, then 15 minutes of edits
and follow-ups."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes.discord_checks import check_choices, check_form, check_message
from tests.fakes.discord_world import (
    ANSWER_SECONDS,
    FLAG_EPHEMERAL,
    FLAG_LOADING,
    DiscordError,
    Interaction,
    Message,
    World,
)

CHANNEL_MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE_MESSAGE, CHOICES, FORM = 4, 5, 6, 7, 8, 9
COMMAND, COMPONENT, TYPING, SUBMIT = 2, 3, 4, 5
ANSWERS = {
    COMMAND: {CHANNEL_MESSAGE, DEFERRED_MESSAGE, FORM},
    COMPONENT: {CHANNEL_MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE_MESSAGE, FORM},
    TYPING: {CHOICES},
    SUBMIT: {CHANNEL_MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE_MESSAGE},
}
"""The first answers that each kind of interaction takes; those that update need a message."""
USER_INSTALLED_FOLLOW_UPS = 5
Create = Callable[..., Awaitable[Message]]


class Interactions:
    def __init__(self, world: World, create: Create) -> None:
        self.world = world
        self.create = create

    async def acknowledge(self, interaction: Interaction, body: dict[str, Any]) -> dict[str, Any]:
        """Take the first answer and no other."""
        age = self.world.now() - interaction.created
        if interaction.answered_after is not None:
            raise DiscordError(400, 40060, "Interaction has already been acknowledged.")
        if age > ANSWER_SECONDS:
            raise DiscordError(404, 10062, "Unknown interaction")
        kind, data = int(body["type"]), body.get("data") or {}
        updates = kind in (DEFERRED_UPDATE, UPDATE_MESSAGE)
        if kind not in ANSWERS[interaction.type] or (updates and interaction.message_id is None):
            raise DiscordError(400, 50035, "Invalid Form Body")
        if kind == CHOICES:
            check_choices(data.get("choices", []))
            interaction.choices = data.get("choices", [])
        if kind == FORM:
            check_form(data)
            interaction.form = data
        interaction.answered_after = age
        interaction.answer_type = kind
        interaction.ephemeral = bool(int(data.get("flags") or 0) & FLAG_EPHEMERAL)
        await self._original(interaction, kind, data)
        about = {
            "id": interaction.id,
            "type": interaction.type,
            "response_message_id": interaction.original_id,
            "response_message_loading": kind == DEFERRED_MESSAGE,
            "response_message_ephemeral": interaction.ephemeral,
        }
        answer: dict[str, Any] = {"interaction": about}
        if interaction.original_id is not None:
            answer["resource"] = {
                "type": kind,
                "message": self.world.message_json(self.world.messages[interaction.original_id]),
            }
        return answer

    async def _original(self, interaction: Interaction, kind: int, data: dict[str, Any]) -> None:
        if kind in (DEFERRED_UPDATE, UPDATE_MESSAGE):
            interaction.original_id = interaction.message_id
            if kind == UPDATE_MESSAGE and interaction.message_id is not None:
                self.apply_edit(self.world.messages[interaction.message_id], data, [], by="webhook")
            return
        if kind in (CHOICES, FORM):
            return
        if kind == CHANNEL_MESSAGE:
            check_message(data, [], webhook=True)
        flags = FLAG_LOADING if kind == DEFERRED_MESSAGE else 0
        made = await self.create(
            interaction.channel_id, self.world.bot_id, data, [], interaction.id, flags
        )
        interaction.original_id = made.id

    async def follow_up(
        self, interaction: Interaction, body: dict[str, Any], files: list[tuple[str, str, bytes]]
    ) -> Message:
        check_message(
            body, files, webhook=True, file_bytes=self.world.file_bytes(interaction.channel_id)
        )
        interaction.follow_ups += 1
        if interaction.user_installed and interaction.follow_ups > USER_INSTALLED_FOLLOW_UPS:
            raise DiscordError(400, 40094, "Follow-up limit reached")
        original = self.world.messages.get(interaction.original_id or "")
        if original is not None and original.flags & FLAG_LOADING and not original.deleted:
            # The first follow-up takes the place of "is thinking" and its visibility.
            self.apply_edit(original, {**body, "flags": original.flags}, files, by="webhook")
            return original
        return await self.create(
            interaction.channel_id, self.world.bot_id, body, files, interaction.id
        )

    def message_of(self, interaction: Interaction, name: str) -> Message:
        """`@original`, or the id of a message that this interaction made."""
        message_id = interaction.original_id if name == "@original" else name
        found = self.world.messages.get(message_id or "")
        mine = found is not None and (
            found.interaction_id == interaction.id or found.id == interaction.original_id
        )
        if found is None or found.deleted or not mine:
            raise DiscordError(404, 10008, "Unknown Message")
        return found

    def apply_edit(
        self,
        message: Message,
        body: dict[str, Any],
        files: list[tuple[str, str, bytes]],
        *,
        by: str,
    ) -> None:
        flags = int(body.get("flags") or 0) & ~(FLAG_EPHEMERAL | FLAG_LOADING)
        check_message(
            {**body, "flags": flags},
            files,
            webhook=True,
            editing=True,
            file_bytes=self.world.file_bytes(message.channel_id),
        )
        was_loading = bool(message.flags & FLAG_LOADING)
        if not was_loading:
            message.history.append(message.content)
        message.edited_by.append(by)
        if "content" in body:
            message.content = body["content"] or ""
        for name in ("components", "embeds"):
            if name in body:
                setattr(message, name, body[name] or [])
        if "attachments" in body:
            kept = {str(one["id"]) for one in body["attachments"] or []}
            message.attachments = [one for one in message.attachments if one in kept]
        message.attachments += [self.world.store_file(message.channel_id, *one).id for one in files]
        message.flags = flags | (message.flags & FLAG_EPHEMERAL)
        message.allowed_mentions = body.get("allowed_mentions", message.allowed_mentions)
