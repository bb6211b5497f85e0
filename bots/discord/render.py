"""Replies as Discord messages: text cut to size, buttons as components, files in groups that one
request can carry."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bots.core.splitting import shorten
from bots.core.texts.introduction import more_choices
from bots.core.types import Ask, Button, Limits, Reply, ReplyFile
from bots.discord.markdown import clean, markdown_parts, plain_parts

MIB = 1024 * 1024
TEXT = 2000
FILE_BYTES = 10 * MIB
REQUEST_BYTES = 24 * MIB
"""Discord takes 25 MiB a request; the rest is for the form around the files."""
FILES = 10
ROWS, BUTTONS_IN_ROW, LABEL = 5, 5, 80
MENU, MENU_ID = 25, "menu"
FORM_TITLE, FORM_DESCRIPTION, FORM_TEXT = 45, 100, 4000
FORM = "form"
"""A button of this action opens the form of an `Ask`, whose `action:value` is its value."""
SPOILER = "SPOILER_"
EDIT_SECONDS = 1.2
"""Discord allows about five edits in five seconds to a channel."""

SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, VOICE = 4, 4096, 8192
NOBODY = {"parse": [], "replied_user": False}
STYLES = {"plain": 2, "primary": 1, "danger": 4}

LIMITS = Limits(
    text=TEXT,
    caption=TEXT,
    photo_bytes=FILE_BYTES,
    upload_bytes=FILE_BYTES,
    edit_seconds=EDIT_SECONDS,
    repeatable=True,
)


def limits(file_bytes: int | None) -> Limits:
    """The limits of a chat whose files may have so many bytes, as far as one request can carry
    them."""
    most = min(file_bytes or FILE_BYTES, REQUEST_BYTES)
    return replace(LIMITS, photo_bytes=most, upload_bytes=most)


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One Discord message: its JSON without address and nonce, and its files."""

    payload: dict[str, Any]
    files: tuple[ReplyFile, ...] = ()


def parts(reply: Reply) -> list[MessagePart]:
    """The messages of a reply, in order; the last one carries the buttons. Empty for a reply
    without content."""
    text = clean(reply.text)
    texts = markdown_parts(text, TEXT) if reply.markdown else plain_parts(text, TEXT)
    groups = _groups([file for file in reply.files if not _speaks(file)])
    voices = [MessagePart(_voice(file, reply), (file,)) for file in reply.files if _speaks(file)]
    pieces: list[tuple[str, tuple[ReplyFile, ...]]] = [(text, ()) for text in texts]
    if groups:
        first, *more = groups
        pieces[-1:] = [(texts[-1] if texts else "", first), *(("", group) for group in more)]
    flags = SUPPRESS_EMBEDS | (SUPPRESS_NOTIFICATIONS if reply.quiet else 0)
    asking = () if reply.ask is None else ((form_button(reply.ask),),)
    rows = _rows((*reply.buttons, *asking))
    last = len(pieces) - 1
    made = [
        MessagePart(
            {
                "content": text,
                "components": rows if index == last else [],
                "flags": flags,
                "allowed_mentions": NOBODY,
            },
            files,
        )
        for index, (text, files) in enumerate(pieces)
    ]
    return [*made, *voices]


def _speaks(file: ReplyFile) -> bool:
    return file.kind == "voice" and bool(file.waveform)


def _voice(file: ReplyFile, reply: Reply) -> dict[str, Any]:
    """The payload of a voice message, which holds nothing beside its one file."""
    about = {"duration_secs": file.duration or 1.0, "waveform": file.waveform}
    flags = VOICE | (SUPPRESS_NOTIFICATIONS if reply.quiet else 0)
    return {"flags": flags, "allowed_mentions": NOBODY, "attachments": [{"id": "0", **about}]}


def as_file(part: MessagePart) -> MessagePart:
    """The part with its voice as a usual file, for a channel that takes no voice messages."""
    payload = {
        "content": "",
        "components": [],
        "flags": SUPPRESS_EMBEDS | (part.payload["flags"] & SUPPRESS_NOTIFICATIONS),
        "allowed_mentions": NOBODY,
    }
    return MessagePart(payload, part.files)


def edited(part: MessagePart) -> dict[str, Any]:
    """The payload for an edit, where only the embeds flag may be given."""
    return {**part.payload, "flags": SUPPRESS_EMBEDS}


def nonce(reply: Reply, index: int) -> str:
    """The nonce of a part: at most 25 characters, another for each part. A reply without one gets a
    random one, which still covers a second try."""
    if reply.nonce is None:
        return secrets.token_hex(12)
    if index == 0:
        return reply.nonce
    return hashlib.blake2s(f"{reply.nonce}/{index}".encode(), digest_size=12).hexdigest()


def form_button(ask: Ask) -> Button:
    return Button(ask.title, FORM, f"{ask.action}:{ask.value}", "primary")


def form(ask: Ask) -> dict[str, Any]:
    """The form that asks for a text, which comes back under the id `action:value`."""
    asked = clean(ask.title).strip() or "…"
    title = shorten(asked, FORM_TITLE)
    field = {
        "type": 4,
        "custom_id": "text",
        "style": 2,
        "required": True,
        "min_length": 1,
        "max_length": FORM_TEXT,
    }
    if ask.default:
        field["value"] = clean(ask.default)[:FORM_TEXT]
    label = {"type": 18, "label": title, "component": field}
    if title != asked:
        label["description"] = shorten(asked, FORM_DESCRIPTION)
    return {"custom_id": f"{ask.action}:{ask.value}", "title": title, "components": [label]}


def file_name(file: ReplyFile) -> str:
    """The file's name on Discord, which makes a spoiler one."""
    return f"{SPOILER}{file.name}" if file.spoiler else file.name


def _groups(files: Sequence[ReplyFile]) -> list[tuple[ReplyFile, ...]]:
    groups: list[list[ReplyFile]] = []
    room = 0
    for file in files:
        if not groups or len(groups[-1]) == FILES or len(file.data) > room:
            groups.append([])
            room = REQUEST_BYTES
        groups[-1].append(file)
        room -= len(file.data)
    return [tuple(group) for group in groups]


def _rows(rows: Sequence[Sequence[Button]]) -> list[dict[str, Any]]:
    """The rows of buttons. Those that find no room are in a menu below them, and in more menus if
    need be."""
    short = [
        row[start : start + BUTTONS_IN_ROW]
        for row in rows
        for start in range(0, len(row), BUTTONS_IN_ROW)
    ]
    kept = len(short)
    menus: list[Sequence[Button]] = []
    while kept and kept + len(menus) > ROWS:
        kept = min(kept, ROWS) - 1
        rest = [button for row in short[kept:] for button in row]
        menus = [rest[start : start + MENU] for start in range(0, len(rest), MENU)]
    made = [[_button(one) for one in row] for row in short[:kept]]
    made += [[_menu(one, number)] for number, one in enumerate(menus[: ROWS - kept])]
    return [{"type": 1, "components": one} for one in made]


def _menu(buttons: Sequence[Button], number: int) -> dict[str, Any]:
    """A menu, whose choices come as if their buttons had been pressed."""
    options = [
        {"label": shorten(clean(one.label), LABEL), "value": f"{one.action}:{one.value}"}
        for one in buttons
    ]
    return {
        "type": 3,
        "custom_id": f"{MENU_ID}:{number}",
        "placeholder": more_choices(),
        "options": options,
    }


def _button(button: Button) -> dict[str, Any]:
    return {
        "type": 2,
        "style": STYLES[button.style],
        "label": shorten(clean(button.label), LABEL),
        "custom_id": f"{button.action}:{button.value}",
    }
