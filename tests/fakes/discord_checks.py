"""Discord's limits on what a bot may send. Each breach is answered as Discord does: 400 with code
50035, or 413."""

import base64
import json
import re
from typing import Any

from tests.fakes.discord_world import (
    FLAG_EPHEMERAL,
    FLAG_SUPPRESS_EMBEDS,
    FLAG_SUPPRESS_NOTIFICATIONS,
    FLAG_VOICE,
    DiscordError,
    bad_form,
)

MIB = 1024 * 1024
FILE_BYTES = 10 * MIB
REQUEST_BYTES = 25 * MIB
COMMAND_NAME = re.compile(r"^[-_\w]{1,32}$")
LOCALES = {
    "id",
    "da",
    "de",
    "en-GB",
    "en-US",
    "es-ES",
    "es-419",
    "fr",
    "it",
    "nl",
    "pl",
    "pt-BR",
    "sv-SE",
    "tr",
    "ru",
    "uk",
    "ja",
    "ko",
}
MENTION_KINDS = {"roles", "users", "everyone"}


def check_message(
    body: dict[str, Any],
    files: list[tuple[str, str, bytes]],
    *,
    webhook: bool,
    editing: bool = False,
    file_bytes: int = FILE_BYTES,
) -> None:
    content = body.get("content") or ""
    _check_letters(body)
    if not isinstance(content, str) or len(content) > 2000:
        raise bad_form("Must be 2000 or fewer in length.", "content")
    if not editing and not (content.strip() or files or body.get("embeds")):
        raise DiscordError(400, 50006, "Cannot send an empty message")
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise bad_form("Must be 25 or fewer in length.", "nonce")
    if len(files) > 10:
        raise bad_form("Must be 10 or fewer in length.", "attachments")
    if any(len(data) > file_bytes for _, _, data in files):
        raise DiscordError(413, 40005, "Request entity too large")
    flags = int(body.get("flags") or 0)
    _check_flags(flags, webhook=webhook)
    if flags & FLAG_VOICE:
        _check_voice(body, files, editing=editing)
    _check_components(body.get("components") or [])
    _check_embeds(body.get("embeds") or [])
    mentions = body.get("allowed_mentions") or {}
    if not set(mentions.get("parse", [])) <= MENTION_KINDS:
        raise bad_form("Unknown mention type", "allowed_mentions")


