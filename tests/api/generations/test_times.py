"""The usual duration of a model's jobs, from its own history."""

from datetime import timedelta
from pathlib import Path

from api import ids
from api.db import Db
from api.generations import store
from api.generations.reader import TYPICAL_OF, GenerationReader
from tests.api.generations.test_states import job
from tests.api.media.samples import media_in


async def test_the_usual_time_is_the_middle_half_of_the_models_own_last_jobs(
    db: Db, tmp_path: Path
) -> None:
    def reader() -> GenerationReader:
        return GenerationReader(db, media_in(db, tmp_path))

    def done(seconds: int, model: str = "m", ago: timedelta | None = None) -> store.Generation:
        begun = ids.now() - timedelta(seconds=seconds) - (ago or timedelta())
        times = {"started_at": begun, "finished_at": begun + timedelta(seconds=seconds)}
        return job(
            "completed", "done", model=model, **times, **({"id": ids.floor(begun)} if ago else {})
        )

    for seconds in (80, 100):
        await store.insert(db, done(seconds))
    for other in (done(5, model="other"), done(900, ago=TYPICAL_OF)):
        await store.insert(db, other)
    assert await reader().typical("m") is None, "two of its own say too little"
    for seconds in (60, 90, 70, 110, 500):
        await store.insert(db, done(seconds))
    assert await reader().typical("m") == (70, 110)
    waiting = job("processing", "poll", started_at=ids.now() - timedelta(seconds=55))
    await store.insert(db, waiting)
    said = await reader().status("ana", waiting.id)
    assert (said.typical_seconds, said.elapsed_seconds, said.progress) == ((70, 110), 55, 0.5)
