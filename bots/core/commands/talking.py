"""/ask, /new and /help, and the button that stops an answer."""

from contextlib import aclosing

from api.catalog.schemas import ModelOut
from api.text.schemas import DeltaEvent, DoneEvent, ErrorEvent, NewConversationIn, TextIn
from bots.core import texts
from bots.core.acting import TextEvent
from bots.core.commands import making
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.sources import quoted_result, source
from bots.core.http import ApiError
from bots.core.language import N_, spoken
from bots.core.options import Option, find_model, parse
from bots.core.running import RUNNING, Answering, until
from bots.core.types import Ask, Button, Inbound, Reply

MODEL = Option("model", N_("Which model answers"), ("model", "m"), example="gpt", models=("text",))


async def _ask(inbound: Inbound, context: Context) -> Replies:
    if inbound.plain and not inbound.attachments and inbound.text.strip() and quoted_result(inbound) is not None:
        async for reply in making.EDIT.run(inbound, context):
            yield reply
        return
    given, text = await source(inbound, context)
    images = given.images if given is not None else ()
    asked = parse(text, inbound.options, (MODEL,), prose=True)
    prompt = asked.prompt or (texts.describe_picture() if images else "")
    if not prompt:
        yield Reply(texts.ask_what(), ask=Ask(ASK.name, "", texts.ask_what()))
        return
    model = await _model(asked.options.get("model"), len(images), context)
    ask = TextIn(prompt=prompt, model=model, chat_thread=inbound.address.thread_id or "", images=list(images) or None, stream=True)
    with RUNNING.answering(inbound) as answering:
        async with aclosing(_written(ask, answering, context)) as replies:
            async for reply in replies:
                yield reply


async def _written(ask: TextIn, answering: Answering, context: Context) -> Replies:
    """The growing answer, and then the whole one, or what there is of it and why it ends."""
    stop = ((Button(texts.stop_button(), STOP_ANSWER.name, answering.token),),)
    written = ""
    try:
        async with aclosing(until(answering.stopped, context.user.text(ask))) as events:
            async for event in events:
                if isinstance(event, DeltaEvent):
                    written += event.text
                ended = _ended(event)
                if ended is not None:
                    yield ended
                    return
                if written.strip():
                    yield Reply(written.strip() + texts.WRITING, buttons=stop, preview=True, markdown=True)
        yield Reply(texts.stopped(written.strip()), markdown=True)
    except ApiError as error:
        if not written.strip():
            raise
        why = texts.error(error.code, error.detail, error.retry_after, error.problem)
        yield Reply(texts.cut_short(written.strip(), why), markdown=True)


def _ended(event: TextEvent) -> Reply | None:
    """The last reply, if this is the last event. Raises `ApiError`."""
    if isinstance(event, ErrorEvent):
        raise ApiError(event.error.code, event.error.message, retry_after=event.retry_after)
    return Reply(event.answer.text.strip() or texts.empty_answer(), markdown=True) if isinstance(event, DoneEvent) else None


async def _model(said: object, images: int, context: Context) -> str | None:
    """The id of the model that was named; None for the preferred one, unless there are pictures and it can't see."""
    if said is not None:
        return find_model(str(said), await context.user.models("text"))
    if not images:
        return None
    preferred = (await context.user.preferences()).text_model

    def sees(model: ModelOut) -> bool:
        return model.capabilities.max_input_images >= images

    return making.first_able(await context.user.models("text"), [preferred], sees)


async def _stop_answer(inbound: Inbound, _context: Context) -> Replies:
    one = RUNNING.find(inbound.text.strip())
    if one is None:
        yield Reply(texts.nothing_to_stop(), secret=True, fresh=True)
    elif not RUNNING.owns(inbound, one):
        yield Reply(texts.not_yours(), secret=True, fresh=True)
    else:
        one.stopped.set()  # the answer itself says so


async def _unreadable(_inbound: Inbound, _context: Context) -> Replies:
    """An adapter was told that somebody means the bot, but not what was said."""
    yield Reply(texts.unreadable(), secret=True)


async def _new(inbound: Inbound, context: Context) -> Replies:
    await context.user.new_conversation(NewConversationIn(thread=inbound.address.thread_id or ""))
    yield Reply(texts.new_conversation())


async def _help(inbound: Inbound, context: Context) -> Replies:
    usages = [(_usage(command), command.described(spoken())) for command in context.commands if command.listed]
    yield Reply(texts.help_page(usages, private=inbound.address.private), secret=True)


def _usage(command: Command) -> str:
    if command.argument is None:
        return f"/{command.name}"
    return f"/{command.name} {command.argument}" if command.argument_required else f"/{command.name} [{command.argument}]"


ASK = Command(
    "ask",
    N_("Ask a question, also about a picture"),
    _ask,
    argument="question",
    argument_description=N_("What you want to know"),
    argument_required=True,
    options=(MODEL,),
    image=True,
    slow=True,
    asks=True,
    on_message=N_("Describe"),
)
NEW = Command("new", N_("Begin a new conversation: I forget what we talked about here"), _new)
UNREADABLE = Command("unreadable", "", _unreadable, listed=False, secret=True)
HELP = Command("help", N_("What I can do"), _help, secret=True)
STOP_ANSWER = Command("stop_answer", "", _stop_answer, listed=False)
