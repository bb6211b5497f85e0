"""Replies as Telegram messages: what is sent, what is edited, how files go, and what a failure means."""

from collections.abc import Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bots.core.splitting import split, utf16_units
from bots.core.types import Button, File, Limits, Reply, SendFailed, Shown

LIMITS = Limits(text=4096, caption=1024, photo_bytes=10_000_000, upload_bytes=50_000_000, edit_seconds=1.5)
"""Texts are counted in UTF-16 units. A chat takes about one message a second."""

ALBUM = 10
PHOTO_SIDES = 10_000
PHOTO_RATIO = 20
DATA_BYTES = 64
NO_WORDS = "⬆️"
"""Stands above buttons that have no text and no file to hang on."""


@dataclass(frozen=True, slots=True)
class Text:
    """`target` is the message that becomes this text; without it a new one is sent."""

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Single:
    file: File
    caption: str = ""
    buttons: tuple[tuple[Button, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Album:
    """2 to 10 photos; the caption goes to the first. It can't have buttons."""

    files: tuple[File, ...]
    caption: str = ""


Step = Text | Single | Album


@dataclass(frozen=True, slots=True)
class Plan:
    """One call for each step, in order; `obsolete` are shown messages that nothing replaces."""

    steps: tuple[Step, ...]
    obsolete: tuple[int, ...] = ()


def plan(reply: Reply, replacing: Shown | None) -> Plan:
    """Raises `SendFailed`, final, for what Telegram never takes."""
    shown = tuple(number(one) for one in replacing.message_ids) if replacing is not None else ()
    if not reply.files:
        return _texts(reply.text, reply.buttons, shown)
    groups = _groups([as_sendable(file) for file in reply.files])
    captioned = utf16_units(reply.text) <= LIMITS.caption and not (reply.buttons and isinstance(groups[-1], Album))
    if not captioned:
        behind = _texts(reply.text.strip() or NO_WORDS, reply.buttons, ())
        return Plan((*groups, *behind.steps), shown)
    groups[0] = _captioned(groups[0], reply.text.strip())
    last = groups[-1]
    if isinstance(last, Single):
        groups[-1] = Single(last.file, last.caption, reply.buttons)
    return Plan(tuple(groups), shown)


def _texts(text: str, buttons: tuple[tuple[Button, ...], ...], shown: Sequence[int]) -> Plan:
    parts = split(text, LIMITS.text, utf16_units)
    last = len(parts) - 1
    steps = tuple(
        Text(part, buttons if place == last else (), shown[place] if place < len(shown) else None) for place, part in enumerate(parts)
    )
    return Plan(steps, tuple(shown[len(parts) :]))


def _groups(files: Sequence[File]) -> list[Single | Album]:
    """Neighbouring photos as albums, everything else for itself, the order kept."""
    groups: list[Single | Album] = []
    photos: list[File] = []
    for file in [*files, None]:
        if file is not None and file.kind == "photo" and len(photos) < ALBUM:
            photos.append(file)
            continue
        if photos:
            groups.append(Album(tuple(photos)) if len(photos) > 1 else Single(photos[0]))
        photos = [file] if file is not None and file.kind == "photo" else []
        if file is not None and file.kind != "photo":
            groups.append(Single(file))
    return groups


def _captioned(group: Single | Album, caption: str) -> Single | Album:
    return Single(group.file, caption) if isinstance(group, Single) else Album(group.files, caption)


def as_sendable(file: File) -> File:
    """The file in a way that Telegram takes it: what is no photo or no video to it goes as a document."""
    size = len(file.data)
    if size > LIMITS.upload_bytes:
        raise SendFailed(f"{file.name} has {size / 1e6:.0f} MB, Telegram takes {LIMITS.upload_bytes / 1e6:.0f} MB from a bot", final=True)
    if file.kind == "photo" and (size > LIMITS.photo_bytes or not _photo_sides(file)):
        return as_document(file)
    if file.kind == "video" and file.content_type != "video/mp4":
        return as_document(file)
    return file


def as_document(file: File) -> File:
    return File("document", file.name, file.content_type, file.data, file.width, file.height, file.duration, file.thumbnail)


def _photo_sides(file: File) -> bool:
    if file.width is None or file.height is None:
        return True
    sides = sorted((file.width, file.height))
    return sum(sides) <= PHOTO_SIDES and sides[1] <= PHOTO_RATIO * sides[0]


def keyboard(rows: tuple[tuple[Button, ...], ...]) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup([[_key(button) for button in row] for row in rows])


def _key(button: Button) -> InlineKeyboardButton:
    data = f"{button.action}:{button.value}"
    if len(data.encode()) > DATA_BYTES:
        raise SendFailed(f"the button {button.label!r} carries more than {DATA_BYTES} bytes", final=True)
    return InlineKeyboardButton(button.label, callback_data=data, style=None if button.style == "plain" else button.style)


def number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SendFailed(f"{text[:40]!r} is no id of Telegram's", final=True) from None
