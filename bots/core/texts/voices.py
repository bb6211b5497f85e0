"""Sentences about recordings and reading aloud."""

from bots.core.language import _, sentence
from bots.core.splitting import shorten
from bots.core.texts.words import money, number
from client.schemas.sound import RECORDING_SECONDS, SPEECH_MAX, SpeechOut

HEARD_SHOWN = 160
"""Characters of what was heard that stand above the answer."""
RECORDING_MB = 20
"""Chats hand out no larger files."""
MARKS = set("\\`*_[]()<>#~|!")

listening = sentence("🎧 Listening …")
read_aloud_button = sentence("🔊 Read aloud")


def heard(said: str, cost: str) -> str:
    """The words that were heard, as a quote in Markdown."""
    words = "".join(f"\\{sign}" if sign in MARKS else sign for sign in shorten(said, HEARD_SHOWN))
    return f"> 🎤 {words}{cost and f' · {cost}'}"


def heard_nothing(cost: str) -> str:
    return " ".join(filter(None, [_("I heard no words in this recording."), cost]))


def heard_too_much(most: int) -> str:
    return _(
        "That is more than I can answer at once (%(most)s characters). What was said is in this "
        "file.",
        most=number(most),
    )


def transcript_as_file(cost: str) -> str:
    return " ".join(filter(None, [_("What was said is in this file."), cost]))


def transcribe_what() -> str:
    return _(
        "Answer a voice message or a recording with /transcribe, or send one with it: up to "
        "%(minutes)s minutes and %(megabytes)s MB.",
        minutes=RECORDING_SECONDS // 60,
        megabytes=RECORDING_MB,
    )


def recording_too_large() -> str:
    return _(
        "I take recordings of up to %(minutes)s minutes and %(megabytes)s MB; this one is larger.",
        minutes=RECORDING_SECONDS // 60,
        megabytes=RECORDING_MB,
    )


say_what = sentence("What shall I read aloud? For example: /say Good morning, everybody!")


def too_long_to_say() -> str:
    return _(
        "I read up to %(most)s characters aloud; this text is longer.", most=number(SPEECH_MAX)
    )


def said(made: SpeechOut) -> str:
    """The line beside the sound."""
    return " · ".join(filter(None, ["🔊", made.voice, money(made.cost_usd)]))


def voice_elsewhere(megabytes: int) -> str:
    return _(
        "The recording has %(megabytes)s MB, which is too large for this chat. Ask for a shorter "
        "text.",
        megabytes=megabytes,
    )


voice_on = sentence("Answer voice with voice")
voice_off = sentence("Answer voice with text")


def voice_button(voice: str) -> str:
    return _("🔊 Voice: %(voice)s", voice=voice)


def voices_of(model: str) -> str:
    return _("Which voice of %(model)s shall read to you?", model=model)


no_voices = sentence("There is no model that can read aloud.")
