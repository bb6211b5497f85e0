"""The methods of the Bot API that show something, each from its parameters to what `result` holds.
The others are in `telegram_about`."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes.telegram_bot_methods import About
from tests.fakes.telegram_checks import TEXT_UNITS, Params, check_entities, check_photo, units
from tests.fakes.telegram_world import Chat, Draft, Message, Refused

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content"
    " and reply markup of the message"
)
CHAT_ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
}
DELETABLE_SECONDS = 48 * 3600


class Methods(About):
    def find(self, method: str) -> Callable[[Params], Awaitable[Any]]:
        name = re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), method)
        found: Callable[[Params], Awaitable[Any]] | None = getattr(self, f"do_{name}", None)
        if found is None or (method == "sendMessageDraft" and not self.world.drafts):
            raise Refused(404, "Not Found: method not found")
        return found

    async def do_send_message(self, params: Params) -> Any:
        chat, common = self._target(params)
        asks = params.asks()
        return self._send(
            chat,
            **common,
            kind="text",
            text=params.text(),
            entities=params.values.get("entities") or [],
            asks=asks,
        )

    async def do_send_message_draft(self, params: Params) -> bool:
        chat = self.world.writable(params.number("chat_id"), params.thread())
        if chat.type != "private":
            raise Refused(400, "Bad Request: PEER_ID_INVALID")
        if not params.number("draft_id"):
            raise Refused(400, "Bad Request: invalid draft identifier specified")
        text, entities = params.plain("text"), params.values.get("entities") or []
        if units(text) > TEXT_UNITS:
            raise Refused(400, "Bad Request: message is too long")
        check_entities(entities, text)
        draft = Draft(
            chat.id,
            params.number("draft_id"),
            text,
            entities,
            params.thread(),
            params.flag("can_stop"),
        )
        self.world.shown_drafts.append(draft)
        self.world.touch()
        return True

    async def do_send_photo(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(
            chat, **common, **self._photo(params, params.named_upload("photo"), params.values)
        )

    async def do_send_video(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(
            chat,
            **common,
            **self._video(params, params.named_upload("video"), params.values, params.thumbnail()),
        )

    async def do_send_document(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(
            chat,
            **common,
            **self._document(
                params, params.named_upload("document"), params.values, params.thumbnail()
            ),
        )

    async def do_send_voice(self, params: Params) -> Any:
        """Only Ogg with Opus, MP3 and M4A are voices; anything else arrives as a document."""
        chat, common = self._target(params)
        upload = params.named_upload("voice")
        return self._send(chat, **common, **self._sound(params, upload, "voice"))

    async def do_send_audio(self, params: Params) -> Any:
        chat, common = self._target(params)
        upload = params.named_upload("audio")
        return self._send(chat, **common, **self._sound(params, upload, "audio"))

    def _sound(self, params: Params, upload: Any, kind: str) -> dict[str, Any]:
        head = upload.data[:64]
        opus = head.startswith(b"OggS") and b"OpusHead" in head
        if not (opus or head.startswith((b"ID3", b"\xff\xfb")) or head[4:8] == b"ftyp"):
            kind = "document"
        length = params.values.get("duration")
        return {
            "file": self.world.keep(upload, kind),
            "duration": int(float(length)) if length else 0,
        } | self._captioned(kind, params, params.values)

    async def do_send_media_group(self, params: Params) -> Any:
        chat, common = self._target(params)
        media = params.values.get("media")
        if not isinstance(media, list) or not 2 <= len(media) <= 10:
            raise Refused(400, "Bad Request: group of media must include 2-10 items")
        kinds = {item.get("type") for item in media}
        if not (kinds <= {"photo", "video"} or kinds == {"document"}):
            raise Refused(400, "Bad Request: documents can't be mixed with other media types")
        fields = [self._item(params, item) for item in media]
        album = f"album{media[0]['media']}{next(self.world.numbers)}"
        return [self._send(chat, **common, **one, album=album) for one in fields]

    def _item(self, params: Params, item: dict[str, Any]) -> dict[str, Any]:
        upload = params.upload(item.get("media"), item["type"])
        if item["type"] == "photo":
            return self._photo(params, upload, item)
        if item["type"] == "video":
            return self._video(params, upload, item, params.thumbnail(item))
        return self._document(params, upload, item, params.thumbnail(item))

    def _document(
        self, params: Params, upload: Any, values: dict[str, Any], thumbnail: Any
    ) -> dict[str, Any]:
        return {
            "file": self.world.keep(upload, "document"),
            "thumbnail": thumbnail,
        } | self._captioned("document", params, values)

    @staticmethod
    def _captioned(kind: str, params: Params, values: dict[str, Any]) -> dict[str, Any]:
        spoiler = str(values.get("has_spoiler", "false")).lower() == "true"
        return {
            "kind": kind,
            "text": params.caption(values),
            "entities": values.get("caption_entities") or [],
            "spoiler": spoiler,
        }

    def _photo(self, params: Params, upload: Any, values: dict[str, Any]) -> dict[str, Any]:
        width, height = check_photo(upload)
        return {
            "file": self.world.keep(upload, "photo"),
            "width": width,
            "height": height,
        } | self._captioned("photo", params, values)

    def _video(
        self, params: Params, upload: Any, values: dict[str, Any], thumbnail: Any
    ) -> dict[str, Any]:
        size = {name: int(float(values.get(name, 0))) for name in ("width", "height", "duration")}
        streaming = str(values.get("supports_streaming", "false")).lower() == "true"
        kept = self.world.keep(upload, "video")
        return {
            "file": kept,
            "thumbnail": thumbnail,
            "streaming": streaming,
            **size,
        } | self._captioned("video", params, values)

    def _target(self, params: Params) -> tuple[Chat, dict[str, Any]]:
        """The chat, and what every send call has: thread, what it answers, keyboard, silence."""
        chat = self.world.writable(params.number("chat_id"), params.thread())
        reply_to: int | None = None
        if wanted := params.values.get("reply_parameters"):
            answered = chat.messages.get(int(wanted["message_id"]))
            if answered is not None and not answered.deleted:
                reply_to = answered.message_id
            elif not wanted.get("allow_sending_without_reply"):
                raise Refused(400, "Bad Request: message to be replied not found")
        silent = params.flag("disable_notification")
        return chat, {
            "thread_id": params.thread(),
            "reply_to": reply_to,
            "keyboard": params.keyboard(),
            "silent": silent,
        }

    def _send(self, chat: Chat, **fields: Any) -> Any:
        return self.world.as_json(
            self.world.store(chat, sender_id=self.world.me()["id"], from_bot=True, **fields)
        )

    async def do_edit_message_text(self, params: Params) -> Any:
        message = self._editable(params)
        if message.kind != "text":
            raise Refused(400, "Bad Request: there is no text in the message to edit")
        return self._edit(
            message, params.text(), params.keyboard(), params.values.get("entities") or []
        )

    async def do_edit_message_caption(self, params: Params) -> Any:
        message = self._editable(params)
        if message.kind == "text":
            raise Refused(400, "Bad Request: there is no caption in the message to edit")
        return self._edit(
            message,
            params.caption(),
            params.keyboard(),
            params.values.get("caption_entities") or [],
        )

    async def do_edit_message_reply_markup(self, params: Params) -> Any:
        message = self._editable(params)
        return self._edit(message, message.text, params.keyboard(), message.entities)

    async def do_edit_message_media(self, params: Params) -> Any:
        message = self._editable(params)
        fields = self._item(params, params.values["media"])
        for name, value in fields.items():
            if name not in ("text", "entities"):
                setattr(message, name, value)
        return self._edit(
            message, fields["text"], params.keyboard(), fields["entities"], media=True
        )

    def _editable(self, params: Params) -> Message:
        chat = self.world.writable(params.number("chat_id"), None)
        message = chat.messages.get(params.number("message_id"))
        if message is None or message.deleted:
            raise Refused(400, "Bad Request: message to edit not found")
        if not message.from_bot:
            raise Refused(400, "Bad Request: message can't be edited")
        return message

    def _edit(
        self,
        message: Message,
        text: str,
        keyboard: list[list[dict[str, Any]]],
        entities: list[dict[str, Any]],
        *,
        media: bool = False,
    ) -> Any:
        if (text, keyboard, entities) == (
            message.text,
            message.keyboard,
            message.entities,
        ) and not media:
            raise Refused(400, NOT_MODIFIED)
        message.history.append((message.text, message.keyboard))
        message.text, message.keyboard, message.entities = text, keyboard, entities
        self.world.touch()
        return self.world.as_json(message)

    async def do_delete_message(self, params: Params) -> bool:
        chat = self.world.writable(params.number("chat_id"), None)
        message = chat.messages.get(params.number("message_id"))
        if message is None or message.deleted:
            raise Refused(400, "Bad Request: message to delete not found")
        if message.date < time.time() - DELETABLE_SECONDS:
            raise Refused(400, "Bad Request: message can't be deleted for everyone")
        message.deleted = True
        self.world.touch()
        return True

    async def do_send_chat_action(self, params: Params) -> bool:
        chat = self.world.writable(params.number("chat_id"), params.thread())
        action = params.plain("action")
        if action not in CHAT_ACTIONS:
            raise Refused(400, "Bad Request: wrong parameter action in request")
        self.world.actions.append((chat.id, params.thread(), action))
        self.world.touch()
        return True
