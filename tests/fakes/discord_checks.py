"""Discord's limits on what a bot may send. Each breach is answered as Discord does: 400 with code 50035, or 413."""

import re
from typing import Any

from tests.fakes.discord_world import (
    FLAG_EPHEMERAL,
    FLAG_SUPPRESS_EMBEDS,
    FLAG_SUPPRESS_NOTIFICATIONS,
    DiscordError,
    bad_form,
)

MIB = 1024 * 1024
FILE_BYTES = 10 * MIB
REQUEST_BYTES = 25 * MIB
COMMAND_NAME = re.compile(r"^[-_\w]{1,32}$")
MENTION_KINDS = {"roles", "users", "everyone"}


def check_message(body: dict[str, Any], files: list[tuple[str, str, bytes]], *, webhook: bool, editing: bool = False) -> None:
    content = body.get("content") or ""
    if not isinstance(content, str) or len(content) > 2000:
        raise bad_form("Must be 2000 or fewer in length.", "content")
    if not editing and not (content.strip() or files or body.get("embeds")):
        raise DiscordError(400, 50006, "Cannot send an empty message")
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise bad_form("Must be 25 or fewer in length.", "nonce")
    if len(files) > 10:
        raise bad_form("Must be 10 or fewer in length.", "attachments")
    if any(len(data) > FILE_BYTES for _, _, data in files):
        raise DiscordError(413, 40005, "Request entity too large")
    _check_flags(int(body.get("flags") or 0), webhook=webhook)
    _check_components(body.get("components") or [])
    _check_embeds(body.get("embeds") or [])
    mentions = body.get("allowed_mentions") or {}
    if not set(mentions.get("parse", [])) <= MENTION_KINDS:
        raise bad_form("Unknown mention type", "allowed_mentions")


def _check_flags(flags: int, *, webhook: bool) -> None:
    allowed = FLAG_SUPPRESS_EMBEDS | FLAG_SUPPRESS_NOTIFICATIONS | (FLAG_EPHEMERAL if webhook else 0)
    if flags & ~allowed:
        raise bad_form("Flags can not be set", "flags")


def _check_components(rows: list[dict[str, Any]]) -> None:
    if len(rows) > 5:
        raise bad_form("Must be 5 or fewer in length.", "components")
    seen: set[str] = set()
    for row in rows:
        buttons = row.get("components", [])
        if row.get("type") != 1 or not 1 <= len(buttons) <= 5:
            raise bad_form("Must be between 1 and 5 in length.", "components")
        for button in buttons:
            _check_button(button, seen)


def _check_button(button: dict[str, Any], seen: set[str]) -> None:
    if button.get("type") != 2 or button.get("style") not in (1, 2, 3, 4, 5):
        raise bad_form("Unknown component", "components")
    if not 1 <= len(button.get("label", "")) <= 80:
        raise bad_form("Must be between 1 and 80 in length.", "label")
    if button["style"] == 5:
        return
    custom_id = button.get("custom_id", "")
    if not 1 <= len(custom_id) <= 100:
        raise bad_form("Must be between 1 and 100 in length.", "custom_id")
    if custom_id in seen:
        raise bad_form("Component custom id cannot be duplicated", "custom_id")
    seen.add(custom_id)


def _check_embeds(embeds: list[dict[str, Any]]) -> None:
    if len(embeds) > 10:
        raise bad_form("Must be 10 or fewer in length.", "embeds")
    total = 0
    for embed in embeds:
        lengths = {"title": 256, "description": 4096}
        for name, most in lengths.items():
            total += len(embed.get(name, ""))
            if len(embed.get(name, "")) > most:
                raise bad_form(f"Must be {most} or fewer in length.", name)
        footer = embed.get("footer", {}).get("text", "")
        fields = embed.get("fields", [])
        if len(footer) > 2048 or len(fields) > 25:
            raise bad_form("Embed is too large", "embeds")
        total += len(footer)
        for field in fields:
            if not 1 <= len(field["name"]) <= 256 or not 1 <= len(field["value"]) <= 1024:
                raise bad_form("Embed field is too large", "embeds")
            total += len(field["name"]) + len(field["value"])
    if total > 6000:
        raise bad_form("Embed size exceeds maximum size of 6000", "embeds")


def check_commands(commands: list[dict[str, Any]]) -> None:
    if len([one for one in commands if one.get("type", 1) == 1]) > 100:
        raise DiscordError(400, 30032, "Maximum number of application commands reached (100).")
    names = [(one.get("type", 1), one["name"]) for one in commands]
    if len(set(names)) != len(names):
        raise bad_form("Application command names must be unique", "name")
    for command in commands:
        _check_command(command)


def _check_command(command: dict[str, Any]) -> None:
    _check_name(command["name"])
    _check_description(command.get("description", ""))
    options = command.get("options", [])
    if len(options) > 25:
        raise bad_form("Must be 25 or fewer in length.", "options")
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        raise bad_form("Required options must be placed before non-required options", "options")
    size = len(command["name"]) + len(command["description"])
    for option in options:
        _check_name(option["name"])
        _check_description(option["description"])
        choices = option.get("choices", [])
        if len(choices) > 25:
            raise bad_form("Must be 25 or fewer in length.", "choices")
        if option["type"] not in range(1, 12):
            raise bad_form("Unknown option type", "type")
        if any(not 1 <= len(choice["name"]) <= 100 for choice in choices):
            raise bad_form("Must be between 1 and 100 in length.", "choices")
        size += len(option["name"]) + len(option["description"])
        size += sum(len(choice["name"]) + len(str(choice["value"])) for choice in choices)
    if size > 8000:
        raise bad_form("Command exceeds maximum size (8000)", "options")


def _check_name(name: str) -> None:
    if not COMMAND_NAME.match(name) or name != name.lower():
        raise bad_form("String value did not match validation regex.", "name")


def _check_description(description: str) -> None:
    if not 1 <= len(description) <= 100:
        raise bad_form("Must be between 1 and 100 in length.", "description")
