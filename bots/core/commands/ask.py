"""/ask, /new and /help, and the button that stops an answer."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast, get_args

from bots.core import texts
from bots.core.activity import ACTIVITY, RunningAnswer, until
from bots.core.commands import image_video
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.documents import SCAN, with_documents
from bots.core.commands.quotes import with_quoted
from bots.core.commands.recordings import recordings, transcribed, unanswerable
from bots.core.commands.sources import quoted_result, source
from bots.core.commands.speech import answer_aloud, read_aloud_button
from bots.core.language import spoken
from bots.core.options import Mistake, Option, parse
from bots.core.rendering import file_of
from bots.core.types import Ask, Button, Inbound, Reply, ReplyFile
from client import calls
from client.errors import ApiError, broken_off
from client.exchange import TextEvent
from client.schemas import Thinking
from client.schemas import text as schemas
from client.schemas.catalog import ModelOut
from client.schemas.generations import MediaOut
from client.schemas.text import NewConversationIn, StopIn, TextIn, TextOut
from client.words.language import N_

MODEL = Option("model", N_("Which model answers"), ("model", "m"), example="gpt", models=("text",))

EFFORT = Option(
    "effort",
    N_("How much the model thinks first: off, low, medium or high"),
    ("think", "effort"),
    example="low",
    choices=get_args(Thinking),
    pattern="|".join(get_args(Thinking)),
)
WEB = Option(
    "web",
    N_("Search the web for the answer, for up to about $0.02 more"),
    ("web",),
    type="switch",
)
CHARGE_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each question about the cost of a stopped answer: another process may still be
settling it."""


async def _ask(inbound: Inbound, context: Context) -> Replies:
    files = recordings(inbound)
    if not files:
        async for reply in _asked(inbound, context):
            yield reply
        return
    yield Reply(texts.listening(), preview=True)
    heard = await transcribed(inbound, files, context)
    if (refusal := unanswerable(heard)) is not None:
        yield refusal
        return
    above = texts.heard(heard.text, heard.price)
    aloud = not heard.answered
    async with aclosing(_asked(heard.into(inbound), context, aloud=aloud)) as replies:
        async for reply in replies:
            shown = reply.markdown and not reply.fresh
            yield replace(reply, text=f"{above}\n\n{reply.text}") if shown else reply


async def _asked(inbound: Inbound, context: Context, *, aloud: bool = False) -> Replies:
    """`aloud`: the question was a voice message."""
    only_words = inbound.plain and not inbound.attachments and inbound.text.strip()
    if only_words and quoted_result(inbound) is not None:
        async for reply in image_video.EDIT.run(inbound, context):
            yield reply
        return
    inbound, documents = await with_documents(inbound, context)
    given, text = await source(inbound, context)
    images = given.images if given is not None else ()
    asked = parse(text, inbound.options, ASK.options, prose=True)
    unsaid = texts.describe_file() if documents else texts.describe_picture() if images else ""
    prompt = with_quoted(inbound, asked.prompt or unsaid)
    if not prompt:
        yield Reply(texts.ask_what(), ask=Ask(ASK.name, "", texts.ask_what()))
        return
    model = await _model(asked.options.get("model"), len(images), context)
    ask = TextIn(
        prompt=prompt,
        model=model,
        chat_thread=inbound.address.thread_id or "",
        chat_message=inbound.address.message_id,
        effort=cast(Thinking | None, asked.options.get("effort")),
        web=cast(bool | None, asked.options.get("web")),
        images=list(images) or None,
        documents=list(documents) or None,
        scan=asked.options.get("scan") is True,
        stream=True,
    )
    with ACTIVITY.answering(inbound) as answering:
        async with aclosing(_written(ask, answering, context, aloud=aloud)) as replies:
            async for reply in replies:
                yield reply


