"""Drives a fake Telegram over its control calls, in this process or another, and shows what people
there would see."""

import base64
from dataclasses import dataclass
from typing import Any

from tests import canaries
from tests.fakes.driver_base import Driver, encoded, picked


@dataclass(frozen=True)
class SeenFile:
    id: str
    name: str
    content_type: str
    size: int


@dataclass(frozen=True)
class SeenMessage:
    """`text` is the caption of a message with a file, `asks` the field for an answer that it opens.

    `history`: earlier texts and keyboards, one for each edit, the oldest first.
    """

    chat_id: int
    message_id: int
    sender_id: int
    from_bot: bool
    kind: str
    text: str
    keyboard: list[list[dict[str, Any]]]
    thread_id: int | None
    reply_to: int | None
    silent: bool
    file: SeenFile | None
    thumbnail: SeenFile | None
    width: int
    height: int
    duration: int
    streaming: bool
    album: str | None
    entities: list[dict[str, Any]]
    spoiler: bool
    asks: dict[str, Any] | None
    history: list[tuple[str, list[list[dict[str, Any]]]]]
    deleted: bool

    @property
    def buttons(self) -> dict[str, str]:
        """Labels and their callback data."""
        return {
            button["text"]: button.get("callback_data", "")
            for row in self.keyboard
            for button in row
        }


@dataclass(frozen=True)
class SeenPress:
    id: str
    update_id: int
    data: str
    answered: str | None
    alert: bool
    answered_after: float | None


@dataclass(frozen=True)
class SeenCall:
    """`at` in seconds of the fake's monotonic clock; `status` 0: it runs, or its connection was
    cut. `uploads`: the parts with files."""

    method: str
    params: dict[str, Any]
    at: float
    status: int
    uploads: list[str]


@dataclass(frozen=True)
class SeenDraft:
    chat_id: int
    draft_id: int
    text: str
    entities: list[dict[str, Any]]
    thread_id: int | None
    can_stop: bool


@dataclass(frozen=True)
class Scene:
    """Everything at one moment. `messages` are those still shown, oldest first in each chat."""

    version: int
    messages: list[SeenMessage]
    calls: list[SeenCall]
    presses: dict[str, SeenPress]
    actions: list[tuple[int, int | None, str]]
    commands: dict[str, list[dict[str, str]]]
    about: dict[str, str]
    drafts: list[SeenDraft]
    waiting_updates: list[int]
    ignored_floods: int
    faults_left: list[int | None]

    def by_bot(self, chat_id: int | None = None) -> list[SeenMessage]:
        return [one for one in self.messages if one.from_bot and chat_id in (None, one.chat_id)]

    def newest(self) -> list[str]:
        return [
            f"{one.chat_id} {'bot' if one.from_bot else 'user'}: {one.text[:100]!r}"
            for one in self.messages[-10:]
        ]

    def calls_of(self, method: str) -> list[SeenCall]:
        return [one for one in self.calls if one.method == method]


