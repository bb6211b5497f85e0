"""The way from a person's message to the replies that the chat shows."""

import asyncio
import hashlib
from contextlib import aclosing, suppress
from dataclasses import replace

import structlog

from bots.core import language, places, texts
from bots.core.activity import ACTIVITY
from bots.core.cards import closed_card, price_question
from bots.core.commands import COMMANDS, Command, Context, Replies, resolve
from bots.core.commands.joining import ask_button
from bots.core.failure_buttons import of_error
from bots.core.guesses import unknown
from bots.core.metrics import METRICS
from bots.core.options import Mistake
from bots.core.pacing import keep_busy, paced
from bots.core.splitting import split, utf16_units
from bots.core.types import (
    Attachment,
    Inbound,
    Limits,
    Messenger,
    Reply,
    ReplyFile,
    SendFailed,
    ShownMessages,
)
from client import calls
from client.bot import BotApi, Who
from client.errors import ApiError
from client.patience import Waiting
from client.person import UserApi
from client.schemas.generations import CardIn
from telemetry.requests import of_request, request_id
from telemetry.spans import span

log = structlog.get_logger()

SILENT_SECONDS = 4.0
"""A command without a reply by then gets a word that it was heard."""
PATIENCE_SECONDS = 900.0
"""A reply waits no longer in all, however often the platform asks to slow down."""
AGAIN_SECONDS = 2.0
FLOOD_LEAST_SECONDS = 0.5
"""Least wait of a reply that the platform asked to slow down, whatever time it named."""
LAST_WORD_SECONDS = 0.8
TRIES = 3
COPIES = 2
"""Copies of one reply that a chat may show, where a send had an unclear end."""
PARTS_MOST = 5
"""A text of more messages comes as its beginning and a file."""
FILE_SENTENCE = 200


async def answer(
    chat: Messenger, api: BotApi, inbound: Inbound, *, last_word: bool = False
) -> None:
    """Run the command and show its replies, in the sender's language. Raises nothing, except when
    it is cancelled. `last_word`: nobody brings this update again, so an answer that is cancelled
    says so."""
    inbound = cleaned(inbound)
    command = resolve(inbound.command)
    to, pressed = inbound.address, inbound.pressed is not None
    if command is None and not (to.private or pressed or inbound.addressed):
        return  # said to somebody else
    name = command.name if command else None
    with of_request(), span(f"asked {name}", "consumer", platform=to.platform):
        log.info("asked", platform=to.platform, command=name)
        METRICS.asked(to.platform, name)
        await _answer(chat, api, inbound, command, last_word=last_word)


async def _answer(
    chat: Messenger, api: BotApi, inbound: Inbound, command: Command | None, *, last_word: bool
) -> None:
    to, pressed = inbound.address, inbound.pressed is not None
    silent_until = asyncio.get_running_loop().time() + SILENT_SECONDS
    sender, update = inbound.sender, f"{to.platform}:{inbound.update_id}"
    heard = language.chosen(sender.language)
    place = None if inbound.place is None else inbound.place.id
    spoken = heard if sender.language else None
    who = Who(sender.id, sender.name, to.chat_id, update, spoken, place)
    settings = await places.settings_of(api, inbound)
    wanted = None if settings is None else settings.language
    stranger = await api.is_stranger(who)
    limits = await chat.limits_for(to)
    afresh = command is not None and command.afresh
    messages = AnswerMessages(chat, inbound, limits, afresh=afresh)
    if stranger:
        messages.for_stranger()
    with language.speaking(lambda: language.chosen(wanted, api.language(who), heard)):
        refused = places.refusal(inbound, settings)
        if refused is not None:
            messages.for_stranger()
            await messages.show(Reply(refused, secret=True, fresh=pressed))
            return
        if command is None:
            gone = Reply(texts.button_gone(), secret=True, fresh=True)
            await messages.show(gone if pressed else unknown(inbound))
        else:
            context = Context(bot=api, user=UserApi(api, who), commands=COMMANDS, limits=limits)
            safe = _safe(command, inbound, context, messages)
            replies = _heard(safe, inbound, context.user.waiting, silent_until)
            busy = command.slow and not messages.muted
            showing = asyncio.create_task(keep_busy(chat, to)) if busy else None
            await _show_to_the_end(replies, messages, context, showing, last_word=last_word)
        if api.is_new_guest(who):
            about = replace(inbound, update_id=f"{inbound.update_id}:guest", pressed=None)
            greeting = AnswerMessages(chat, about, limits, afresh=True)
            await greeting.show(Reply(texts.guest_now(), secret=True))


async def _show_to_the_end(
    replies: Replies,
    messages: "AnswerMessages",
    context: Context,
    busy: asyncio.Task[None] | None,
    *,
    last_word: bool,
) -> None:
    try:
        await _show_all(replies, messages, context, busy)
    except asyncio.CancelledError:
        if last_word:
            await messages.cut()
        raise
    finally:
        context.user.waiting.close()
        if busy is not None:
            busy.cancel()
            await asyncio.wait({busy})


