"""Recordings written down, and texts read aloud: requests and answers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.generations.schemas import MediaOut, ModelId
from api.schemas import In, Out, Usd

SPEECH_MAX = 12_000
"""Characters: about a quarter of an hour."""
RECORDING_MAX = 50_000_000
"""Bytes."""
RECORDING_SECONDS = 3_600


class SpeechIn(In):
    """Exactly one of `text` and `answer_id`, an answer of the caller's in a conversation. Markdown
    is read as its words. `voice` is one of the model's; none, or one that it does not have: the
    preferred one while it has it, else its first."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=SPEECH_MAX)] | None = None
    answer_id: str | None = Field(default=None, max_length=64)
    model: ModelId | None = None
    voice: str | None = Field(default=None, min_length=1, max_length=100)


class SpeechOut(Out):
    """`audio`: an Ogg file with Opus, kept like an upload. `waveform`: its loudness, at most 256
    bytes as base64; empty when the sound could only be kept as it came."""

    id: str
    audio: MediaOut
    waveform: str
    model: str
    voice: str
    cost_usd: Usd
    sandbox: bool = False


class TranscriptOut(Out):
    """`text` is empty when no words were heard. `seconds`: the length of the recording."""

    id: str
    text: str
    seconds: float
    model: str
    cost_usd: Usd
    sandbox: bool = False