def _check_letters(body: dict[str, Any]) -> None:
    """JSON can name half of a character, UTF-8 can't: Discord refuses the whole body."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DiscordError(400, 50109, "The request body contains invalid JSON.") from error


def check_form(form: dict[str, Any]) -> None:
    """A modal: 1 to 5 labelled fields."""
    _check_letters(form)
    if not 1 <= len(form.get("custom_id", "")) <= 100:
        raise bad_form("Must be between 1 and 100 in length.", "custom_id")
    if not 1 <= len(form.get("title", "")) <= 45:
        raise bad_form("Must be between 1 and 45 in length.", "title")
    if not 1 <= len(form.get("components", [])) <= 5:
        raise bad_form("Must be between 1 and 5 in length.", "components")
    for label in form["components"]:
        field = label.get("component", {})
        if label.get("type") != 18 or field.get("type") != 4 or field.get("style") not in (1, 2):
            raise bad_form("Unknown component", "components")
        if not 1 <= len(label.get("label", "")) <= 45:
            raise bad_form("Must be between 1 and 45 in length.", "label")
        if (
            not 1 <= len(field.get("custom_id", "")) <= 100
            or len(label.get("description", "")) > 100
        ):
            raise bad_form("Must be between 1 and 100 in length.", "components")
        if not 1 <= field.get("max_length", 4000) <= 4000 or len(
            field.get("value", "")
        ) > field.get("max_length", 4000):
            raise bad_form("Must be between 1 and 4000 in length.", "value")


def check_choices(choices: list[dict[str, Any]]) -> None:
    """Refuse choices that autocomplete may not offer."""
    if len(choices) > 25:
        raise bad_form("Must be 25 or fewer in length.", "choices")
    for choice in choices:
        if not 1 <= len(choice["name"]) <= 100 or not 1 <= len(str(choice["value"])) <= 100:
            raise bad_form("Must be between 1 and 100 in length.", "choices")


def _check_flags(flags: int, *, webhook: bool) -> None:
    allowed = (
        FLAG_SUPPRESS_EMBEDS
        | FLAG_SUPPRESS_NOTIFICATIONS
        | FLAG_VOICE
        | (FLAG_EPHEMERAL if webhook else 0)
    )
    if flags & ~allowed:
        raise bad_form("Flags can not be set", "flags")


def _check_voice(
    body: dict[str, Any], files: list[tuple[str, str, bytes]], *, editing: bool
) -> None:
    if editing:
        raise DiscordError(400, 50162, "Voice messages cannot be edited.")
    if body.get("content") or body.get("embeds") or body.get("components"):
        raise DiscordError(400, 50159, "Voice messages do not support additional content.")
    if len(files) != 1 or not files[0][1].startswith("audio/"):
        raise DiscordError(400, 50160, "Voice messages must have a single audio attachment.")
    (about,) = body.get("attachments") or [{}]
    try:
        points = base64.b64decode(str(about["waveform"]), validate=True)
        length = float(about["duration_secs"])
    except (KeyError, ValueError) as error:
        raise DiscordError(400, 50161, "Voice messages must have supporting metadata.") from error
    if not 1 <= len(points) <= 256 or length <= 0:
        raise bad_form("Must be 256 or fewer in length.", "attachments")


def _check_components(rows: list[dict[str, Any]]) -> None:
    if len(rows) > 5:
        raise bad_form("Must be 5 or fewer in length.", "components")
    seen: set[str] = set()
    for row in rows:
        buttons = row.get("components", [])
        if row.get("type") != 1 or not 1 <= len(buttons) <= 5:
            raise bad_form("Must be between 1 and 5 in length.", "components")
        for button in buttons:
            if button.get("type") == 3:
                _check_menu(row, button, seen)
            else:
                _check_button(button, seen)


def _check_menu(row: dict[str, Any], menu: dict[str, Any], seen: set[str]) -> None:
    """A select menu has a row of its own."""
    options = menu.get("options", [])
    if len(row["components"]) != 1 or not 1 <= len(options) <= 25:
        raise bad_form("Must be between 1 and 25 in length.", "options")
    texts = [one.get(name, "") for one in options for name in ("label", "value")]
    if not all(1 <= len(text) <= 100 for text in texts) or len(menu.get("placeholder", "")) > 150:
        raise bad_form("Must be between 1 and 100 in length.", "options")
    if len({one["value"] for one in options}) != len(options):
        raise bad_form("The specified option value is already used", "options")
    if not 1 <= len(menu.get("custom_id", "")) <= 100 or menu["custom_id"] in seen:
        raise bad_form("Component custom id cannot be duplicated", "custom_id")
    seen.add(menu["custom_id"])


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
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        if len([one for one in commands if one.get("type", 1) == kind]) > most:
            raise DiscordError(
                400, 30032, f"Maximum number of application commands reached ({most})."
            )
    names = [(one.get("type", 1), one["name"]) for one in commands]
    if len(set(names)) != len(names):
        raise bad_form("Application command names must be unique", "name")
    for command in commands:
        _check_command(command)


def _check_command(command: dict[str, Any]) -> None:
    if command.get("type", 1) != 1:
        _check_title(command)
        return
    _check_name(command["name"])
    _check_described(command)
    options = command.get("options", [])
    if len(options) > 25:
        raise bad_form("Must be 25 or fewer in length.", "options")
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        raise bad_form("Required options must be placed before non-required options", "options")
    size = len(command["name"]) + _longest(command)
    for option in options:
        _check_name(option["name"])
        _check_described(option)
        choices = option.get("choices", [])
        if option.get("autocomplete") and (choices or option["type"] not in (3, 4, 10)):
            raise bad_form("Autocomplete and choices exclude each other", "autocomplete")
        if len(choices) > 25:
            raise bad_form("Must be 25 or fewer in length.", "choices")
        if option["type"] not in range(1, 12):
            raise bad_form("Unknown option type", "type")
        if any(not 1 <= len(choice["name"]) <= 100 for choice in choices):
            raise bad_form("Must be between 1 and 100 in length.", "choices")
        size += len(option["name"]) + _longest(option)
        size += sum(len(choice["name"]) + len(str(choice["value"])) for choice in choices)
    if size > 8000:
        raise bad_form("Command exceeds maximum size (8000)", "options")


def _check_title(command: dict[str, Any]) -> None:
    """An entry in a message's or a user's menu."""
    if command.get("description") or command.get("options"):
        raise bad_form("Context menu commands have no description and no options", "description")
    for title in (command["name"], *(command.get("name_localizations") or {}).values()):
        if not 1 <= len(title) <= 32:
            raise bad_form("Must be between 1 and 32 in length.", "name")
    _check_locales(command.get("name_localizations") or {})


def _check_described(one: dict[str, Any]) -> None:
    localized = one.get("description_localizations") or {}
    for description in (one.get("description", ""), *localized.values()):
        _check_description(description)
    _check_locales(localized)


def _check_locales(localized: dict[str, Any]) -> None:
    if not set(localized) <= LOCALES:
        raise bad_form("Unknown locale", "localizations")


def _longest(one: dict[str, Any]) -> int:
    """Of all languages, the longest counts."""
    return max(
        map(len, (one["description"], *(one.get("description_localizations") or {}).values()))
    )


def _check_name(name: str) -> None:
    if not COMMAND_NAME.match(name) or name != name.lower():
        raise bad_form("String value did not match validation regex.", "name")


def _check_description(description: str) -> None:
    if not 1 <= len(description) <= 100:
        raise bad_form("Must be between 1 and 100 in length.", "description")
