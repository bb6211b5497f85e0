"""Texts and answers read aloud."""

import re
from collections.abc import AsyncGenerator

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.commands import image_video
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake, Option, parse
from bots.core.types import Ask, Button, Inbound, Reply, ReplyFile
from client import calls
from client.errors import ApiError
from client.schemas.sound import SPEECH_MAX, SpeechIn, SpeechOut
from client.words.language import N_

VOICE = Option("voice", N_("Which voice reads"), ("voice",), example="nova")
MODEL = Option(
    "model", N_("Which model reads"), ("model", "m"), example="kokoro", models=("speech",)
)
SUFFIXES = {"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/wav": ".wav"}
_NAMELESS = re.compile(r"[^a-z0-9]+")


async def _say(inbound: Inbound, context: Context) -> Replies:
    asked = parse(inbound.text, inbound.options, (VOICE, MODEL), prose=True)
    text = asked.prompt or (inbound.quoted.text if inbound.quoted is not None else "")
    if not text.strip():
        yield Reply(texts.say_what(), ask=Ask(SAY.name, "", texts.say_what()))
        return
    if len(text) > SPEECH_MAX:
        raise Mistake(texts.too_long_to_say())
    model, voice = asked.options.get("model"), asked.options.get("voice")
    chosen = None
    if model is not None:
        chosen = await image_video.named_model(str(model), "speech", context)
    ask = SpeechIn(text=text, model=chosen, voice=None if voice is None else str(voice))
    yield await spoken(ask, context)


async def _read_aloud(inbound: Inbound, context: Context) -> Replies:
    """Read an answer aloud, however long ago it was written."""
    if ACTIVITY.pressed_twice(inbound):
        raise Mistake(texts.pressed_twice())
    try:
        yield await spoken(SpeechIn(answer_id=inbound.text.strip()), context)
    except ApiError as error:
        if error.code not in ("not_found", "not_linked"):
            raise
        yield Reply(texts.only_who_asked(), secret=True)


async def answer_aloud(answer_id: str, context: Context) -> AsyncGenerator[Reply, None]:
    """The answer to a voice message once more as sound, for a person who wants that. The text is
    there already: a failure is one more line."""
    if not (await context.user.send(calls.preferences())).voice_answers:
        return
    try:
        made = await spoken(SpeechIn(answer_id=answer_id), context)
    except ApiError as error:
        made = Reply(texts.error(error.code, error.problem), fresh=True)
    yield made


async def spoken(ask: SpeechIn, context: Context) -> Reply:
    """The text as a voice message of its own, with its cost."""
    made = await context.user.send(calls.speak(ask, context.user.upload_key()))
    most = context.limits.upload_bytes
    if made.audio.size > most:
        return Reply(texts.voice_elsewhere(-(-made.audio.size // 1_000_000)), fresh=True)
    data = await context.bot.download(calls.file(made.audio.url), most)
    return Reply(texts.said(made), files=(_file(made, data),), fresh=True)


def _file(made: SpeechOut, data: bytes) -> ReplyFile:
    kind = made.audio.content_type
    name = f"speech-{_NAMELESS.sub('', made.id.lower())[-8:]}{SUFFIXES.get(kind, '')}"
    return ReplyFile(
        "voice" if kind == "audio/ogg" else "document",
        name,
        kind,
        data,
        duration=made.audio.duration,
        waveform=made.waveform,
    )


def read_aloud_button(answer_id: str) -> Button:
    return Button(texts.read_aloud_button(), READ_ALOUD.name, answer_id)


SAY = Command(
    "say",
    N_("Read a text aloud"),
    _say,
    argument="text",
    argument_description=N_("What I read; without it, the message that you answer"),
    argument_required=True,
    options=(VOICE, MODEL),
    slow=True,
    asks=True,
)
READ_ALOUD = Command("read_aloud", "", _read_aloud, listed=False, slow=True, afresh=True)