async def _show_all(
    replies: Replies,
    messages: "AnswerMessages",
    context: Context,
    busy: asyncio.Task[None] | None,
) -> None:
    async with aclosing(paced(replies, context.limits.edit_seconds)) as shown_in_time:
        async for reply in shown_in_time:
            if busy is not None:
                busy.cancel()
            shown = await messages.show(reply)
            if reply.card is not None and shown is not None:
                await _keep_card(context, messages, reply.card, shown)


async def _safe(
    command: Command, inbound: Inbound, context: Context, messages: "AnswerMessages"
) -> Replies:
    """The command's replies, of which a failure is the last. No traceback reaches a chat."""
    fresh = inbound.pressed is not None
    try:
        async with aclosing(command.run(inbound, context)) as replies:
            async for reply in replies:
                yield reply
    except Mistake as mistake:
        yield Reply(str(mistake), secret=True, fresh=fresh)
    except ApiError as error:
        if error.code == "confirm_cost" and error.draft_id is not None and error.cost is not None:
            yield price_question(error.cost, error.draft_id, inbound.sender.id, fresh=fresh)
            return
        if error.code == "not_linked":
            context.bot.forget(context.user.who)
            messages.for_stranger()
        if error.status >= 500 or error.status == 0:
            said = {"code": error.code, "detail": error.detail}
            log.warning("command_failed", command=command.name, **said)
        buttons = of_error(error, replace(inbound, command=command.name))
        if error.code == "not_linked" and not _pressed_in_group(inbound):
            buttons = ask_button()
        sentence = _sentence(error, inbound, context)
        yield Reply(sentence, buttons=buttons, secret=True, fresh=fresh)
    except Exception:
        reference = request_id() or "-"
        log.exception("command_broke", command=command.name)
        yield Reply(texts.unexpected(reference), secret=True, fresh=fresh)


