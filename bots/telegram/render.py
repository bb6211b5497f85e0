"""The plan of a reply on Telegram: the messages to send and to edit, and the form of its files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bots.core.splitting import utf16_units
from bots.core.types import Button, Limits, Reply, ReplyFile, SendFailed, ShownMessages
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
"""Texts count in UTF-16 units. A chat takes about one message a second."""
GROUP_LIMITS = replace(LIMITS, edit_seconds=3.0)
"""A group takes about twenty messages and edits a minute."""

ALBUM = 10
PHOTO_SIDES = 10_000
PHOTO_RATIO = 20
THUMBNAIL_BYTES = 200_000
DATA_BYTES = 64

Kind = Literal["photo", "video", "document", "voice"]
KINDS: tuple[Kind, ...] = ("photo", "video", "document")
"""Kinds under which Telegram knows a file that was shown before."""
Rows = tuple[tuple[Button, ...], ...]


NOTHING = Marked("")


@dataclass(frozen=True, slots=True)
class TextStep:
    """A text. `message_id` is the message that becomes this text; None for a new message. `hint`: a
    field for the answer opens, with this hint in it. `idle` as in `Reply`."""

    words: Marked
    buttons: Rows = ()
    message_id: int | None = None
    hint: str | None = None
    idle: bool = False


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A growing text in Telegram's own form, which is no message. With buttons, the
    platform shows its own stop sign."""

    words: Marked
    buttons: Rows = ()


@dataclass(frozen=True, slots=True)
class FileStep:
    file: ReplyFile
    caption: Marked = NOTHING
    buttons: Rows = ()


@dataclass(frozen=True, slots=True)
class AlbumStep:
    """2 to 10 photos and videos, or as many documents. The caption goes to the first. An album has
    no buttons."""

    files: tuple[ReplyFile, ...]
    caption: Marked = NOTHING


Step = TextStep | DraftStep | FileStep | AlbumStep


@dataclass(frozen=True, slots=True)
class SendPlan:
    """One call for each step, in order. `obsolete` are shown messages that nothing replaces."""

    steps: tuple[Step, ...]
    obsolete: tuple[int, ...] = ()


def plan(
    reply: Reply, replacing: ShownMessages | None, own_name: str, *, public: bool, drafts: bool
) -> SendPlan:
    """The plan for a bot of that name. Raises `SendFailed`, final, for a reply that Telegram never
    takes.

    `public`: other people read along, so their names must not ring. `drafts`: a growing text may be
    a draft.
    """
    shown = tuple(number(one) for one in replacing.message_ids) if replacing is not None else ()
    if reply.ask is not None:
        asking = question(reply.ask, reply.text, own_name)
        return SendPlan((TextStep(asking, hint=placeholder(reply.ask)),))
    whole = marked(reply.text, markdown=reply.markdown, own_name=own_name if public else None)
    if not reply.files:
        if reply.preview and drafts and not shown:
            return SendPlan((DraftStep(ending(whole, LIMITS.text), reply.buttons),))
        return _texts(list(cut(whole, LIMITS.text)), reply.buttons, shown)
    words = list(cut(whole, LIMITS.text))
    groups = _groups([as_sendable(file) for file in reply.files])
    captioned = sum(utf16_units(one.text) for one in words) <= LIMITS.caption and not (
        reply.buttons and isinstance(groups[-1], AlbumStep)
    )
    if not captioned:
        below = _texts(words or [Marked(ARROW)], reply.buttons, ())
        return SendPlan((*groups, *below.steps), shown)
    if words:
        groups[0] = replace(groups[0], caption=words[0])
    last = groups[-1]
    if isinstance(last, FileStep):
        groups[-1] = replace(last, buttons=reply.buttons)
    return SendPlan(tuple(groups), shown)


def _texts(parts: Sequence[Marked], buttons: Rows, shown: Sequence[int]) -> SendPlan:
    """The parts in the place of the shown messages, as far as there are any."""
    places = (*shown, *[None] * len(parts))
    steps = [TextStep(part, (), place) for part, place in zip(parts, places, strict=False)]
    if steps:
        steps[-1] = replace(steps[-1], buttons=buttons)
    return SendPlan(tuple(steps), tuple(shown[len(parts) :]))


def _groups(files: Sequence[ReplyFile]) -> list[FileStep | AlbumStep]:
    """Albums of neighbours that may share one, in their order. A voice stands alone."""
    groups: list[list[ReplyFile]] = []
    for file in files:
        last = groups[-1][0].kind if groups else "voice"
        alike = "voice" not in (last, file.kind) and (last == "document") == (
            file.kind == "document"
        )
        if alike and len(groups[-1]) < ALBUM:
            groups[-1].append(file)
        else:
            groups.append([file])
    return [AlbumStep(tuple(group)) if len(group) > 1 else FileStep(group[0]) for group in groups]


def as_sendable(file: ReplyFile) -> ReplyFile:
    """The file in a form that Telegram takes: a document, if it is no photo or video to Telegram.
    Raises `SendFailed`, final, for a file that is too large."""
    if file.thumbnail is not None and len(file.thumbnail) > THUMBNAIL_BYTES:
        file = replace(file, thumbnail=None)
    known = known_as(file)
    if known is not None:
        return replace(file, kind=known[0], thumbnail=None)
    size = len(file.data)
    if size > LIMITS.upload_bytes:
        raise SendFailed(
            "too_large",
            f"{file.name} has {size / 1e6:.0f} MB, Telegram takes {LIMITS.upload_bytes / 1e6:.0f} "
            "MB from a bot",
            final=True,
        )
    if file.kind == "photo" and (size > LIMITS.photo_bytes or not _photo_sides(file)):
        return as_document(file)
    if file.kind == "video" and file.content_type != "video/mp4":
        return as_document(file)
    if file.kind == "voice" and file.content_type != "audio/ogg":
        return as_document(file)
    return file


def as_document(file: ReplyFile) -> ReplyFile:
    return replace(file, kind="document", ref=None)


def known_as(file: ReplyFile) -> tuple[Kind, str] | None:
    """The kind and id under which Telegram knows the file."""
    name, _, file_id = (file.ref or "").partition(":")
    kind = next((one for one in KINDS if one == name), None)
    return None if kind is None or not file_id else (kind, file_id)


def _photo_sides(file: ReplyFile) -> bool:
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
            "bot_broke", f"the button {button.label!r} has over {DATA_BYTES} bytes", final=True
        )
    return InlineKeyboardButton(
        button.label, callback_data=data, style=None if button.style == "plain" else button.style
    )


def number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SendFailed("bot_broke", f"{text[:40]!r} is no id of Telegram's", final=True) from None
