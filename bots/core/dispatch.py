"""The one way from what a person sent to what the chat shows."""

import asyncio
import hashlib
import secrets
from contextlib import aclosing, suppress
from dataclasses import replace

import structlog

from bots.core import language, texts
from bots.core.cards import closed_card, price_question
from bots.core.commands import COMMANDS, Command, Context, Replies, resolve
from bots.core.failure_buttons import of_error
from bots.core.ongoing import RUNNING
from bots.core.options import Mistake
from bots.core.pacing import paced
from bots.core.splitting import split, utf16_units
from bots.core.types import (
    Address,
    Attachment,
    Chat,
    File,
    Inbound,
    Limits,
    Reply,
    SendFailed,
    Shown,
)
from client.bot import BotApi, Who
from client.errors import ApiError
from client.patience import Waiting
from client.person import UserApi
from client.schemas.generations import CardIn

log = structlog.get_logger()

SILENT_SECONDS = 4.0
"""A command that has no answer by then gets a word that it was heard."""
BUSY_SECONDS = 4.5
"""Chats show a sign of life for five to ten seconds."""
PATIENCE_SECONDS = 900.0
"""How long a reply waits when the platform asks to slow down."""
AGAIN_SECONDS = 2.0
LAST_WORD_SECONDS = 0.8
TRIES = 3
COPIES = 2
"""So many copies of one reply a chat may show, where a send had an unclear end."""
PARTS_MOST = 5
"""A text of more messages comes as its beginning and a file."""
FILE_SENTENCE = 200


async def answer(chat: Chat, api: BotApi, inbound: Inbound, *, last_word: bool = False) -> None:
    """Runs the command and shows its replies, in the sender's language. Never raises, but for being
    cancelled. `last_word`: nobody brings this update again, so that an answer that is cancelled
    says so."""
    if resolve(inbound.command) is None and not inbound.address.private and inbound.pressed is None:
        return  # said to somebody else
    silent_until = asyncio.get_running_loop().time() + SILENT_SECONDS
    inbound = cleaned(inbound)
    heard = language.chosen(inbound.sender.language)
    who = Who(
        inbound.sender.id,
        inbound.sender.name,
        inbound.address.chat_id,
        f"{inbound.address.platform}:{inbound.update_id}",
        heard if inbound.sender.language else None,
    )
    chosen, stranger = await api.language(who)
    if (
        stranger
        and not inbound.address.private
        and inbound.pressed is None
        and not RUNNING.may_hear(inbound)
    ):
        chat = Silent(chat)
    with language.speaking(language.chosen(chosen, heard)):
        await _answer(chat, api, who, inbound, silent_until, last_word=last_word)
        if api.is_new_guest(who):
            about = replace(inbound, update_id=f"{inbound.update_id}:guest", pressed=None)
            await _Showing(chat, about, await chat.limits_for(inbound.address), afresh=True).show(
                Reply(texts.guest_now(), secret=True)
            )


