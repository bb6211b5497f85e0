"""The actions of people on the fake Telegram, and the settings of its behaviour."""

import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from aiohttp import web

from tests.fakes.control_base import Action, FakeControl, decoded
from tests.fakes.telegram_faults import Faults
from tests.fakes.telegram_server import BotApiServer
from tests.fakes.telegram_world import (
    Message,
    Press,
    Upload,
    World,
    found_entities,
    person,
    picture_size,
)

Listen = Callable[[bool], Awaitable[None]]


SETTINGS = {"privacy", "username", "drafts", "webhook", "webhook_to", "conflict_seconds"}


class Control(FakeControl):
    """`listen` opens and closes the port that the bot talks to."""

    def __init__(self, world: World, faults: Faults, server: BotApiServer, listen: Listen) -> None:
        super().__init__(world)
        self.world = world
        self.faults = faults
        self.server = server
        self.listen = listen

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/_fake/files/{id}", self.file), *super().routes()]

    def snapshot(self) -> dict[str, Any]:
        world = self.world
        return {
            "version": world.version,
            "messages": [
                _seen(one) for chat in world.chats.values() for one in chat.messages.values()
            ],
            "calls": [one.as_json() for one in self.server.calls],
            "presses": [asdict(one) for one in world.presses.values()],
            "actions": world.actions,
            "commands": world.commands,
            "about": world.about,
            "drafts": [asdict(one) for one in world.shown_drafts],
            "waiting_updates": [one["update_id"] for one in world.updates],
            "ignored_floods": self.faults.ignored,
            "faults_left": self.faults.left(),
        }

    async def file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.world.files[request.match_info["id"]].data)

    @property
    def actions(self) -> Mapping[str, Action]:
        return {
            "says": self.says,
            "says_album": self.says_album,
            "edits": self.edits,
            "stop_draft": self.stop_draft,
            "admin": self.admin,
            "age": self.age,
            "press": self.press,
            "fault": self.faults.add,
            "clear": self.faults.clear,
            "forget": self.forget,
            "again": self.world.again,
            "block": self.block,
            "delete": self.delete,
            "move": self.move,
            "settings": self.settings,
            "push": self.world.push,
            "away": self.away,
            "open": self.open,
        }

    def says(
        self,
        chat_id: int,
        user_id: int,
        text: str,
        private: bool = True,
        forum: bool = False,
        thread_id: int | None = None,
        reply_to: int | None = None,
        photo: str | None = None,
        document: dict[str, str] | None = None,
        quote: str = "",
        forwarded_from: str | None = None,
        album: str | None = None,
        sent_as: str = "document",
        seconds: int = 0,
    ) -> int:
        """A person writes; the message's id. Whether the bot gets to know it is up to privacy mode,
        as on Telegram."""
        chat = self.world.open_chat(chat_id, private, forum or thread_id is not None)
        if thread_id is not None:
            chat.threads.add(thread_id)
        kind, fields = "text", {}
        if photo is not None:
            kind, fields = "photo", self._photo(base64.b64decode(photo))
        elif document is not None:
            upload = Upload(*decoded(document))
            kind = sent_as
            fields = {"file": self.world.keep(upload, sent_as), "duration": seconds}
        message = self.world.store(
            chat,
            sender_id=user_id,
            from_bot=False,
            kind=kind,
            text=text,
            entities=found_entities(text),
            thread_id=thread_id,
            reply_to=reply_to,
            quote=quote,
            forwarded_from=forwarded_from,
            album=album,
            **fields,
        )
        if self._reaches(message, private):
            self.world.push("message", self.world.as_json(message))
        return message.message_id

    def says_album(
        self,
        chat_id: int,
        user_id: int,
        photos: list[str],
        captions: list[str],
        private: bool = True,
    ) -> list[int]:
        """Photos sent together: a message for each, with its caption."""
        album = f"album{next(self.world.numbers)}"
        return [
            self.says(chat_id, user_id, caption, private, photo=photo, album=album)
            for photo, caption in zip_longest(photos, captions, fillvalue="")
        ]

    def edits(self, chat_id: int, message_id: int, text: str) -> None:
        """A person changes what they wrote."""
        message = self.world.chats[chat_id].messages[message_id]
        message.text, message.entities = text, found_entities(text)
        self.world.push(
            "edited_message", self.world.as_json(message) | {"edit_date": int(time.time())}
        )

    def stop_draft(self, chat_id: int) -> None:
        """A person touches the stop sign of the draft that grows in the chat."""
        draft = next(
            (one for one in reversed(self.world.shown_drafts) if one.chat_id == chat_id), None
        )
        if draft is None or not draft.can_stop:
            raise LookupError("no draft with a stop sign")
        self.world.push(
            "stopped_message_generation",
            {"chat": self.world.chats[chat_id].brief(), "draft_id": draft.draft_id},
        )

    def admin(self, chat_id: int, user_id: int) -> None:
        """A person may from now on delete what others write in a group."""
        self.world.chats[chat_id].admins.add(user_id)

    def age(self, chat_id: int, message_id: int, hours: float) -> None:
        """A message was sent so long ago."""
        self.world.chats[chat_id].messages[message_id].date -= int(hours * 3600)

    def _photo(self, data: bytes) -> dict[str, Any]:
        size = picture_size(data)
        if size is None:
            raise ValueError("a photo must be a picture")
        return {
            "file": self.world.keep(Upload("photo.jpg", "image/jpeg", data), "photo"),
            "width": size[0],
            "height": size[1],
        }

    def _reaches(self, message: Message, private: bool) -> bool:
        """With privacy mode on, a bot in a group gets commands and replies to itself, nothing
        else."""
        if private or not self.world.privacy:
            return True
        answered = self.world.chats[message.chat_id].messages.get(message.reply_to or 0)
        return message.text.startswith("/") or (answered is not None and answered.from_bot)

    def press(self, chat_id: int, message_id: int, button: str, user_id: int) -> str:
        """A person presses a button, named by its label or its data; the id of the press."""
        message = self.world.chats[chat_id].messages[message_id]
        found = next(
            (
                one
                for row in message.keyboard
                for one in row
                if button in (one["text"], one.get("callback_data")) and not message.deleted
            ),
            None,
        )
        if found is None or "callback_data" not in found:
            raise LookupError(f"no button {button!r} on message {message_id}")
        made = Press(
            f"press{len(self.world.presses) + 1}", 0, found["callback_data"], time.monotonic()
        )
        self.world.presses[made.id] = made
        query = {
            "id": made.id,
            "from": person(user_id),
            "message": self.world.as_json(message),
            "chat_instance": str(chat_id),
            "data": made.data,
        }
        made.update_id = self.world.push("callback_query", query)
        return made.id

    def forget(self) -> None:
        """Everybody leaves with all that was written, and no fault or call is remembered."""
        self.faults.clear()
        self.server.calls.clear()
        self.world.forget()

    def block(self, chat_id: int, blocked: bool = True) -> None:
        self.world.chats[chat_id].blocked = blocked

    def delete(self, chat_id: int, message_id: int) -> None:
        """A person deletes a message, their own or the bot's."""
        self.world.chats[chat_id].messages[message_id].deleted = True

    def move(self, chat_id: int, to: int) -> None:
        """A group becomes a supergroup with a new id."""
        self.world.open_chat(to, private=False)
        before, after = (self.world.chats[one] for one in (chat_id, to))
        before.moved_to = to
        for chat, facts in (
            (before, {"migrate_to_chat_id": to}),
            (after, {"migrate_from_chat_id": chat_id}),
        ):
            said = self.world.store(chat, sender_id=1, from_bot=False, kind="moved", text="")
            self.world.push("message", self.world.as_json(said) | facts)

    def settings(self, **given: Any) -> None:
        """`paced`, `speed` (so many times faster the flood control lets calls through from now on),
        and those in `SETTINGS`; `webhook` is an address: polling is refused until it is deleted."""
        for name, value in given.items():
            if name == "paced":
                self.faults.paced = value
            elif name == "speed":
                for rate in (self.faults.private, self.faults.group, self.faults.everywhere):
                    rate.seconds /= value
            elif name in SETTINGS:
                setattr(self.world, name, value)
            else:
                raise ValueError(f"no setting {name}")

    def open(self, chat_id: int) -> None:
        """A person has once written in this private chat."""
        self.world.open_chat(chat_id, private=True)

    async def away(self, away: bool) -> None:
        """Telegram can't be reached: when this is answered its port is closed. Call it on the
        control port."""
        await self.listen(not away)


def _seen(message: Message) -> dict[str, Any]:
    fields = {
        name: getattr(message, name)
        for name in Message.__dataclass_fields__
        if name not in ("file", "thumbnail")
    }
    return fields | {"file": _brief(message.file), "thumbnail": _brief(message.thumbnail)}


def _brief(upload: Upload | None) -> dict[str, Any] | None:
    if upload is None:
        return None
    return {
        "id": upload.id,
        "name": upload.name,
        "content_type": upload.content_type,
        "size": len(upload.data),
    }
