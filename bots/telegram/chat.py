"""A Telegram chat for the core: carries out the plan of a reply, step by step."""

import time
from contextlib import suppress
from dataclasses import replace

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import ChatMigrated

from bots.core.recent import Recent
from bots.core.types import Address, Doing, Limits, Reply, SendFailed, ShownMessages
from bots.telegram import render
from bots.telegram.calls import Calls, TelegramRefusal
from bots.telegram.hidden_links import below
from bots.telegram.markup import Marked, clean, cut
from bots.telegram.messages import MEMORY, SendTarget, Sent, TelegramMessages

log = structlog.get_logger()

ACTIONS: dict[Doing, ChatAction] = {
    "writing": ChatAction.TYPING,
    # a sign of drawing does not exist; this one shows a picture that is on its way
    "drawing": ChatAction.UPLOAD_PHOTO,
    "filming": ChatAction.RECORD_VIDEO,
    "sending_image": ChatAction.UPLOAD_PHOTO,
    "sending_video": ChatAction.UPLOAD_VIDEO,
}
GROUP_EDIT_SECONDS = 3.0
SLOWER_UNITS = 2_000
"""So many units more, and previews in a group come half as often."""
GENERAL_TOPIC = 1
"""Telegram refuses the general topic's own id: without an id a message goes there."""


