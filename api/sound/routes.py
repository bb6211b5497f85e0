"""Routes that write recordings down and read texts aloud."""

from typing import Annotated

from fastapi import APIRouter, Form, Header, UploadFile

from api.callers import UserCaller
from api.deps import FromApp
from api.media.routes import MULTIPART_MARGIN
from api.sound import schemas
from api.sound.service import SoundService

router = APIRouter(tags=["sound"])

SoundDep = FromApp[SoundService]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
ModelName = Annotated[str | None, Form(min_length=1, max_length=200)]
Language = Annotated[str | None, Form(pattern="^[a-z]{2}$")]


@router.post("/audio/transcriptions", max_body_size=schemas.RECORDING_MAX + MULTIPART_MARGIN)
async def transcribe(
    sound: SoundDep,
    caller: UserCaller,
    file: UploadFile,
    model: ModelName = None,
    language: Language = None,
    key: Key = None,
) -> schemas.TranscriptOut:
    """Write down a recording of up to 50 MB and 60 minutes: OGG, MP3, WAV, FLAC, M4A, MP4, WebM,
    AAC, AMR or AIFF, whatever its declared type says. It is not kept. `language` by its two
    letters, when it is known."""
    return await sound.transcribe(caller, await file.read(), model, language, key)


@router.post("/audio/speech")
async def speak(
    sound: SoundDep, caller: UserCaller, body: schemas.SpeechIn, key: Key = None
) -> schemas.SpeechOut:
    """Read a text, or an answer of one's own, aloud."""
    return await sound.speak(caller, body, key)
