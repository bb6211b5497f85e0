"""/ask, /new and /help."""

from api.text.schemas import DeltaEvent, DoneEvent, ErrorEvent, NewConversationIn, TextIn
from bots.core import texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.http import ApiError
from bots.core.language import N_, spoken
from bots.core.options import Option, find_model, parse
from bots.core.types import Inbound, Reply

MODEL = Option("model", N_("Which model answers"), ("model", "m"), example="gpt", models=("text",))


async def _ask(inbound: Inbound, context: Context) -> Replies:
    asked = parse(inbound.text, inbound.options, (MODEL,))
    if not asked.prompt:
        yield Reply(texts.ask_what(), secret=True)
        return
    said = asked.options.get("model")
    model = find_model(str(said), await context.user.models("text")) if said is not None else None
    written = ""
    try:
        ask = TextIn(prompt=asked.prompt, model=model, chat_thread=inbound.address.thread_id or "", stream=True)
        async for event in context.user.text(ask):
            match event:
                case DeltaEvent():
                    written += event.text
                    if written.strip():
                        yield Reply(written.strip() + texts.WRITING, preview=True)
                case DoneEvent():
                    yield Reply(event.answer.text.strip() or texts.empty_answer())
                case ErrorEvent():
                    raise ApiError(event.error.code, event.error.message, retry_after=event.retry_after)
    except ApiError as error:
        if not written.strip():
            raise
        yield Reply(texts.cut_short(written.strip(), texts.error(error.code, error.detail, error.retry_after)))


async def _new(inbound: Inbound, context: Context) -> Replies:
    await context.user.new_conversation(NewConversationIn(thread=inbound.address.thread_id or ""))
    yield Reply(texts.new_conversation())


async def _help(_inbound: Inbound, context: Context) -> Replies:
    usages = [(_usage(command), command.described(spoken())) for command in context.commands if command.listed]
    yield Reply(texts.help_page(usages), secret=True)


def _usage(command: Command) -> str:
    if command.argument is None:
        return f"/{command.name}"
    return f"/{command.name} {command.argument}" if command.argument_required else f"/{command.name} [{command.argument}]"


ASK = Command(
    "ask",
    N_("Ask a question"),
    _ask,
    argument="question",
    argument_description=N_("What you want to know"),
    argument_required=True,
    options=(MODEL,),
    slow=True,
)
NEW = Command("new", N_("Begin a new conversation: I forget what we talked about here"), _new)
HELP = Command("help", N_("What I can do"), _help, secret=True)
