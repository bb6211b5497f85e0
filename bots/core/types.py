"""The values that flow between the core and the adapters. Nothing here knows a platform."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from client.schemas.deliveries import DeliveryReason


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a chat. `message_id` is the message to answer. `private`: nobody else reads along.
    `answer_id` is the message that will be the answer, where that is known beforehand."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    private: bool = True
    answer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """The person who sent something. `id` is the platform's stable id, never a name."""

    id: str
    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a person sent. `read` fetches its bytes through the platform; its address never
    leaves the adapter. `seconds`: its length, where the platform tells it. `spoken`: it is a voice
    message, or a video in which the person speaks."""

    name: str
    content_type: str
    size: int
    read: Callable[[], Awaitable[bytes]]
    seconds: float | None = None
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class QuotedMessage:
    """The message that a person answered, as far as the platform shows it. `mine`: this bot wrote
    it. `author` is the name of any other author. `picked`: the person has marked the words in
    it."""

    message_id: str
    text: str = ""
    mine: bool = False
    attachments: tuple[Attachment, ...] = ()
    author: str = ""
    picked: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A group, channel or server in which a person speaks, as the platform knows it.

    `channels` are the channel, thread or topic of the message, the innermost first; `channel` is
    the name of that one. `roles` are the person's, ids and names; `all_roles` returns those of the
    place, none where there are no roles. `administers` asks the platform whether the person is an
    admin there, each time anew.
    """

    id: str
    name: str
    channels: tuple[str, ...]
    administers: Callable[[], Awaitable[bool]]
    channel: str = ""
    roles: tuple[tuple[str, str], ...] = ()
    all_roles: Callable[[], tuple[tuple[str, str], ...]] = tuple


@dataclass(frozen=True, slots=True)
class Inbound:
    """A command with its text, or a pressed button, from a person.

    `command` is the name without slash, aliases resolved; `text` is everything behind it (a prompt,
    a code). `options` are the platform's native options, by the API's names, always as text;
    options in the text, such as `--ar 16:9`, are the core's matter. `plain`: no command was
    written, the words were just said to the bot: then `command` is `ask`. `addressed`: it names or
    answers this bot; in a private chat everything is meant for it anyway. `update_id` is unique on
    its platform: the same update twice has the same id. `pressed` is the id of the message whose
    button was pressed; the first reply then edits that message. `moderates` asks the platform
    whether the sender may remove other people's messages in this chat. `place`: None in a private
    chat, and where the bot is no member.
    """

    address: Address
    sender: Sender
    update_id: str
    command: str
    text: str = ""
    options: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    pressed: str | None = None
    quoted: QuotedMessage | None = None
    moderates: Callable[[], Awaitable[bool]] | None = None
    plain: bool = False
    addressed: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button, which sends an Inbound with `action` as its command and `value` as its text; both
    together have at most 60 bytes.

    The registry of actions is the core's: an adapter only carries `action:value`.
    """

    label: str
    action: str
    value: str
    style: Literal["plain", "primary", "danger"] = "plain"


@dataclass(frozen=True, slots=True)
class ReplyFile:
    """A file to show. `kind` is its form; width and height are in pixels, duration in seconds;
    `thumbnail` is a small JPEG.

    `ref` is the platform's own id of the same file, from an earlier showing: it spares the upload,
    where the platform can. `spoiler`: hidden until it is touched. `waveform`: the loudness of a
    voice, a byte a point, as base64.
    """

    kind: Literal["photo", "video", "document", "voice"]
    name: str
    content_type: str
    data: bytes
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    thumbnail: bytes | None = None
    ref: str | None = None
    spoiler: bool = False
    waveform: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A line of text that is wanted from the person. Their words come as an Inbound with `action`
    as its command; its text is `value` and the words, joined by one blank. They come by a form
    where the platform has those, otherwise by an answer to the message that asks."""

    action: str
    value: str
    title: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that a chat should show.

    `preview`: one of several growing versions of a streamed answer; an adapter may drop previews,
    never the last reply. `secret`: for the sender only, where the platform can (ephemeral).
    `quiet`: no notification. `card`: id of the generation whose waiting card this is; the core
    stores the shown message's id with it. `nonce`: at most 25 characters; the same nonce within
    minutes is the same message, where the platform can. `fresh`: a message of its own, although the
    command or the pressed button has shown one already; the core heeds it, adapters need not.
    `markdown`: the text is a model's Markdown, to be shown in the platform's own way; otherwise the
    text is plain. `ask`: a text is wanted; a form, where one may be opened now, needs no message.
    `notice`: it stands only until the answer comes. The answer is news: where edits make no sound
    it is a message of its own. `gone`: the message that this replaces is to be removed; there is
    nothing to show, and with `quiet` nothing to say about it. `text` is for a message that can't be
    removed. `again`: an earlier try may have shown it; where the platform lets a bot look, it is
    looked for before it is sent. `idle`: an edit that nobody waits for; it is left out rather than
    that it takes a turn which something else may need.
    """

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    files: tuple[ReplyFile, ...] = ()
    preview: bool = False
    secret: bool = False
    quiet: bool = False
    card: str | None = None
    nonce: str | None = None
    fresh: bool = False
    markdown: bool = False
    ask: Ask | None = None
    gone: bool = False
    notice: bool = False
    again: bool = False
    idle: bool = False


@dataclass(frozen=True, slots=True)
class ShownMessages:
    """The messages of a reply, in order; the last one carries the buttons. `refs`: the platform's
    own ids of the files, in their order, where it gives any."""

    message_ids: tuple[str, ...]
    refs: tuple[str | None, ...] = ()


Doing = Literal["writing", "drawing", "filming", "sending_image", "sending_video"]
"""The work that a chat may show while it goes on."""
PictureWay = Literal["caption", "option", "path"]


@dataclass(frozen=True, slots=True)
class Limits:
    """`text` and `caption` in characters as the platform counts them; sizes in bytes;
    `edit_seconds`: least time between edits of one message. `repeatable`: a reply with a nonce is
    shown once, however often it is sent. `discreet`: a secret reply is shown to nobody except its
    person. `picture`: the way to send one with a command: its caption is the command, it is one of
    the command's options, its path is in the line."""

    text: int
    caption: int
    photo_bytes: int
    upload_bytes: int
    edit_seconds: float
    repeatable: bool = False
    discreet: bool = False
    picture: PictureWay = "option"


class Messenger(Protocol):
    """A chat platform as an adapter offers it to the core."""

    async def limits_for(self, to: Address) -> Limits:
        """The limits of one chat."""
        ...

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        """Send the reply, or edit the shown messages. Raises `SendFailed`."""
        ...

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        """Show for some seconds that work is going on, where the platform can."""
        ...


class SendFailed(Exception):
    """`said` has the platform's own words. `final`: this chat can never take it. `uncertain`: it
    may have arrived. `retry_after`: seconds the platform asked for."""

    def __init__(
        self,
        reason: DeliveryReason,
        said: str = "",
        *,
        final: bool = False,
        uncertain: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {said}" if said else reason)
        self.reason: DeliveryReason = reason
        self.said = said
        self.final = final
        self.uncertain = uncertain
        self.retry_after = retry_after
