"""Replies as Telegram messages: what is sent, what is edited, how files go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bots.core.splitting import utf16_units
from bots.core.types import Button, File, Limits, Reply, SendFailed, Shown
from bots.telegram.hidden_links import ARROW, placeholder, question
from bots.telegram.markup import Marked, cut, ending, marked

LIMITS = Limits(
    text=4096,
    caption=1024,
    photo_bytes=10_000_000,
    upload_bytes=50_000_000,
    edit_seconds=1.5,
    picture="caption",
)
"""Texts are counted in UTF-16 units. A chat takes about one message a second."""
GROUP_LIMITS = replace(LIMITS, edit_seconds=3.0)
"""A group takes about twenty messages and edits a minute."""

ALBUM = 10
PHOTO_SIDES = 10_000
PHOTO_RATIO = 20
THUMBNAIL_BYTES = 200_000
DATA_BYTES = 64

Kind = Literal["photo", "video", "document"]
KINDS: tuple[Kind, ...] = ("photo", "video", "document")
Rows = tuple[tuple[Button, ...], ...]


NOTHING = Marked("")


@dataclass(frozen=True, slots=True)
class Text:
    """`target` is the message that becomes this text; without it a new one is sent. `wanted`: the
    hint in the field for the answer."""

    words: Marked
    buttons: Rows = ()
    target: int | None = None
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that is still growing, shown as such; it is no message. `buttons`: the first is what
    the platform's own stop sign means."""

    words: Marked
    buttons: Rows = ()


@dataclass(frozen=True, slots=True)
class Single:
    file: File
    caption: Marked = NOTHING
    buttons: Rows = ()


@dataclass(frozen=True, slots=True)
class Album:
    """2 to 10 photos and videos, or as many documents; the caption goes to the first. It can't have
    buttons."""

    files: tuple[File, ...]
    caption: Marked = NOTHING


Step = Text | Draft | Single | Album


@dataclass(frozen=True, slots=True)
class Plan:
    """One call for each step, in order; `obsolete` are shown messages that nothing replaces."""

    steps: tuple[Step, ...]
    obsolete: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """`public`: others read along, so their names must not ring. `drafts`: a growing text may be
    shown as a draft."""

    own_name: str
    public: bool
    drafts: bool = False


def plan(reply: Reply, replacing: Shown | None, setting: Setting) -> Plan:
    """Raises `SendFailed`, final, for what Telegram never takes."""
    shown = tuple(number(one) for one in replacing.message_ids) if replacing is not None else ()
    if reply.ask is not None:
        return Plan(
            (
                Text(
                    question(reply.ask, reply.text, setting.own_name), wanted=placeholder(reply.ask)
                ),
            )
        )
    if not reply.files:
        return _texts(reply, shown, setting)
    groups = _groups([as_sendable(file) for file in reply.files])
    words = list(cut(_whole(reply, setting), LIMITS.text))
    captioned = sum(utf16_units(one.text) for one in words) <= LIMITS.caption and not (
        reply.buttons and isinstance(groups[-1], Album)
    )
    if not captioned:
        behind = (
            _texts(reply, (), setting) if words else Plan((Text(Marked(ARROW), reply.buttons),))
        )
        return Plan((*groups, *behind.steps), shown)
    if words:
        groups[0] = replace(groups[0], caption=words[0])
    last = groups[-1]
    if isinstance(last, Single):
        groups[-1] = replace(last, buttons=reply.buttons)
    return Plan(tuple(groups), shown)


def _whole(reply: Reply, setting: Setting) -> Marked:
    return marked(
        reply.text, markdown=reply.markdown, own_name=setting.own_name if setting.public else None
    )


def _texts(reply: Reply, shown: Sequence[int], setting: Setting) -> Plan:
    if reply.preview and setting.drafts and not shown:
        return Plan((Draft(ending(_whole(reply, setting), LIMITS.text), reply.buttons),))
    parts = list(cut(_whole(reply, setting), LIMITS.text))
    last = len(parts) - 1
    steps = tuple(
        Text(
            part,
            reply.buttons if place == last else (),
            shown[place] if place < len(shown) else None,
        )
        for place, part in enumerate(parts)
    )
    return Plan(steps, tuple(shown[len(parts) :]))


def _groups(files: Sequence[File]) -> list[Single | Album]:
    """Neighbours that may share an album do, the order kept."""
    groups: list[list[File]] = []
    for file in files:
        if groups and len(groups[-1]) < ALBUM and _album_kind(groups[-1][0]) == _album_kind(file):
            groups[-1].append(file)
        else:
            groups.append([file])
    return [Album(tuple(group)) if len(group) > 1 else Single(group[0]) for group in groups]


def _album_kind(file: File) -> bool:
    return file.kind == "document"


def as_sendable(file: File) -> File:
    """The file in a way that Telegram takes it: what is no photo or no video to it goes as a
    document."""
    if file.thumbnail is not None and len(file.thumbnail) > THUMBNAIL_BYTES:
        file = replace(file, thumbnail=None)
    known = known_as(file)
    if known is not None:
        return replace(file, kind=known[0], thumbnail=None)
    size = len(file.data)
    if size > LIMITS.upload_bytes:
        raise SendFailed(
            f"{file.name} has {size / 1e6:.0f} MB, Telegram takes {LIMITS.upload_bytes / 1e6:.0f} "
            "MB from a bot",
            final=True,
        )
    if file.kind == "photo" and (size > LIMITS.photo_bytes or not _photo_sides(file)):
        return as_document(file)
    if file.kind == "video" and file.content_type != "video/mp4":
        return as_document(file)
    return file


def as_document(file: File) -> File:
    return replace(file, kind="document", ref=None)


def ref(kind: str, file_id: str) -> str:
    """Telegram knows a file only as what it was sent as."""
    return f"{kind}:{file_id}"


def known_as(file: File) -> tuple[Kind, str] | None:
    """What Telegram knows the file as, and by which id."""
    name, _, file_id = (file.ref or "").partition(":")
    kind = next((one for one in KINDS if one == name), None)
    return None if kind is None or not file_id else (kind, file_id)


def _photo_sides(file: File) -> bool:
    if file.width is None or file.height is None:
        return True
    sides = sorted((file.width, file.height))
    return sum(sides) <= PHOTO_SIDES and sides[1] <= PHOTO_RATIO * sides[0]


def keyboard(rows: Rows) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup([[_key(button) for button in row] for row in rows])


def _key(button: Button) -> InlineKeyboardButton:
    data = f"{button.action}:{button.value}"
    if len(data.encode()) > DATA_BYTES:
        raise SendFailed(
            f"the button {button.label!r} carries more than {DATA_BYTES} bytes", final=True
        )
    return InlineKeyboardButton(
        button.label, callback_data=data, style=None if button.style == "plain" else button.style
    )


def number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SendFailed(f"{text[:40]!r} is no id of Telegram's", final=True) from None
