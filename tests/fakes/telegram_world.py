"""The world of the fake Telegram: the bot, chats, messages with their history, updates that wait
for the bot."""

import io
import itertools
import re
import time
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.fakes.control_base import ChangingWorld

BOT_ID = 424242


class Refused(Exception):
    """An answer with `ok: false`, as Telegram words it."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        extra = {"parameters": self.parameters} if self.parameters else {}
        return {"ok": False, "error_code": self.status, "description": self.description, **extra}


@dataclass
class Upload:
    """A file that was sent, by the bot or by a person."""

    name: str
    content_type: str
    data: bytes
    id: str = ""
    kind: str = ""

    @property
    def path(self) -> str:
        return f"files/{self.id}/{self.name}"


@dataclass
class Message:
    """`history` holds what the text (or caption) and the keyboard were before each edit, the oldest
    first."""

    chat_id: int
    message_id: int
    sender_id: int
    from_bot: bool
    date: int
    kind: str = "text"
    text: str = ""
    keyboard: list[list[dict[str, Any]]] = field(default_factory=list)
    thread_id: int | None = None
    reply_to: int | None = None
    silent: bool = False
    file: Upload | None = None
    thumbnail: Upload | None = None
    width: int = 0
    height: int = 0
    duration: int = 0
    streaming: bool = False
    album: str | None = None
    entities: list[dict[str, Any]] = field(default_factory=list)
    spoiler: bool = False
    asks: dict[str, Any] | None = None
    quote: str = ""
    forwarded_from: str | None = None
    history: list[tuple[str, list[list[dict[str, Any]]]]] = field(default_factory=list)
    deleted: bool = False


@dataclass
class Chat:
    id: int
    type: str
    title: str
    forum: bool = False
    threads: set[int] = field(default_factory=set)
    blocked: bool = False
    admins: set[int] = field(default_factory=set)
    moved_to: int | None = None
    messages: dict[int, Message] = field(default_factory=dict)

    def brief(self) -> dict[str, Any]:
        if self.type == "private":
            return {"id": self.id, "type": self.type, "first_name": self.title}
        return {"id": self.id, "type": self.type, "title": self.title, "is_forum": self.forum}


@dataclass
class Press:
    """A pressed button. `answered` is what the bot answered, None while it has not."""

    id: str
    update_id: int
    data: str
    pressed_at: float
    answered: str | None = None
    alert: bool = False
    answered_after: float | None = None


@dataclass
class Draft:
    """A text shown as growing, in a private chat; never a message."""

    chat_id: int
    draft_id: int
    text: str
    entities: list[dict[str, Any]]
    thread_id: int | None
    can_stop: bool


@dataclass
class World(ChangingWorld):
    """`webhook_to`: where the server behind a webhook's public address really listens. `drafts`:
    whether this Bot API knows them."""

    username: str = "fake_bot"
    privacy: bool = True
    drafts: bool = True
    conflict_seconds: float = 3.0
    webhook: str = ""
    webhook_secret: str = ""
    webhook_to: str = ""
    shown_drafts: list[Draft] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    chats: dict[int, Chat] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    presses: dict[str, Press] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    actions: list[tuple[int, int | None, str]] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))
    last: dict[str, Any] = field(default_factory=dict)
    """The last update."""
    update_numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(70_001))

    def __post_init__(self) -> None:
        super().__init__()

    def me(self) -> dict[str, Any]:
        return {
            "id": BOT_ID,
            "is_bot": True,
            "first_name": "Fake Bot",
            "username": self.username,
            "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy,
            "supports_inline_queries": False,
        }

    def open_chat(self, chat_id: int, private: bool, forum: bool = False) -> Chat:
        """The chat as the bot knows it from the moment a person wrote there."""
        if chat_id not in self.chats:
            self.chats[chat_id] = Chat(
                chat_id, "private" if private else "supergroup", f"Chat {chat_id}", forum
            )
        chat = self.chats[chat_id]
        chat.forum = chat.forum or forum
        return chat

    def writable(self, chat_id: int, thread_id: int | None) -> Chat:
        chat = self.chats.get(chat_id)
        if chat is None:
            raise Refused(400, "Bad Request: chat not found")
        if chat.moved_to is not None:
            raise Refused(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.moved_to,
            )
        if chat.blocked:
            private = chat.type == "private"
            raise Refused(
                403,
                "Forbidden: bot was blocked by the user"
                if private
                else "Forbidden: bot was kicked from the supergroup chat",
            )
        if thread_id is not None and thread_id not in chat.threads:
            raise Refused(400, "Bad Request: message thread not found")
        return chat

    def store(self, chat: Chat, **fields: Any) -> Message:
        message = Message(
            chat_id=chat.id, message_id=next(self.numbers), date=int(time.time()), **fields
        )
        chat.messages[message.message_id] = message
        self.touch()
        return message

    def keep(self, upload: Upload, kind: str = "") -> Upload:
        """A file that Telegram has already keeps its id."""
        if upload.id:
            return upload
        upload.kind = kind
        upload.id = f"file{len(self.files) + 1:04d}"
        self.files[upload.id] = upload
        return upload

    def forget(self) -> None:
        """Files stay: a bot may know their ids."""
        for things in (self.chats, self.updates, self.presses, self.actions, self.shown_drafts):
            things.clear()
        self.touch()

    def push(self, kind: str, body: dict[str, Any], update_id: int | None = None) -> int:
        update_id = next(self.update_numbers) if update_id is None else update_id
        if not self.allowed or kind in self.allowed:
            self.last = {"update_id": update_id, kind: body}
            self.updates.append(self.last)
            self.touch()
        return update_id

    def again(self) -> None:
        """Bring the last update once more, as after an answer that was lost."""
        self.updates.append(self.last)
        self.touch()

    def as_json(self, message: Message, nested: bool = False) -> dict[str, Any]:
        """The message as the Bot API shows it; `nested` leaves out what it answers."""
        chat = self.chats[message.chat_id]
        sender = self.me() if message.from_bot else person(message.sender_id)
        body: dict[str, Any] = {
            "message_id": message.message_id,
            "date": message.date,
            "chat": chat.brief(),
            "from": sender,
        }
        if message.thread_id is not None:
            body |= {"message_thread_id": message.thread_id, "is_topic_message": True}
        answered = chat.messages.get(message.reply_to) if message.reply_to is not None else None
        if answered is not None and not nested:
            body["reply_to_message"] = self.as_json(answered, nested=True)
        if message.quote:
            body["quote"] = {"text": message.quote, "position": 0, "is_manual": True}
        if message.forwarded_from is not None:
            body["forward_origin"] = {
                "type": "hidden_user",
                "date": message.date,
                "sender_user_name": message.forwarded_from,
            }
        if message.album is not None:
            body["media_group_id"] = message.album
        if message.keyboard:
            body["reply_markup"] = {"inline_keyboard": message.keyboard}
        if message.text:
            body["text" if message.kind == "text" else "caption"] = message.text
        if message.entities:
            body["entities" if message.kind == "text" else "caption_entities"] = message.entities
        return body | _media(message)


def person(user_id: int) -> dict[str, Any]:
    return {
        "id": user_id,
        "is_bot": False,
        "first_name": f"Person {user_id}",
        "username": f"person{user_id}",
        "language_code": "en",
    }


def _media(message: Message) -> dict[str, Any]:
    if message.file is None:
        return {}
    known = {
        "file_id": message.file.id,
        "file_unique_id": f"u{message.file.id}",
        "file_size": len(message.file.data),
    }
    named = known | {"file_name": message.file.name}
    if message.file.content_type:
        named["mime_type"] = message.file.content_type
    if message.kind == "photo":
        return {"photo": [known | {"width": message.width, "height": message.height}]}
    if message.kind == "video":
        return {
            "video": named
            | {"width": message.width, "height": message.height, "duration": message.duration}
        }
    if message.kind == "audio":
        return {"audio": named | {"duration": message.duration}}
    if message.kind == "voice":
        del named["file_name"]
        return {"voice": named | {"duration": message.duration}}
    if message.kind == "video_note":
        return {"video_note": known | {"length": 240, "duration": message.duration}}
    return {"document": named}


def found_entities(text: str) -> list[dict[str, Any]]:
    """Commands and mentions, as Telegram marks them in what people write; offsets in UTF-16
    units."""
    marks = []
    for kind, pattern in (
        ("bot_command", r"(?<![\w/])/[A-Za-z0-9_]{1,32}(@\w+)?"),
        ("mention", r"(?<![\w/])@\w{4,32}"),
    ):
        for match in re.finditer(pattern, text):
            start, length = (
                len(part.encode("utf-16-le")) // 2 for part in (text[: match.start()], match[0])
            )
            marks.append({"type": kind, "offset": start, "length": length})
    return marks


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Pixels, or None for what no picture is."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except OSError:
        return None
