"""Rows as their owners see them: with media links, place in the queue and usual times."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from api.db import Db
from api.deliveries.service import About
from api.errors import NotFound
from api.generations import store, transitions
from api.generations.larger_sizes import larger_size
from api.generations.schemas import ErrorOut, GenerationOut, InputOut, MediaOut, StatusOut
from api.generations.store import Generation, Listed
from api.ids import now
from api.media.service import MediaService
from api.provider.schemas import Capabilities
from api.schemas import Kind, usd

_PLAIN = GenerationOut.model_fields.keys() & {field.name for field in fields(Listed)}
"""The columns that are shown as they are."""
_STATUS = StatusOut.model_fields.keys() - {"video_url", "progress"}
Able = Callable[[Kind, str], Capabilities | None]
TYPICAL_KEPT = timedelta(minutes=1)
TYPICAL_OF = timedelta(days=30)
TYPICAL_LEAST = 3
"""Fewer finished generations than this say nothing about the usual time."""


class GenerationReader:
    """Reads generations and writes nothing. `able`: the capabilities of a model that is offered
    now."""

    def __init__(
        self, db: Db, media: MediaService, able: Able = lambda _kind, _model: None
    ) -> None:
        self._db = db
        self._media = media
        self._able = able
        self._typical: dict[str, tuple[datetime, tuple[int, int] | None]] = {}

    async def owned(self, user_id: str, generation_id: str) -> Generation:
        """Return the user's generation by id or short id. Another user's is as unknown as none:
        `NotFound`."""
        found = await self.known(generation_id)
        if found.user_id != user_id:
            raise NotFound("generation_unknown")
        return found

    async def known(self, generation_id: str) -> Generation:
        """Return anybody's generation by id or short id. Raises `NotFound`."""
        found = await store.get(self._db, generation_id)
        found = found or await store.by_short_id(self._db, generation_id.lower())
        if found is None:
            raise NotFound("generation_unknown")
        return found

    async def one(self, user_id: str, generation_id: str) -> GenerationOut:
        row = await self.owned(user_id, generation_id)
        out = (await self.outs([row]))[0]
        images = await self._media.own_images(user_id, [one.media_id for one in row.inputs])
        out.inputs = [
            InputOut(image=images.get(one.media_id), frame=one.frame) for one in row.inputs
        ]
        if row.parent_id is not None:
            out.parent_deleted = await store.get(self._db, row.parent_id) is None
        return out

    async def render(self, ids: Sequence[str]) -> Mapping[str, About]:
        """Return the views of generations for the outbox, by id."""
        rows = await store.by_ids(self._db, ids) if ids else []
        outs = await self.outs(rows)
        return {
            row.id: About(out, row.user_id, row.platform, row.chat_id, row.card_message_id)
            for row, out in zip(rows, outs, strict=True)
        }

    async def outs(self, rows: Sequence[Listed]) -> list[GenerationOut]:
        media = await self.files(rows)
        queued = [row.id for row in rows if row.status == "queued"]
        positions = await transitions.queue_positions(self._db, queued, now()) if queued else {}
        outs = []
        for row in rows:
            files = media.get(row.id, [])
            first = files[0] if files else None
            video = first if row.kind == "video" else None
            outs.append(
                GenerationOut(
                    **{name: getattr(row, name) for name in _PLAIN},
                    images=files if row.kind == "image" else [],
                    video=video,
                    video_url=video.url if video else None,
                    thumbnail_url=first.thumbnail_url if first else None,
                    larger_size=self._larger(row, first),
                    error=error_of(row),
                    cost_usd=usd(row.cost_micro) if row.cost_micro is not None else None,
                    estimate_usd=usd(row.estimate_micro),
                    refunded=row.refunded_at is not None,
                    needs_review=row.phase == "needs_review" and not row.finished,
                    queue_position=positions.get(row.id, 1) if row.status == "queued" else None,
                    waiting="provider" if row.waits_for_provider else None,
                    elapsed_seconds=elapsed(row),
                    typical_seconds=None if row.finished else await self.typical(row.model),
                )
            )
        return outs

    def _larger(self, row: Listed, first: MediaOut | None) -> str | None:
        if row.kind != "image" or first is None:
            return None
        return larger_size(self._able(row.kind, row.model), first)

    async def files(self, rows: Sequence[Listed]) -> dict[str, list[MediaOut]]:
        """Return the files by generation, in order; generations without files are left out."""
        done = [row for row in rows if row.status == "completed"]
        found = await self._media.of_generations([row.id for row in done if row.files_json is None])
        return found | {
            row.id: self._media.shown(row.files_json) for row in done if row.files_json is not None
        }

    async def status(self, user_id: str, generation_id: str) -> StatusOut:
        row = await self.owned(user_id, generation_id)
        out = (await self.outs([row]))[0]
        files = [*out.images, out.video]
        return StatusOut(
            **{name: getattr(out, name) for name in _STATUS},
            video_url=files[0].url if files[0] else None,
            progress=1.0 if row.status == "completed" else await self._progress(row),
        )

    async def _progress(self, row: Generation) -> float | None:
        typical = await self.typical(row.model)
        if row.finished or row.started_at is None or typical is None:
            return None
        return min(0.95, round((now() - row.started_at).total_seconds() / max(1, typical[1]), 2))

    async def typical(self, model: str) -> tuple[int, int] | None:
        """Return the middle half of the model's last times, in seconds; None while there are too
        few."""
        kept = self._typical.get(model)
        if kept and kept[0] > now():
            return kept[1]
        seconds = await store.recent_seconds(self._db, model, now() - TYPICAL_OF)
        found = None
        if len(seconds) >= TYPICAL_LEAST:
            low, _, high = statistics.quantiles(seconds, n=4)
            found = (round(low), max(round(high), round(low) + 1))
        self._typical[model] = (now() + TYPICAL_KEPT, found)
        return found


def elapsed(row: Listed) -> int | None:
    """Return the seconds since it left the queue, until now or its end."""
    if row.started_at is None:
        return None
    return max(0, round(((row.finished_at or now()) - row.started_at).total_seconds()))


def error_of(row: Listed) -> ErrorOut | None:
    if row.error_code is None:
        return None
    return ErrorOut(
        code=row.error_code,
        message=row.error_message or "",
        reason=row.error_reason or "earlier",
        params=row.error_params,
        charged_usd=None if row.charged_micro is None else usd(row.charged_micro),
    )