class Silent:
    """The chat, to a stranger in a group who was answered a while ago: everybody would read each
    answer. Only what the platform shows to nobody else is shown. Commands still run, for a code
    that was written there has to be burned."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.limits = chat.limits

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        if reply.secret and (await self._chat.limits_for(to)).discreet:
            return await self._chat.show(to, reply, replacing)
        return replacing or Shown(())

    async def busy(self, to: Address) -> None:
        """Nothing comes."""


async def _answer(
    chat: Chat, api: BotApi, who: Who, inbound: Inbound, silent_until: float, *, last_word: bool
) -> None:
    command = resolve(inbound.command)
    limits = await chat.limits_for(inbound.address)
    showing = _Showing(chat, inbound, limits, afresh=command is not None and command.afresh)
    if command is None:
        pressed = inbound.pressed is not None
        sentence = texts.button_gone() if pressed else texts.unknown_command(inbound.command)
        await showing.show(Reply(sentence, secret=True, fresh=pressed))
        return
    context = Context(bot=api, user=UserApi(api, who), commands=COMMANDS, limits=limits)
    busy = asyncio.create_task(_busy(chat, inbound)) if command.slow else None
    try:
        said = _heard(_safe(command, inbound, context), inbound, context.user.waiting, silent_until)
        async with aclosing(paced(said, limits.edit_seconds)) as replies:
            async for reply in replies:
                if busy is not None:
                    busy.cancel()
                shown = await showing.show(reply)
                if reply.card is not None and shown is not None:
                    await _keep_card(context, showing, reply.card, shown)
    except asyncio.CancelledError:
        if last_word:
            await showing.cut()
        raise
    finally:
        context.user.waiting.close()
        if busy is not None:
            busy.cancel()
            await asyncio.wait({busy})


async def _safe(command: Command, inbound: Inbound, context: Context) -> Replies:
    """The command's replies; a failure is the last of them. No traceback reaches a chat."""
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
        if error.status >= 500 or error.status == 0:
            log.warning(
                "command_failed", command=command.name, code=error.code, detail=error.detail
            )
        yield Reply(
            _sentence(error, inbound, context),
            buttons=of_error(error, replace(inbound, command=command.name)),
            secret=True,
            fresh=fresh,
        )
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("command_broke", command=command.name, reference=reference)
        yield Reply(texts.unexpected(reference), secret=True, fresh=fresh)


async def _heard(
    replies: Replies, inbound: Inbound, waiting: Waiting, silent_until: float
) -> Replies:
    """The replies; when the first one does not come in time, a word that it will. Where an answer
    waits for the api, one that it does: once in a place, at once."""
    pressed = inbound.pressed is not None
    async with aclosing(replies):
        coming, began = (
            asyncio.ensure_future(anext(replies, None)),
            asyncio.ensure_future(waiting.began.wait()),
        )
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


def _sentence(error: ApiError, inbound: Inbound, context: Context) -> str:
    if (
        inbound.pressed is not None
        and not inbound.address.private
        and error.code in ("not_found", "not_linked")
    ):
        return texts.not_yours()
    if error.code == "not_linked":
        return texts.not_linked(context.public_url)
    return texts.error(error.code, error.detail, error.retry_after, error.problem)