class FakeTelegram(Driver[Scene]):
    def __init__(self, api_url: str, token: str, control_url: str | None = None) -> None:
        self.api_url = api_url
        self.token = token
        super().__init__(control_url or api_url)

    def _seen(self, raw: dict[str, Any]) -> Scene:
        return _scene(raw)

    def user_says(
        self,
        chat_id: int,
        user_id: int,
        text: str,
        *,
        private: bool = True,
        forum: bool = False,
        thread_id: int | None = None,
        reply_to: int | None = None,
        photo: bytes | None = None,
        document: tuple[str, str, bytes] | None = None,
        quote: str | None = None,
        forwarded_from: str | None = None,
        sent_as: str = "document",
        seconds: int = 0,
    ) -> int:
        """A person writes; the message's id. `document` is name, content type, bytes, and `sent_as`
        may be `audio`, `voice` or `video_note`, which last `seconds`. `forum`: the chat has topics.
        `forwarded_from`: the name of whoever wrote what is only passed on."""
        canaries.said(text)
        picture = None if photo is None else base64.b64encode(photo).decode()
        place = {
            "private": private,
            "forum": forum,
            "thread_id": thread_id,
            "reply_to": reply_to,
            "quote": quote,
            "forwarded_from": forwarded_from,
            "sent_as": sent_as,
            "seconds": seconds,
        }
        return int(
            self._do(
                "says",
                chat_id=chat_id,
                user_id=user_id,
                text=text,
                photo=picture,
                document=encoded(document),
                **place,
            )
        )

    def user_says_album(
        self, chat_id: int, user_id: int, photos: list[bytes], *captions: str, private: bool = True
    ) -> list[int]:
        """Photos sent together, with a caption each as far as they reach; their message ids."""
        encoded = [base64.b64encode(one).decode() for one in photos]
        made: list[int] = self._do(
            "says_album",
            chat_id=chat_id,
            user_id=user_id,
            photos=encoded,
            captions=captions,
            private=private,
        )
        return made

    def user_edits(self, chat_id: int, message_id: int, text: str) -> None:
        self._do("edits", chat_id=chat_id, message_id=message_id, text=text)

    def stop_draft(self, chat_id: int) -> None:
        """A person touches the stop sign of the draft that grows in the chat."""
        self._do("stop_draft", chat_id=chat_id)

    def admin(self, chat_id: int, user_id: int) -> None:
        self._do("admin", chat_id=chat_id, user_id=user_id)

    def age(self, chat_id: int, message_id: int, hours: float) -> None:
        """A message was sent so long ago. Bots can delete none that is older than two days."""
        self._do("age", chat_id=chat_id, message_id=message_id, hours=hours)

    def press(self, chat_id: int, message_id: int, button: str, user_id: int) -> str:
        """A person presses a button, named by its label or its data; the id of the press."""
        return str(
            self._do(
                "press", chat_id=chat_id, message_id=message_id, button=button, user_id=user_id
            )
        )

    def fault(self, method: str, kind: str, **more: Any) -> None:
        """See `Fault` and its `Kind`."""
        self._do("fault", method=method, kind=kind, **more)

    def again(self) -> None:
        """The last update comes a second time."""
        self._do("again")

    def open(self, chat_id: int) -> None:
        """A private chat in which a person has once written."""
        self._do("open", chat_id=chat_id)

    def block(self, chat_id: int, blocked: bool = True) -> None:
        self._do("block", chat_id=chat_id, blocked=blocked)

    def delete(self, chat_id: int, message_id: int) -> None:
        self._do("delete", chat_id=chat_id, message_id=message_id)

    def move(self, chat_id: int, to: int) -> None:
        self._do("move", chat_id=chat_id, to=to)

    def settings(self, **given: Any) -> None:
        """`privacy`, `username`, `drafts` (does this Bot API know them), `webhook` (an address),
        `webhook_to` (where its server really listens), `paced` (does the flood control work),
        `conflict_seconds` (a second conflict within that time is told so late)."""
        self._do("settings", **given)

    def push(self, kind: str, body: dict[str, Any], update_id: int | None = None) -> int:
        """A raw update; its id."""
        return int(self._do("push", kind=kind, body=body, update_id=update_id))

    def away(self, away: bool = True) -> None:
        """Telegram can't be reached at all, or can again; works when the control port is another
        one."""
        self._do("away", away=away)

    def content(self, file: SeenFile) -> bytes:
        return self._http.get(f"/_fake/files/{file.id}").raise_for_status().content

    def messages(self, chat_id: int) -> list[SeenMessage]:
        return [one for one in self.scene().messages if one.chat_id == chat_id]

    async def polling(self, seconds: float = 15) -> None:
        """The bot has begun to ask for updates."""
        await self.until(lambda scene: scene.calls_of("getUpdates"), seconds)

    async def message(
        self, chat_id: int, containing: str = "", *, kind: str | None = None, seconds: float = 15
    ) -> SeenMessage:
        """The newest message of the bot in a chat that shows the text."""

        def find(scene: Scene) -> SeenMessage | None:
            fits = [
                one
                for one in scene.by_bot(chat_id)
                if containing in one.text and kind in (None, one.kind)
            ]
            return fits[-1] if fits else None

        return await self.until(find, seconds)


def _scene(raw: dict[str, Any]) -> Scene:
    return Scene(
        version=raw["version"],
        messages=[_message(one) for one in raw["messages"] if not one["deleted"]],
        calls=[picked(SeenCall, one) for one in raw["calls"]],
        presses={one["id"]: picked(SeenPress, one) for one in raw["presses"]},
        actions=[(one[0], one[1], one[2]) for one in raw["actions"]],
        commands=raw["commands"],
        about=raw["about"],
        drafts=[picked(SeenDraft, one) for one in raw["drafts"]],
        waiting_updates=raw["waiting_updates"],
        ignored_floods=raw["ignored_floods"],
        faults_left=raw["faults_left"],
    )


def _message(raw: dict[str, Any]) -> SeenMessage:
    files = {
        name: None if raw[name] is None else picked(SeenFile, raw[name])
        for name in ("file", "thumbnail")
    }
    return picked(SeenMessage, {**raw, **files})