@dataclass(slots=True)
class PartialAnswer:
    """The known part of an answer that is being written."""

    id: str = ""
    text: str = ""
    thinks: bool = False

    def hear(self, event: TextEvent) -> None:
        match event:
            case schemas.StartEvent():
                self.id, self.text = event.id, ""  # a stream that was cut begins anew
            case schemas.ThinkingEvent():
                self.text, self.thinks = "" if event.forget else self.text, True
            case schemas.DeltaEvent():
                self.text, self.thinks = self.text + event.text, False

    @property
    def written(self) -> str:
        return self.text.strip()

    def was_stopped(self, answer: TextOut) -> bool:
        """Whether its reader stopped it, through whatever process. An answer from before, of a
        stream that was cut, was not seen to grow."""
        return answer.finish_reason == "stopped" and answer.text.strip() == self.written

    @property
    def preview(self) -> Reply | None:
        stop = ((Button(texts.stop_button(), STOP_ANSWER.name, self.id),),)
        if self.written:
            return Reply(self.written + texts.WRITING, buttons=stop, preview=True, markdown=True)
        return Reply(texts.thinking(), buttons=stop, preview=True) if self.thinks else None


async def _written(
    ask: TextIn, answering: RunningAnswer, context: Context, *, aloud: bool = False
) -> Replies:
    """The growing answer, then the whole one; or the written part of it, and the reason for its
    end."""
    growing = PartialAnswer()
    stream = context.user.events(calls.text_stream(ask, context.user.key))
    try:
        async with aclosing(until(answering.stopped, stream)) as events:
            async for event in events:
                if isinstance(event, schemas.ErrorEvent):
                    raise broken_off(event.error, event.retry_after)
                if isinstance(event, schemas.DoneEvent):
                    if growing.was_stopped(event.answer):
                        break
                    async for reply in _ended(event.answer, context, aloud=aloud):
                        yield reply
                    return
                growing.hear(event)
                answering.ids.add(growing.id)
                if (preview := growing.preview) is not None:
                    yield preview
        charged = await _charged(growing.id, context)
        yield Reply(texts.stopped(growing.written, charged), markdown=True)
    except ApiError as error:
        if not growing.written:
            raise
        yield Reply(texts.cut_short(growing.written, _why(error)), markdown=True)


def _why(error: ApiError) -> str:
    problem = error.problem
    if problem is not None and problem.reason == "server_stopped":
        return f"{texts.interrupted()} {texts.charged(problem.charged_usd)}".strip()
    return texts.error(error.code, problem)


async def _ended(answer: TextOut, context: Context, *, aloud: bool) -> Replies:
    for reply in await _whole(answer, context):
        yield reply
    if aloud:
        async for reply in answer_aloud(answer.id, context):
            yield reply


async def _whole(answer: TextOut, context: Context) -> list[Reply]:
    """The finished answer, and the pictures that its model has made."""
    row = [Button(texts.go_on_button(), GO_ON.name, answer.id)]
    if answer.finish_reason != "length":
        row = []
    if answer.text.strip():
        row.append(read_aloud_button(answer.id))
    buttons = (tuple(row),) if row else ()
    replies = [Reply(texts.answered(answer), buttons=buttons, markdown=True)]
    files = [await _picture(image, context) for image in answer.images]
    sent = tuple(file for file in files if file is not None)
    if sent:
        replies.append(Reply("", files=sent, fresh=True))
    if len(sent) < len(files):
        where = texts.pictures_elsewhere(context.public_url, answer.conversation_id)
        replies.append(Reply(where, fresh=True))
    return replies


async def _picture(image: MediaOut, context: Context) -> ReplyFile | None:
    """The picture as a file. None: it is gone, or too large for the chat."""
    try:
        return await file_of(image, f"picture-{image.id[-8:]}", context.bot, context.limits)
    except ApiError:
        return None


async def _charged(answer_id: str, context: Context) -> Decimal | None:
    """The amount booked for a stopped answer; None where the API can't tell."""
    for wait in CHARGE_WAITS if answer_id else ():
        await asyncio.sleep(wait)
        try:
            charge = await context.user.send(calls.stop_text(answer_id))
        except ApiError:
            return None
        if charge.charged_usd is not None:
            return charge.charged_usd
    return None