class TelegramChat:
    """Every message of one reply is remembered when it is sent: a reply shown again, after a
    failure in its middle, goes on behind it."""

    def __init__(self, bot: Bot, calls: Calls | None = None) -> None:
        self._bot = bot
        self._calls = Calls() if calls is None else calls
        self.messages = TelegramMessages(bot, self._calls)
        self._sent: Recent[str, list[Sent]] = Recent(MEMORY)
        self._notices: Recent[tuple[int, int], None] = Recent(MEMORY)
        self._moved: dict[int, int] = {}

    async def limits_for(self, to: Address) -> Limits:
        return render.LIMITS if to.private else render.GROUP_LIMITS

    async def show(
        self,
        to: Address,
        reply: Reply,
        replacing: ShownMessages | None = None,
        album: tuple[int, ...] = (),
    ) -> ShownMessages:
        """`album`: messages that the replaced one stands below, and goes on pointing at."""
        target = self._target(to, reply, album)
        if replacing is not None and (not replacing.message_ids or reply.ask is not None):
            replacing = None
        if replacing is not None and reply.preview and self._too_soon(target):
            return replacing
        try:
            return await self._show(target, reply, replacing)
        except ChatMigrated as moved:
            # the old chat took nothing, and its messages can't be edited in the new one
            self._moved[target.chat_id] = moved.new_chat_id
            target, replacing = replace(target, chat_id=moved.new_chat_id, reply_to=None), None
        except TelegramRefusal as refused:
            if target.thread_id is None or refused.reason != "topic_gone":
                raise
            target = replace(target, thread_id=None, reply_to=None)
        return await self._show(target, reply, replacing)

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        target = self._target(to, Reply(""))
        if self._calls.limits.quiet(target.chat_id):
            return
        with suppress(ChatMigrated):
            await self._calls.make(
                self._bot.send_chat_action,
                target.chat_id,
                action=ACTIONS[doing],
                message_thread_id=target.thread_id,
                cost=0,
            )

    async def _show(
        self, target: SendTarget, reply: Reply, replacing: ShownMessages | None
    ) -> ShownMessages:
        if reply.gone:
            return await self._take_away(target, reply, replacing)
        notice = self._notice(target, replacing)
        if notice is not None:
            replacing = None
        drafts = not target.public and target.chat_id not in self.messages.draftless
        planned = render.plan(
            reply, replacing, self._bot.username, public=target.public, drafts=drafts
        )
        key = _key(target, reply, replacing)
        sent = [] if key is None else self._sent.pop(key, [])
        try:
            for position, step in enumerate(planned.steps):
                earlier = sent[position] if position < len(sent) else None
                last = position == len(planned.steps) - 1
                what = self._pointing(step, target, planned, sent) if last else step
                if reply.idle and isinstance(what, render.TextStep):
                    what = replace(what, idle=True)
                # messages that belong together ring once
                where = target if position == 0 else replace(target, reply_to=None, quiet=True)
                sent[position : position + 1] = [await self.messages.take(where, what, earlier)]
        except SendFailed as failed:
            if key is not None and not failed.final:
                self._sent[key] = sent
            raise
        if key is not None and replacing is None:
            self._sent[key] = sent  # the same reply may be shown a second time
        for message_id in (*planned.obsolete, *(() if notice is None else (notice,))):
            await self._delete(target.chat_id, message_id)
        sent = sent[: len(planned.steps)]
        shown = [one for each in sent for one in each.message_ids]
        if reply.notice:
            self._notices[target.chat_id, shown[0]] = None
        return ShownMessages(
            tuple(map(str, shown)), tuple(one for each in sent for one in each.refs)
        )

    def _pointing(
        self, step: render.Step, target: SendTarget, planned: render.SendPlan, sent: list[Sent]
    ) -> render.Step:
        """The step, whose text points at the album above it."""
        album = target.album or tuple(
            one
            for earlier, each in zip(planned.steps, sent, strict=False)
            if isinstance(earlier, render.AlbumStep)
            for one in each.message_ids
        )
        if not album or not isinstance(step, render.TextStep):
            return step
        return replace(step, words=below(step.words, album, self._bot.username))

    async def _take_away(
        self, target: SendTarget, reply: Reply, replacing: ShownMessages | None
    ) -> ShownMessages:
        """Delete the shown messages. One that can't be deleted gets the reply's text."""
        for message_id in () if replacing is None else map(render.number, replacing.message_ids):
            words = next(cut(Marked(clean(reply.text)), render.LIMITS.caption), Marked(""))
            await self.messages.take_away(target.chat_id, message_id, words)
        return ShownMessages(())

    async def _delete(self, chat_id: int, message_id: int) -> None:
        """Delete a message whose successor is shown already: if it stays behind, that is no
        failure."""
        try:
            await self.messages.delete(chat_id, message_id)
        except SendFailed as failure:
            log.info("message_left", reason=str(failure))

    def _target(self, to: Address, reply: Reply, album: tuple[int, ...] = ()) -> SendTarget:
        thread = None if to.thread_id is None else render.number(to.thread_id)
        chat_id = render.number(to.chat_id)
        return SendTarget(
            chat_id=self._moved.get(chat_id, chat_id),
            thread_id=None if thread == GENERAL_TOPIC else thread,
            reply_to=None if to.message_id is None else render.number(to.message_id),
            quiet=reply.quiet or (reply.secret and not to.private),
            public=not to.private,
            album=album if not reply.fresh else (),
        )

    def _notice(self, target: SendTarget, shown: ShownMessages | None) -> int | None:
        """The shown message, if it is a notice. It is replaced by a new message, because an edit
        makes no sound, and an awaited answer should."""
        message_id = None if shown is None else render.number(shown.message_ids[0])
        return message_id if (target.chat_id, message_id) in self._notices else None

    def _too_soon(self, target: SendTarget) -> bool:
        at, units = self.messages.changed(target.chat_id)
        pause = GROUP_EDIT_SECONDS * (1 + units / SLOWER_UNITS)
        return target.public and time.monotonic() < at + pause


def _key(target: SendTarget, reply: Reply, replacing: ShownMessages | None) -> str | None:
    """A name for the shown reply, by which a second try is recognised."""
    if replacing is not None:
        return f"{target.chat_id}/{'+'.join(replacing.message_ids)}"
    if reply.nonce is None or reply.preview:
        return None
    return f"{target.chat_id}/{target.thread_id}/{reply.nonce}"
