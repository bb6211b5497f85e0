"""Actions of people on the fake Discord by commands, buttons and forms: each becomes an
interaction."""

import secrets
from typing import Any

from tests.fakes.control_base import decoded
from tests.fakes.discord_gateway import Gateway, channel_json, member_json
from tests.fakes.discord_interactions import COMMAND, COMPONENT, SUBMIT, TYPING
from tests.fakes.discord_world import (
    APPLICATION_ID,
    BOT_PERMISSIONS,
    DM,
    EVERYBODY_PERMISSIONS,
    MANAGER_PERMISSIONS,
    MODERATOR_PERMISSIONS,
    File,
    Interaction,
    Message,
    World,
    buttons,
)

STRING, INTEGER, BOOLEAN, ATTACHMENT, NUMBER = 3, 4, 5, 11, 10
VALUE_TYPES: dict[int, tuple[type, ...]] = {
    STRING: (str,),
    INTEGER: (int,),
    BOOLEAN: (bool,),
    NUMBER: (int, float),
    ATTACHMENT: (str,),
}
SLASH, ON_MESSAGE = 1, 3


class People:
    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world = world
        self.gateway = gateway

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
        known = self._known(command, SLASH)
        channel = self.world.place(channel_id, guild, user_id)
        if user_installed:
            channel.reachable = False
        given = dict(options)
        files: list[File] = []
        if attachment is not None:
            files.append(self.world.store_file(channel.id, *decoded(attachment)))
            slot = next(
                one["name"] for one in known.get("options", []) if one["type"] == ATTACHMENT
            )
            given[slot] = files[0].id
        data = {
            "id": known["id"],
            "name": command,
            "type": SLASH,
            "options": _typed_options(known, given),
            "resolved": {
                "attachments": {
                    one.id: {**self.world.file_json(one.id), "ephemeral": True} for one in files
                }
            },
        }
        return await self._interact(
            COMMAND, user_id, channel.id, data, user_installed=user_installed, language=language
        )

    async def menu(
        self, user_id: str, message_id: str, command: str, language: str = "en-US"
    ) -> dict[str, Any]:
        """An entry of a message's menu: the bot is given the whole message, whoever wrote it."""
        known = self._known(command, ON_MESSAGE)
        message = self.world.messages[message_id]
        shown = {message.id: self.world.message_json(message)}
        data = {
            "id": known["id"],
            "name": command,
            "type": ON_MESSAGE,
            "target_id": message.id,
            "resolved": {"messages": shown},
        }
        return await self._interact(COMMAND, user_id, message.channel_id, data, language=language)

    async def types(
        self,
        user_id: str,
        channel_id: str,
        command: str,
        option: str,
        typed: str,
        guild: str | None = None,
    ) -> dict[str, Any]:
        known = self._known(command, SLASH)
        slot = next(one for one in known.get("options", []) if one["name"] == option)
        if not slot.get("autocomplete"):
            raise ValueError(f"option {option} of /{command} has no autocomplete")
        channel = self.world.place(channel_id, guild, user_id)
        options = [{"name": option, "type": slot["type"], "value": typed, "focused": True}]
        return await self._interact(
            TYPING,
            user_id,
            channel.id,
            {"id": known["id"], "name": command, "type": SLASH, "options": options},
        )

    async def press(
        self, user_id: str, channel_id: str, message_id: str, button: str
    ) -> dict[str, Any]:
        message = self.world.messages[message_id]
        if message.channel_id != channel_id or message.deleted:
            raise LookupError("no such message in this channel")
        found = next(
            (
                one
                for one in buttons(message.components)
                if button in (one.get("label"), one.get("custom_id"))
            ),
            None,
        )
        data: dict[str, Any]
        if found is None:
            menu, chosen = _choice(message.components, button)
            data = {"custom_id": menu["custom_id"], "component_type": 3, "values": [chosen]}
        elif found.get("disabled"):
            raise LookupError(f"no button {button} on message {message_id}")
        else:
            data = {"custom_id": found["custom_id"], "component_type": 2}
        first = self.world.interactions.get(message.interaction_id or "")
        installed = first.user_installed if first is not None else False
        return await self._interact(
            COMPONENT, user_id, channel_id, data, message=message, user_installed=installed
        )

    async def submit(self, interaction_id: str, text: str) -> dict[str, Any]:
        """Fills in the form that an interaction has opened."""
        first = self.world.interactions[interaction_id]
        if first.form is None:
            raise LookupError("no form was opened")
        field = first.form["components"][0]["component"]
        if not field.get("min_length", 0) <= len(text) <= field.get("max_length", 4000):
            raise ValueError("the field does not take a text of this length")
        filled = {
            "type": 18,
            "id": 1,
            "component": {"type": 4, "id": 2, "custom_id": field["custom_id"], "value": text},
        }
        data = {"custom_id": first.form["custom_id"], "components": [filled]}
        message = self.world.messages.get(first.message_id or "")
        return await self._interact(
            SUBMIT,
            first.user_id,
            first.channel_id,
            data,
            message=message,
            user_installed=first.user_installed,
        )

    def _known(self, command: str, kind: int) -> dict[str, Any]:
        known = next(
            (
                one
                for one in self.world.commands
                if one["name"] == command and one.get("type", SLASH) == kind
            ),
            None,
        )
        if known is None:
            raise LookupError(f"{command} is not registered")
        return known

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
        event: dict[str, Any] = {
            "id": made.id,
            "application_id": APPLICATION_ID,
            "type": made.type,
            "data": data,
            "token": made.token,
            "version": 1,
            "channel_id": channel.id,
            "locale": language,
            "app_permissions": BOT_PERMISSIONS,
            "entitlements": [],
            "attachment_size_limit": self.world.file_bytes(channel.id),
            "authorizing_integration_owners": owners,
            "context": 1 if channel.type == DM else 0,
        }
        if channel.guild_id is None:
            return {
                **event,
                "channel": {"id": channel.id, "type": channel.type, "recipients": [user]},
                "user": user,
            }
        permissions = (
            MODERATOR_PERMISSIONS
            if made.user_id in self.world.moderators
            else EVERYBODY_PERMISSIONS
        )
        if made.user_id in self.world.managers:
            permissions = MANAGER_PERMISSIONS
        return {
            **event,
            "channel": {**channel_json(channel), "permissions": permissions},
            "guild_id": channel.guild_id,
            "guild": {"id": channel.guild_id, "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": {
                **member_json(self.world, made.user_id),
                "user": user,
                "permissions": permissions,
            },
        }


def _typed_options(command: dict[str, Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    """The options as Discord would send them; it lets nobody send what the registration does not
    allow."""
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
        if isinstance(value, int | float) and not option.get(
            "min_value", value
        ) <= value <= option.get("max_value", value):
            raise ValueError(f"option {option['name']} is out of range")
        made.append({"name": option["name"], "type": option["type"], "value": value})
    unknown = set(given) - {one["name"] for one in command.get("options", [])}
    if unknown:
        raise ValueError(f"/{command['name']} has no option {', '.join(sorted(unknown))}")
    return made


def _choice(components: list[dict[str, Any]], label: str) -> tuple[dict[str, Any], str]:
    """A menu with an option of that label, and the option's value."""
    for menu in buttons(components):
        for option in menu.get("options", []):
            if option["label"] == label:
                return menu, str(option["value"])
    raise LookupError(f"no button and no choice {label} on the message")