async def _go_on(inbound: Inbound, context: Context) -> Replies:
    """Continue an answer that was cut at its limit, in a message of its own, however long ago that
    was."""
    if ACTIVITY.pressed_twice(inbound):
        raise Mistake(texts.pressed_twice())
    ask = TextIn(
        prompt=texts.go_on(),
        chat_thread=inbound.address.thread_id or "",
        chat_message=inbound.address.message_id,
        after=inbound.text.strip(),
        stream=True,
    )
    try:
        with ACTIVITY.answering(inbound) as answering:
            async with aclosing(_written(ask, answering, context)) as replies:
                async for reply in replies:
                    yield reply
    except ApiError as error:
        if error.code not in ("not_found", "not_linked"):
            raise
        yield Reply(texts.only_who_asked(), secret=True)


async def _model(said: object, images: int, context: Context) -> str | None:
    """The id of the named model. None: the preferred one, which then sees the pictures, if there
    are any."""
    if said is not None:
        return await image_video.named_model(str(said), "text", context)
    if not images:
        return None
    preferred = (await context.user.send(calls.preferences())).text_model

    def sees(model: ModelOut) -> bool:
        return model.capabilities.max_input_images >= images

    return image_video.first_able(await context.user.all(calls.models("text")), [preferred], sees)


async def _stop_answer(inbound: Inbound, context: Context) -> Replies:
    """Stop the answer of the button, or without an id the one to the message of the address. The
    answer itself says so, in whatever process it is written."""
    answer_id = inbound.text.strip()
    one = ACTIVITY.find(answer_id) if answer_id else ACTIVITY.answer_to(inbound)
    if one is not None and ACTIVITY.owns(inbound, one):
        one.stopped.set()
    elif one is not None:
        yield Reply(texts.not_yours(), secret=True, fresh=True)
    elif not answer_id:
        if not await stop_in_chat(context, inbound, inbound.address.message_id):
            yield Reply(texts.nothing_to_stop(), secret=True, fresh=True)
    else:
        charge = await context.user.send(calls.stop_text(answer_id))
        if not charge.stopped:
            over = charge.charged_usd is not None
            said = texts.nothing_to_stop() if over else texts.could_not_stop()
            yield Reply(said, secret=True, fresh=True)


async def stop_in_chat(context: Context, inbound: Inbound, message_id: str | None = None) -> bool:
    """Stop the newest answer to the sender here, or that to a message, in whatever process it is
    written. False: there is none."""
    stop = StopIn(thread=inbound.address.thread_id or "", message=message_id)
    try:
        await context.user.send(calls.stop_in_chat(stop))
    except ApiError as error:
        if error.code != "not_found":
            raise
        return False
    return True


async def _unreadable(_inbound: Inbound, _context: Context) -> Replies:
    """Answer a message that means the bot, but whose words the platform does not show."""
    yield Reply(texts.unreadable(), secret=True)


async def _new(inbound: Inbound, context: Context) -> Replies:
    begin = NewConversationIn(thread=inbound.address.thread_id or "")
    await context.user.send(calls.new_conversation(begin))
    yield Reply(texts.new_conversation())


async def _help(inbound: Inbound, context: Context) -> Replies:
    listed = [command for command in context.commands if command.listed]
    usages = [(_usage(command), command.described(spoken())) for command in listed]
    private, way = inbound.address.private, context.limits.picture
    yield Reply(texts.help_page(usages, private=private, way=way), secret=True)


def _usage(command: Command) -> str:
    if command.argument is None:
        return f"/{command.name}"
    required = command.argument_required
    return f"/{command.name} {command.argument if required else f'[{command.argument}]'}"


ASK = Command(
    "ask",
    N_("Ask a question, also about a picture or a file"),
    _ask,
    argument="question",
    argument_description=N_("What you want to know"),
    argument_required=True,
    options=(MODEL, EFFORT, WEB, SCAN),
    image=True,
    file=True,
    slow=True,
    asks=True,
    on_message=N_("Describe"),
)
NEW = Command("new", N_("Begin a new conversation: I forget what we talked about here"), _new)
UNREADABLE = Command("unreadable", "", _unreadable, listed=False, secret=True)
HELP = Command("help", N_("What I can do"), _help, secret=True)
STOP_ANSWER = Command("stop_answer", "", _stop_answer, listed=False)
GO_ON = Command("go_on", "", _go_on, listed=False, slow=True, afresh=True)
