"""Methods of the fake's Bot API that show nothing in a chat: who the bot is, how it gets updates,
who may do what."""

import asyncio
import re
import time
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.telegram_checks import Params
from tests.fakes.telegram_world import Refused, World, person

WEBHOOK_PORTS = (None, 443, 80, 88, 8443)


class About:
    def __init__(self, world: World) -> None:
        self.world = world
        self._poll: asyncio.Future[str] | None = None
        self._next_conflict = 0.0

    async def do_get_me(self, _: Params) -> Any:
        return self.world.me()

    async def do_set_webhook(self, params: Params) -> bool:
        url = urlsplit(params.plain("url"))
        if url.scheme != "https" or not url.hostname:
            raise Refused(
                400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"
            )
        if url.port not in WEBHOOK_PORTS:
            raise Refused(
                400,
                "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
            )
        self._end_poll("Conflict: terminated by setWebhook request")
        self.world.webhook, self.world.webhook_secret = (
            params.plain("url"),
            params.plain("secret_token"),
        )
        if "allowed_updates" in params.values:
            self.world.allowed = params.values["allowed_updates"]
        self.world.touch()
        return True

    async def do_delete_webhook(self, _: Params) -> bool:
        self.world.webhook = ""
        return True

    async def do_get_webhook_info(self, _: Params) -> Any:
        return {
            "url": self.world.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.updates),
        }

    async def do_get_updates(self, params: Params) -> Any:
        world = self.world
        if world.webhook:
            raise await self._conflict(
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook "
                "to delete the webhook first"
            )
        if "allowed_updates" in params.values:
            world.allowed = params.values["allowed_updates"]
        offset, limit = params.number("offset", 0), params.number("limit", 100)
        world.updates = [update for update in world.updates if update["update_id"] >= offset]
        self._end_poll(
            "Conflict: terminated by other getUpdates request; make sure that only one bot "
            "instance is running"
        )
        mine = self._poll = asyncio.get_running_loop().create_future()
        until = time.monotonic() + params.number("timeout", 0)
        try:
            await self._updates(mine, until)
        finally:
            if self._poll is mine:
                self._poll = None
        return world.updates[: min(100, limit)]

    async def _updates(self, ended: "asyncio.Future[str]", until: float) -> None:
        """Returns when there are updates or the time is over; another poller ends this one."""
        while not self.world.updates and (left := until - time.monotonic()) > 0:
            change = asyncio.ensure_future(self.world.changed.wait())
            waiting: set[asyncio.Future[Any]] = {ended, change}
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if ended.done():
                raise await self._conflict(ended.result())

    def _end_poll(self, said: str) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(said)

    async def _conflict(self, said: str) -> Refused:
        """As the Bot API server: the first conflict is told at once, those that follow soon are
        told late, so that nobody asks faster and faster."""
        now = time.monotonic()
        if now >= self._next_conflict:
            self._next_conflict = now + self.world.conflict_seconds
        else:
            await asyncio.sleep(self.world.conflict_seconds)
        return Refused(409, said)

    async def do_set_my_commands(self, params: Params) -> bool:
        commands = params.values.get("commands") or []
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", str(one.get("command", ""))):
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(str(one.get("description", ""))) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        if len(commands) > 100:
            raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        self.world.commands[_scope(params)] = commands
        self.world.touch()
        return True

    async def do_get_my_commands(self, params: Params) -> Any:
        return self.world.commands.get(_scope(params), [])

    async def do_set_my_description(self, params: Params) -> bool:
        return self._describe("description", params, 512)

    async def do_get_my_description(self, params: Params) -> Any:
        return {
            "description": self.world.about.get(f"description:{params.plain('language_code')}", "")
        }

    async def do_set_my_short_description(self, params: Params) -> bool:
        return self._describe("short_description", params, 120)

    async def do_get_my_short_description(self, params: Params) -> Any:
        return {
            "short_description": self.world.about.get(
                f"short_description:{params.plain('language_code')}", ""
            )
        }

    def _describe(self, name: str, params: Params, limit: int) -> bool:
        if len(params.plain(name)) > limit:
            raise Refused(400, f"Bad Request: {name} is too long")
        self.world.about[f"{name}:{params.plain('language_code')}"] = params.plain(name)
        self.world.touch()
        return True

    async def do_get_chat_member(self, params: Params) -> Any:
        chat = self.world.writable(params.number("chat_id"), None)
        user_id = params.number("user_id")
        if user_id not in chat.admins:
            return {"status": "member", "user": person(user_id)}
        rights = dict.fromkeys(
            (
                *(
                    "can_be_edited",
                    "is_anonymous",
                    "can_manage_chat",
                    "can_manage_video_chats",
                    "can_restrict_members",
                ),
                *(
                    "can_promote_members",
                    "can_change_info",
                    "can_invite_users",
                    "can_post_stories",
                    "can_edit_stories",
                ),
                "can_delete_stories",
            ),
            False,
        )
        return {
            "status": "administrator",
            "user": person(user_id),
            "can_delete_messages": True,
            **rights,
        }

    async def do_answer_callback_query(self, params: Params) -> bool:
        press = self.world.presses.get(params.plain("callback_query_id"))
        if press is None or press.answered is not None:
            raise Refused(
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
            )
        if len(params.plain("text")) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        press.answered, press.answered_after = (
            params.plain("text"),
            time.monotonic() - press.pressed_at,
        )
        press.alert = params.flag("show_alert")
        self.world.touch()
        return True

    async def do_get_file(self, params: Params) -> Any:
        upload = self.world.files.get(params.plain("file_id"))
        if upload is None:
            raise Refused(400, "Bad Request: invalid file_id")
        if len(upload.data) > 20_000_000:
            raise Refused(400, "Bad Request: file is too big")
        return {
            "file_id": upload.id,
            "file_unique_id": f"u{upload.id}",
            "file_size": len(upload.data),
            "file_path": upload.path,
        }


def _scope(params: Params) -> str:
    scope = (params.values.get("scope") or {}).get("type", "default")
    return f"{scope}:{params.plain('language_code')}"
