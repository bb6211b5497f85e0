"""Recordings written down, and texts read aloud.

Both are answered in the request, like text: money is held first, the provider is asked in a task
that no client can interrupt, and the result is booked and kept under the request's key. See
docs/decisions/0122-sound-is-answered-at-once.md.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import structlog

from api import errors, ids
from api.budget.moves import Want
from api.budget.service import BudgetService, group_of
from api.callers import Caller
from api.catalog.model import Model
from api.catalog.sound_pricing import USUAL, speech_micro, transcription_micro
from api.db import Db, Duplicate
from api.live_processes import LiveProcesses
from api.media.service import MediaService
from api.provider.domain_errors import domain_error
from api.provider.types import Provider, SpeechAsk, TranscriptionAsk
from api.schemas import Kind
from api.shutdown import Stop
from api.sound.calls import Piece, asked
from api.sound.ending import SoundDesk, SoundEnding
from api.sound.schemas import (
    RECORDING_MAX,
    RECORDING_SECONDS,
    SPEECH_MAX,
    SpeechIn,
    SpeechOut,
    TranscriptOut,
)
from api.sound.spoken import pieces, spoken
from api.text import idempotency
from api.text.conversations import Conversations
from api.text.cost_lookups import Lookups
from api.text.dead_answers import free_dead
from api.users.preferences import Preferences
from api.users.service import UserService

log = structlog.get_logger("sound")
Out = TypeVar("Out", SpeechOut, TranscriptOut)

SUBJECT = "sound:"
"""The prefix of the subject of a hold."""
PIECE_SECONDS = 300
"""A supplier has a minute for each piece, and takes a tenth of the length or less."""
PIECE_CHARS = 3_000
"""Models take about 4,000 characters."""
STALE_AFTER = timedelta(minutes=30)
SWEEP_SECONDS, FREED_EVERY = 600.0, 15.0
BUSY_SECONDS = 2.0


class SoundService:
    def __init__(
        self,
        db: Db,
        provider: Provider,
        preferences: Preferences,
        budget: BudgetService,
        media: MediaService,
        users: UserService,
        conversations: Conversations,
        lookups: Lookups,
        processes: LiveProcesses,
    ) -> None:
        self._db = db
        self._provider = provider
        self._preferences = preferences
        self._budget = budget
        self._media = media
        self._users = users
        self._conversations = conversations
        self._processes = processes
        self._desk = SoundDesk(budget, media, lookups, sandbox=provider.is_sandbox)
        self._running: dict[str, asyncio.Task[SpeechOut | TranscriptOut]] = {}

    async def start(self) -> None:
        """With the embedded engine there is one api: what another one was doing has ended."""
        if self._db.engine == "duckdb":
            await self.sweep(timedelta(0))

    async def sweep(self, age: timedelta = STALE_AFTER) -> float:
        """Release the holds of work that died with its process."""
        if released := await self._budget.release_stale(SUBJECT, age, but_not=set(self._running)):
            log.warning("stale_sound_holds_released", count=released)
        return SWEEP_SECONDS

    async def free_dead(self) -> float:
        """Free keys and money of requests whose process is dead."""
        await free_dead(self._db, self._budget, self._processes, SUBJECT)
        return FREED_EVERY

    async def drain(self, stop: Stop) -> None:
        await stop.drained("sounds", list(self._running.values()))
        await self.close()

    async def close(self) -> None:
        """Wait for what is under way: a call takes a minute at most, and its result is paid."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def transcribe(
        self, caller: Caller, data: bytes, model: str | None, language: str | None, key: str | None
    ) -> TranscriptOut:
        """Write down a recording. Raises `TooLarge`, `UnsupportedMedia`, and as `_reserved`."""
        if len(data) > RECORDING_MAX:
            raise errors.TooLarge("file_too_large", megabytes=RECORDING_MAX // 1_000_000)
        digest = await asyncio.to_thread(
            _digest, "transcription", data, model or "", language or ""
        )
        if (earlier := await self._earlier(caller, key, digest, TranscriptOut)) is not None:
            return earlier
        chosen = await self._model(caller, "transcription", model)
        recording = await self._media.read_recording(data, RECORDING_SECONDS, PIECE_SECONDS)
        amount = transcription_micro(chosen, recording.seconds)
        usual = transcription_micro(chosen, recording.seconds, USUAL)
        hold_id, identity = await self._reserved(caller, chosen, amount, key, digest)
        asks = [
            TranscriptionAsk(chosen.id, piece, "mp3", language, caller.user_id)
            for piece in recording.pieces
        ]
        ending = SoundEnding(identity, caller.user_id, chosen, hold_id, usual or 0, key)

        async def work() -> TranscriptOut:
            heard = await self._asked(ending, [_transcribing(self._provider, ask) for ask in asks])
            return await self._desk.transcribed(ending, heard, recording.seconds)

        return await self._done(hold_id, work())

    async def speak(self, caller: Caller, body: SpeechIn, key: str | None) -> SpeechOut:
        """Read a text aloud. Raises `NotFound` for an answer of somebody else's, `InvalidRequest`,
        and as `_reserved`."""
        digest = _digest("speech", body.model_dump_json().encode())
        if (earlier := await self._earlier(caller, key, digest, SpeechOut)) is not None:
            return await self._with_fresh_link(earlier)
        text = await self._text(caller, body)
        chosen = await self._model(caller, "speech", body.model)
        voice = await self._voice(caller, chosen, body.voice)
        amount, usual = speech_micro(chosen, text), speech_micro(chosen, text, USUAL)
        hold_id, identity = await self._reserved(caller, chosen, amount, key, digest)
        most = min(PIECE_CHARS, chosen.info.capabilities.context_length or PIECE_CHARS)
        asks = [SpeechAsk(chosen.id, piece, voice, caller.user_id) for piece in pieces(text, most)]
        ending = SoundEnding(identity, caller.user_id, chosen, hold_id, usual or 0, key)
        self._media.expect_file(is_video=True)

        async def work() -> SpeechOut:
            said = await self._asked(ending, [_speaking(self._provider, ask) for ask in asks])
            return await self._desk.spoken(ending, said, voice)

        return await self._done(hold_id, work())

    async def _text(self, caller: Caller, body: SpeechIn) -> str:
        if (body.text is None) == (body.answer_id is None):
            raise errors.InvalidRequest("text_or_answer", field="text")
        said = body.text
        if said is None:
            said = await self._conversations.own_answer(caller.user_id, body.answer_id or "")
        text = spoken(said)
        if not text:
            raise errors.InvalidRequest("nothing_to_read", field="text")
        if len(text) > SPEECH_MAX:
            raise errors.InvalidRequest("too_long_to_read", field="text", most=SPEECH_MAX)
        return text

    async def _model(self, caller: Caller, kind: Kind, asked_for: str | None) -> Model:
        await self._media.disk_space.require()
        return await self._preferences.model(caller.user_id, caller.role, kind, asked_for)

    async def _voice(self, caller: Caller, model: Model, asked_for: str | None) -> str:
        voices = model.info.capabilities.voices
        preferred = await self._preferences.voice(caller.user_id)
        # one that lists none is told what people say, or a name that most have
        wanted = [one for one in (asked_for, preferred) if one]
        if not voices:
            return wanted[0] if wanted else "alloy"
        by_name = {voice.lower(): voice for voice in voices}
        return next((by_name[one.lower()] for one in wanted if one.lower() in by_name), voices[0])

    async def _reserved(
        self, caller: Caller, model: Model, amount: int | None, key: str | None, digest: str
    ) -> tuple[str, str]:
        """Hold the money and take the key. Returns the ids of the hold and of the work. Raises
        `PriceUnknown`, `BudgetExceeded`, and `Conflict` while the same request is answered."""
        if amount is None:
            raise errors.PriceUnknown("price_not_known", model=model.name)
        user = await self._users.find(caller.user_id)
        if user is None:
            raise errors.NotFound("account_gone")
        identity = ids.new_id()
        want = Want(
            user_id=user.id,
            monthly_micro=user.monthly_micro,
            group=group_of(user.role, guest=user.guest),
            amount=amount,
            subject=SUBJECT + identity,
            process=self._processes.name,
        )
        try:
            async with self._budget.transaction() as sql:
                (opened,) = (await self._budget.move(sql, [], [want])).opened
                if isinstance(opened, errors.BudgetExceeded):
                    raise opened
                if key is not None:
                    named = idempotency.key_of(user.id, key)
                    claim = idempotency.Claim(named, digest, want.subject)
                    await idempotency.claim(sql, [claim], ids.now())
        except Duplicate as error:
            raise errors.Conflict("answered_already", retry_after=BUSY_SECONDS) from error
        return opened.id, identity

    async def _earlier(
        self, caller: Caller, key: str | None, digest: str, shape: type[Out]
    ) -> Out | None:
        """Return the result of the same request with this key. Raises `Conflict` while it is under
        way, and when the request was another."""
        if key is None:
            return None
        found = await idempotency.recall(self._db, idempotency.key_of(caller.user_id, key))
        if found is None:
            return None
        if found.body_hash != digest:
            raise errors.Conflict("key_of_other_request")
        if found.answer_json is None:
            raise errors.Conflict("answered_already", retry_after=BUSY_SECONDS)
        return shape.model_validate_json(found.answer_json)

    async def _with_fresh_link(self, earlier: SpeechOut) -> SpeechOut:
        audio = await self._media.fresh(earlier.audio.id)
        return earlier.model_copy(update={"audio": audio})

    async def _asked(
        self, ending: SoundEnding, calls: Sequence[Callable[[], Awaitable[Piece]]]
    ) -> list[Piece]:
        """Ask for all pieces. When one fails, what was made is booked as a failure."""
        done, failure = await asked(calls)
        if failure is None:
            return done
        spent = self._desk.spent(ending, done, len(calls), failure)
        charged = await self._desk.failed(ending, spent)
        error = domain_error(failure)
        error.charged_micro = charged
        raise error

    async def _done(self, hold_id: str, work: Awaitable[Out]) -> Out:
        """Do the work in a task of its own: who asked may go away."""
        task = asyncio.ensure_future(work)
        self._running[hold_id] = task
        task.add_done_callback(lambda _: self._running.pop(hold_id, None))
        return await asyncio.shield(task)


def _transcribing(provider: Provider, ask: TranscriptionAsk) -> Callable[[], Awaitable[Piece]]:
    async def call() -> Piece:
        heard = await provider.transcribe(ask)
        return Piece(heard.provider_id, heard.cost_micro, text=heard.text)

    return call


def _speaking(provider: Provider, ask: SpeechAsk) -> Callable[[], Awaitable[Piece]]:
    async def call() -> Piece:
        said = await provider.speak(ask)
        return Piece(said.provider_id, None, speech=said)

    return call


def _digest(kind: str, data: bytes, *more: str) -> str:
    found = hashlib.sha256(":".join((kind, *more, "")).encode())
    found.update(data)
    return found.hexdigest()
