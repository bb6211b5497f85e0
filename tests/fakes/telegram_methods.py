"""The methods of the Bot API that the fake knows, each from its parameters to what `result` holds."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes.telegram_checks import Params, check_photo
from tests.fakes.telegram_world import Chat, Message, Refused, World

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content"
    " and reply markup of the message"
)
CHAT_ACTIONS = {"typing", "upload_photo", "record_video", "upload_video", "upload_document"}


class Methods:
    def __init__(self, world: World) -> None:
        self.world = world
        self._poll: asyncio.Event | None = None

    def find(self, method: str) -> Callable[[Params], Awaitable[Any]]:
        name = re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), method)
        found: Callable[[Params], Awaitable[Any]] | None = getattr(self, f"do_{name}", None)
        if found is None:
            raise Refused(404, "Not Found: method not found")
        return found

    async def do_get_me(self, _: Params) -> Any:
        return self.world.me()

    async def do_delete_webhook(self, _: Params) -> bool:
        self.world.webhook = ""
        return True

    async def do_get_webhook_info(self, _: Params) -> Any:
        return {"url": self.world.webhook, "has_custom_certificate": False, "pending_update_count": len(self.world.updates)}

    async def do_get_updates(self, params: Params) -> Any:
        world = self.world
        if world.webhook:
            raise Refused(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
        if "allowed_updates" in params.values:
            world.allowed = params.values["allowed_updates"]
        offset, limit = params.number("offset", 0), params.number("limit", 100)
        world.updates = [update for update in world.updates if update["update_id"] >= offset]
        if self._poll is not None:
            self._poll.set()
        mine = self._poll = asyncio.Event()
        until = time.monotonic() + params.number("timeout", 0)
        try:
            await self._updates(mine, until)
        finally:
            if self._poll is mine:
                self._poll = None
        return world.updates[:limit]

    async def _updates(self, replaced: asyncio.Event, until: float) -> None:
        """Returns when there are updates or the time is over; another poller ends this one."""
        gone = asyncio.create_task(replaced.wait())
        try:
            while not self.world.updates and (left := until - time.monotonic()) > 0:
                change = asyncio.create_task(self.world.changed.wait())
                await asyncio.wait({gone, change}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                if replaced.is_set():
                    raise Refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
        finally:
            gone.cancel()

    async def do_set_my_commands(self, params: Params) -> bool:
        commands = params.values.get("commands") or []
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", str(one.get("command", ""))):
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(str(one.get("description", ""))) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        if len(commands) > 100:
            raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        scope = (params.values.get("scope") or {}).get("type", "default")
        self.world.commands[f"{scope}:{params.plain('language_code')}"] = commands
        self.world.touch()
        return True

    async def do_send_message(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(chat, **common, kind="text", text=params.text(), entities=params.values.get("entities") or [])

    async def do_send_photo(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(chat, **common, **self._photo(params, params.named_upload("photo"), params.values))

    async def do_send_video(self, params: Params) -> Any:
        chat, common = self._target(params)
        return self._send(chat, **common, **self._video(params, params.named_upload("video"), params.values, params.thumbnail()))

    async def do_send_document(self, params: Params) -> Any:
        chat, common = self._target(params)
        upload = self.world.keep(params.named_upload("document"))
        return self._send(chat, **common, kind="document", text=params.caption(), file=upload, thumbnail=params.thumbnail())

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
        upload = params.upload(item.get("media"))
        if item["type"] == "photo":
            return self._photo(params, upload, item)
        if item["type"] == "video":
            return self._video(params, upload, item, params.thumbnail(item))
        return {"kind": "document", "text": params.caption(item), "file": self.world.keep(upload)}

    def _photo(self, params: Params, upload: Any, values: dict[str, Any]) -> dict[str, Any]:
        width, height = check_photo(upload)
        return {"kind": "photo", "text": params.caption(values), "file": self.world.keep(upload), "width": width, "height": height}

    def _video(self, params: Params, upload: Any, values: dict[str, Any], thumbnail: Any) -> dict[str, Any]:
        size = {name: int(float(values.get(name, 0))) for name in ("width", "height", "duration")}
        streaming = str(values.get("supports_streaming", "false")).lower() == "true"
        kept = self.world.keep(upload)
        return {"kind": "video", "text": params.caption(values), "file": kept, "thumbnail": thumbnail, "streaming": streaming, **size}

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
        return chat, {"thread_id": params.thread(), "reply_to": reply_to, "keyboard": params.keyboard(), "silent": silent}

    def _send(self, chat: Chat, **fields: Any) -> Any:
        return self.world.as_json(self.world.store(chat, sender_id=self.world.me()["id"], from_bot=True, **fields))

    async def do_edit_message_text(self, params: Params) -> Any:
        message = self._editable(params)
        if message.kind != "text":
            raise Refused(400, "Bad Request: there is no text in the message to edit")
        return self._edit(message, params.text(), params.keyboard())

    async def do_edit_message_caption(self, params: Params) -> Any:
        message = self._editable(params)
        if message.kind == "text":
            raise Refused(400, "Bad Request: there is no caption in the message to edit")
        return self._edit(message, params.caption(), params.keyboard())

    async def do_edit_message_reply_markup(self, params: Params) -> Any:
        message = self._editable(params)
        return self._edit(message, message.text, params.keyboard())

    def _editable(self, params: Params) -> Message:
        chat = self.world.writable(params.number("chat_id"), None)
        message = chat.messages.get(params.number("message_id"))
        if message is None or message.deleted:
            raise Refused(400, "Bad Request: message to edit not found")
        if not message.from_bot:
            raise Refused(400, "Bad Request: message can't be edited")
        return message

    def _edit(self, message: Message, text: str, keyboard: list[list[dict[str, Any]]]) -> Any:
        if (text, keyboard) == (message.text, message.keyboard):
            raise Refused(400, NOT_MODIFIED)
        message.history.append((message.text, message.keyboard))
        message.text, message.keyboard = text, keyboard
        self.world.touch()
        return self.world.as_json(message)

    async def do_delete_message(self, params: Params) -> bool:
        chat = self.world.writable(params.number("chat_id"), None)
        message = chat.messages.get(params.number("message_id"))
        if message is None or message.deleted:
            raise Refused(400, "Bad Request: message to delete not found")
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

    async def do_answer_callback_query(self, params: Params) -> bool:
        press = self.world.presses.get(params.plain("callback_query_id"))
        if press is None:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if len(params.plain("text")) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        press.answered, press.answered_after = params.plain("text"), time.monotonic() - press.pressed_at
        self.world.touch()
        return True

    async def do_get_file(self, params: Params) -> Any:
        upload = self.world.files.get(params.plain("file_id"))
        if upload is None:
            raise Refused(400, "Bad Request: invalid file_id")
        if len(upload.data) > 20_000_000:
            raise Refused(400, "Bad Request: file is too big")
        return {"file_id": upload.id, "file_unique_id": f"u{upload.id}", "file_size": len(upload.data), "file_path": upload.path}
