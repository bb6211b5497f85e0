"""The end of a request: its cost is booked, and its result kept, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from api.budget.service import BudgetService
from api.catalog.model import Model
from api.db import Sql
from api.errors import DomainError
from api.media.service import KeptFile, MediaService
from api.provider.types import ProviderError
from api.schemas import usd
from api.sound.calls import Piece
from api.sound.schemas import SpeechOut, TranscriptOut
from api.text import idempotency
from api.text.cost_lookups import Lookups, Unpriced
from api.text.endings import patiently

log = structlog.get_logger("sound")
SUBJECT = "sound:"


@dataclass(frozen=True, slots=True)
class SoundEnding:
    """The work that ends. `usual_micro`: the cost that is booked until the provider names it."""

    id: str
    user_id: str
    model: Model
    hold_id: str
    usual_micro: int
    key: str | None


class SoundDesk:
    def __init__(
        self, budget: BudgetService, media: MediaService, lookups: Lookups, *, sandbox: bool
    ) -> None:
        self._budget = budget
        self._media = media
        self._lookups = lookups
        self._sandbox = sandbox

    async def transcribed(
        self, ending: SoundEnding, heard: Sequence[Piece], seconds: float
    ) -> TranscriptOut:
        cost = _cost(ending, heard)
        out = TranscriptOut(
            id=ending.id,
            text=" ".join(piece.text for piece in heard if piece.text),
            seconds=round(seconds, 3),
            model=ending.model.id,
            cost_usd=usd(cost),
            sandbox=self._sandbox,
        )
        await self._settled(ending, heard, cost, out.model_dump_json())
        return out

    async def spoken(self, ending: SoundEnding, said: Sequence[Piece], voice: str) -> SpeechOut:
        """Raises what the store raises, after the cost is booked as that of a failure."""
        cost = _cost(ending, said)
        parts = [piece.speech for piece in said if piece.speech is not None]
        try:
            kept, shape = await self._media.keep_speech(ending.user_id, parts)
        except (DomainError, OSError) as error:
            charged = await self.failed(ending, cost)
            if isinstance(error, DomainError):
                error.charged_micro = charged
            raise
        out = SpeechOut(
            id=ending.id,
            audio=self._media.shown(self._media.listed([kept]))[0],
            waveform="" if shape is None else shape.waveform,
            model=ending.model.id,
            voice=voice,
            cost_usd=usd(cost),
            sandbox=self._sandbox,
        )
        await self._settled(ending, said, cost, out.model_dump_json(), kept)
        return out

    def spent(
        self, ending: SoundEnding, done: Sequence[Piece], calls: int, failure: ProviderError
    ) -> int | None:
        """Return the cost of a request of which a call failed. A call whose answer broke off has
        its part of the usual cost where the provider had begun with it."""
        each = -(-ending.usual_micro // calls)
        costs = [each if piece.cost_micro is None else piece.cost_micro for piece in done]
        if failure.cost_micro is not None:
            costs.append(failure.cost_micro)
        elif failure.outcome == "unknown" and failure.provider_id is not None:
            costs.append(each)
        return sum(costs) or None

    async def failed(self, ending: SoundEnding, cost: int | None) -> int:
        """Close the hold, free the key, and return what the person pays."""

        async def write() -> int:
            async with self._budget.transaction() as sql:
                paid = await self._budget.fail(
                    sql,
                    ending.hold_id,
                    cost_micro=cost,
                    kind=ending.model.kind,
                    model=ending.model.id,
                )
                await idempotency.free(sql, [SUBJECT + ending.id])
                return paid

        return await patiently(write)

    async def _settled(
        self,
        ending: SoundEnding,
        done: Sequence[Piece],
        cost: int,
        answer_json: str,
        kept: KeptFile | None = None,
    ) -> None:
        async def write() -> None:
            async with self._budget.transaction() as sql:
                is_new = await self._budget.settle(
                    sql,
                    ending.hold_id,
                    cost_micro=cost,
                    kind=ending.model.kind,
                    model=ending.model.id,
                )
                if is_new:  # else it is the repetition of one whose commit was done
                    await self._keep(sql, ending, done, answer_json, kept)

        await patiently(write)
        if _unpriced(done):
            self._lookups.wake()

    async def _keep(
        self,
        sql: Sql,
        ending: SoundEnding,
        done: Sequence[Piece],
        answer_json: str,
        kept: KeptFile | None,
    ) -> None:
        if kept is not None:
            await self._media.record(sql, kept)
        if names := _unpriced(done):
            model = ending.model
            about = Unpriced(ending.id, ending.user_id, ending.hold_id, model.id, model.kind)
            await self._lookups.add(sql, about, names)
        if ending.key is not None:
            named = idempotency.key_of(ending.user_id, ending.key)
            await idempotency.keep(sql, [(named, SUBJECT + ending.id, answer_json)])


def _cost(ending: SoundEnding, done: Sequence[Piece]) -> int:
    costs = [piece.cost_micro for piece in done if piece.cost_micro is not None]
    return sum(costs) if len(costs) == len(done) else ending.usual_micro


def _unpriced(done: Sequence[Piece]) -> str:
    """Return the names of all calls when one did not say its cost, and every one has a name."""
    names = [piece.provider_id for piece in done if piece.provider_id is not None]
    said = all(piece.cost_micro is not None for piece in done)
    return "" if said or len(names) < len(done) else " ".join(names)