async def _heard(
    replies: Replies, inbound: Inbound, waiting: Waiting, silent_until: float
) -> Replies:
    """The replies. A first one that does not come in time is announced. An answer that waits for
    the API says so at once, one of them in each place."""
    pressed = inbound.pressed is not None
    async with aclosing(replies):
        coming = asyncio.ensure_future(anext(replies, None))
        began = asyncio.ensure_future(waiting.began.wait())
        try:
            silent = None if pressed else max(0.0, silent_until - asyncio.get_running_loop().time())
            await asyncio.wait({coming, began}, timeout=silent, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done() and not began.done():
                yield Reply(texts.one_moment(), preview=True)
                await asyncio.wait({coming, began}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done() and waiting.first:
                yield Reply(texts.still_waiting(), fresh=pressed, secret=pressed, notice=True)
            first = await coming
        finally:
            coming.cancel()
            began.cancel()
            await asyncio.wait({coming, began})
        if first is not None:
            yield first
        async for reply in replies:
            yield reply


def _pressed_in_group(inbound: Inbound) -> bool:
    return inbound.pressed is not None and not inbound.address.private


def _sentence(error: ApiError, inbound: Inbound, context: Context) -> str:
    if _pressed_in_group(inbound) and error.code in ("not_found", "not_linked"):
        return texts.not_yours()
    if error.code == "not_linked":
        return texts.not_linked(context.public_url)
    return texts.error(error.code, error.problem, inbound.options)


class AnswerMessages:
    """The messages of one answer. Each reply edits the messages of the reply before it, or the
    message whose button was pressed. `muted`: only replies that nobody else sees are shown."""

    muted = False

    def __init__(
        self,
        chat: Messenger,
        inbound: Inbound,
        limits: Limits,
        *,
        afresh: bool,
    ) -> None:
        self._chat = chat
        self._limits = limits
        self._inbound = inbound
        self._stranger = False
        self._to = inbound.address
        self._seed = f"{inbound.address.platform}:{inbound.address.chat_id}:{inbound.update_id}"
        self._pressed = (
            None if inbound.pressed is None or afresh else ShownMessages((inbound.pressed,))
        )
        self._shown = self._pressed
        self._notice: ShownMessages | None = None
        self._growing: Reply | None = None
        self._whole = False
        self._sent = 0

    def for_stranger(self) -> None:
        """Answer a person without an account: everybody in a group would read each answer. The
        command still runs, because a code that was written there has to be burned."""
        if not (self._stranger or self._to.private or self._inbound.pressed is not None):
            self.muted = not ACTIVITY.may_hear(self._inbound)
        self._stranger = True

    async def show(self, reply: Reply) -> ShownMessages | None:
        """Show a reply, a very long one as its beginning and a file. None: it could not be shown,
        which for anything except a preview is logged."""
        whole, most = reply.text, self._limits.text
        short = reply.preview or utf16_units(whole) <= most
        if short or len(split(whole, most, utf16_units)) <= PARTS_MOST:
            return await self._show(reply)
        room = max(1, self._limits.text - FILE_SENTENCE)
        beginning = f"{split(whole, room, utf16_units)[0]}\n…\n\n{texts.answer_as_file()}"
        shown = await self._show(replace(reply, text=beginning))
        file = ReplyFile("document", "answer.md", "text/markdown", whole.encode("utf-8", "replace"))
        return await self._show(Reply("", files=(file,), fresh=True, secret=reply.secret)) or shown

    async def _show(self, reply: Reply) -> ShownMessages | None:
        replacing = None if reply.fresh else self._shown
        if replacing is None:
            self._sent += not (reply.preview or reply.notice)
            # the same update handled again gives the same message, where the platform can tell; a
            # process that waits for the api must not take the place of one that answers
            seed = f"{self._seed}:{'notice' if reply.notice else self._sent}".encode()
            reply = replace(reply, nonce=reply.nonce or hashlib.sha256(seed).hexdigest()[:24])
        try:
            shown = await self._send(reply, replacing, 1 if reply.preview else TRIES)
        except SendFailed as failure:
            if not reply.preview:
                log.warning("reply_not_shown", **vars(failure))
            return None
        self._growing = reply if reply.preview and reply.markdown else None
        self._whole = not (reply.preview or reply.notice)
        if reply.notice and self._pressed is not None:
            self._notice = shown  # beside the button's message, which is still the one to edit
            return shown
        # a growing text may be shown in a form that is no message
        self._shown = shown if shown.message_ids else None
        notice, self._notice = self._notice, None
        if notice is not None and notice.message_ids:
            with suppress(SendFailed):
                await self._chat.show(self._to, Reply("", gone=True), notice)
        return shown

    async def cut(self) -> None:
        """Show the last word of an answer that is stopped before it is whole."""
        if self._whole:
            return
        written = "" if self._growing is None else self._growing.text.removesuffix(texts.WRITING)
        said = texts.cut_short(written, texts.interrupted())
        last = Reply(said, markdown=bool(written), secret=not written)
        replacing = self._shown if self._shown != self._pressed else None
        with suppress(SendFailed, TimeoutError):
            await asyncio.wait_for(self._send(last, replacing, 1), LAST_WORD_SECONDS)

    async def _send(
        self, reply: Reply, replacing: ShownMessages | None, tries: int
    ) -> ShownMessages:
        """Show a reply, again where that helps. A reply that may have arrived is sent once more at
        most; adapters call no edit uncertain. A platform that asks to slow down costs no try: many
        answers to one chat wait for each other there. Raises `SendFailed`."""
        if self.muted and not (reply.secret and self._limits.discreet):
            return replacing or ShownMessages(())
        doubts, waited, patient = 0, 0.0, tries > 1
        while True:
            tries -= 1
            try:
                shown = await self._chat.show(self._to, reply, replacing)
                METRICS.sent(self._to.platform)
                return shown
            except SendFailed as failure:
                METRICS.sent(self._to.platform, failure.reason)
                if failure.final and replacing is not None and tries:
                    replacing = None  # the message to edit is gone: say it in a new one
                    continue
                wait = AGAIN_SECONDS if failure.retry_after is None else failure.retry_after
                if failure.reason == "flood":
                    tries += patient
                    wait = max(wait, FLOOD_LEAST_SECONDS)
                waited += wait
                doubts += failure.uncertain
                hopeless = failure.final or waited > PATIENCE_SECONDS or doubts >= COPIES
                if hopeless or not tries:
                    raise
            await asyncio.sleep(wait)


def cleaned(inbound: Inbound) -> Inbound:
    """The inbound without halves of characters and NULs, which no part behind this takes."""

    def clean(text: str) -> str:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\x00", "")

    def named(files: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        return tuple(replace(file, name=clean(file.name)) for file in files)

    quoted = inbound.quoted
    if quoted is not None:
        text, author = clean(quoted.text), clean(quoted.author)
        files = named(quoted.attachments)
        quoted = replace(quoted, text=text, author=author, attachments=files)
    return replace(
        inbound,
        text=clean(inbound.text),
        command=clean(inbound.command),
        sender=replace(inbound.sender, name=clean(inbound.sender.name)),
        quoted=quoted,
        options={name: clean(value) for name, value in inbound.options.items()},
        attachments=named(inbound.attachments),
    )


async def _keep_card(
    context: Context, messages: AnswerMessages, generation_id: str, shown: ShownMessages
) -> None:
    """Store the message that waits for the result. If the result was quicker, nobody else will
    close the card."""
    try:
        card = calls.card(generation_id, CardIn(message_id=shown.message_ids[-1]))
        made = await context.user.send(card)
    except ApiError as error:
        said = {"code": error.code, "detail": error.detail}
        log.warning("card_not_stored", generation=generation_id, **said)
        return
    ACTIVITY.card_shown()
    if made.status not in ("queued", "processing"):
        await messages.show(closed_card(made))