class _Showing:
    """The messages of one answer: each reply edits what the one before, or the pressed button, has
    shown."""

    def __init__(self, chat: Chat, inbound: Inbound, limits: Limits, *, afresh: bool) -> None:
        self._chat = chat
        self._limits = limits
        self._to = inbound.address
        self._seed = f"{inbound.address.platform}:{inbound.address.chat_id}:{inbound.update_id}"
        self._pressed = None if inbound.pressed is None or afresh else Shown((inbound.pressed,))
        self._shown = self._pressed
        self._notice: Shown | None = None
        self._growing: Reply | None = None
        self._whole = False
        self._sent = 0

    async def show(self, reply: Reply) -> Shown | None:
        """What the reply became, or nothing when it could not be shown: a preview may fail,
        anything else is logged."""
        whole = reply.text
        if reply.preview or len(split(whole, self._limits.text, utf16_units)) <= PARTS_MOST:
            return await self._show(reply)
        room = max(1, self._limits.text - FILE_SENTENCE)
        shown = await self._show(
            replace(
                reply, text=f"{split(whole, room, utf16_units)[0]}\n…\n\n{texts.answer_as_file()}"
            )
        )
        file = File("document", "answer.md", "text/markdown", whole.encode("utf-8", "replace"))
        return await self._show(Reply("", files=(file,), fresh=True, secret=reply.secret)) or shown

    async def _show(self, reply: Reply) -> Shown | None:
        replacing = None if reply.fresh else self._shown
        if replacing is None:
            self._sent += not reply.preview
            reply = _with_nonce(reply, f"{self._seed}:{self._sent}")
        try:
            shown = await (
                self._once(reply, replacing) if reply.preview else self._patiently(reply, replacing)
            )
        except SendFailed as failure:
            if not reply.preview:
                log.warning(
                    "reply_not_shown",
                    reason=failure.reason,
                    final=failure.final,
                    uncertain=failure.uncertain,
                )
            return None
        self._growing = reply if reply.preview and reply.markdown else None
        self._whole = not (reply.preview or reply.notice)
        if reply.notice and self._pressed is not None:
            self._notice = shown  # beside the button's message, which is still the one to edit
            return shown
        self._shown = (
            shown if shown.message_ids else None
        )  # what a platform shows of a growing text may be no message
        await self._take_notice_away()
        return shown

    async def cut(self) -> None:
        """The last word of an answer that is stopped before it is whole."""
        if self._whole:
            return
        written = "" if self._growing is None else self._growing.text.removesuffix(texts.WRITING)
        last = Reply(
            texts.cut_short(written, texts.interrupted()),
            markdown=bool(written),
            secret=not written,
        )
        with suppress(SendFailed, TimeoutError):
            await asyncio.wait_for(
                self._once(last, self._shown if self._shown != self._pressed else None),
                LAST_WORD_SECONDS,
            )

    async def _take_notice_away(self) -> None:
        notice, self._notice = self._notice, None
        if notice is not None and notice.message_ids:
            with suppress(SendFailed):
                await self._chat.show(self._to, Reply("", gone=True), notice)

    async def _once(self, reply: Reply, replacing: Shown | None) -> Shown:
        return await self._chat.show(self._to, reply, replacing)

    async def _patiently(self, reply: Reply, replacing: Shown | None) -> Shown:
        """Tries again where that helps. What may have arrived is sent once more at most; adapters
        call no edit uncertain."""
        doubts = 0
        for tried in range(1, TRIES + 1):
            try:
                return await self._once(reply, replacing)
            except SendFailed as failure:
                wait = AGAIN_SECONDS if failure.retry_after is None else failure.retry_after
                if failure.final and replacing is not None:
                    replacing = None  # the message to edit is gone: say it in a new one
                    continue
                doubts += failure.uncertain
                hopeless = failure.final or wait > PATIENCE_SECONDS or doubts >= COPIES
                if hopeless or tried == TRIES:
                    raise
            await asyncio.sleep(wait)
        raise SendFailed("could not be shown")


def cleaned(inbound: Inbound) -> Inbound:
    """Without what is no text: halves of characters and NULs, which nothing behind this takes."""

    def clean(text: str) -> str:
        return (
            text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
        )

    def named(files: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        return tuple(replace(file, name=clean(file.name)) for file in files)

    quoted = inbound.quoted
    if quoted is not None:
        quoted = replace(
            quoted,
            text=clean(quoted.text),
            author=clean(quoted.author),
            attachments=named(quoted.attachments),
        )
    return replace(
        inbound,
        text=clean(inbound.text),
        command=clean(inbound.command),
        sender=replace(inbound.sender, name=clean(inbound.sender.name)),
        quoted=quoted,
        options={name: clean(value) for name, value in inbound.options.items()},
        attachments=named(inbound.attachments),
    )


def _with_nonce(reply: Reply, seed: str) -> Reply:
    """The same update handled again gives the same message, where the platform can tell."""
    if reply.nonce is not None:
        return reply
    return replace(reply, nonce=hashlib.sha256(seed.encode()).hexdigest()[:24])


async def _keep_card(context: Context, showing: _Showing, generation_id: str, shown: Shown) -> None:
    """Stores which message waits for the result. If the result was quicker than that, nobody else
    will close the card."""
    try:
        await context.user.card(generation_id, CardIn(message_id=shown.message_ids[-1]))
        made = await context.user.generation(generation_id)
    except ApiError as error:
        log.warning(
            "card_not_stored", generation=generation_id, code=error.code, detail=error.detail
        )
        return
    if made.status not in ("queued", "processing"):
        await showing.show(closed_card(made))


async def _busy(chat: Chat, inbound: Inbound) -> None:
    while True:
        with suppress(SendFailed):
            await chat.busy(inbound.address)
        await asyncio.sleep(BUSY_SECONDS)
