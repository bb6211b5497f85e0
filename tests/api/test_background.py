"""Background work: its errors are logged at once and it goes on; an error for which there is no
going on ends the process."""

import asyncio

import pytest
from structlog.testing import capture_logs

from api.background import BROKEN_AFTER, Background
from api.db import DbUnavailable
from api.metrics import Metrics


class Steps:
    """Work whose turns end as given, one after another, and then wait."""

    def __init__(self, *ends: BaseException | None) -> None:
        self._ends = list(ends)
        self.over = asyncio.Event()

    async def turn(self) -> float:
        if not self._ends:
            self.over.set()
            return 3600.0
        if (end := self._ends.pop(0)) is not None:
            raise end
        return 0.0


def counted(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value("allucanget_background_failures_total", {"work": name})


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ZeroDivisionError(), DbUnavailable("away"), TimeoutError(), RecursionError()],
)
async def test_any_error_is_said_at_once_and_the_work_goes_on(error: Exception) -> None:
    metrics = Metrics()
    background = Background(metrics)
    turns = Steps(None, error, error, None)
    with capture_logs() as logs:
        background.add("purge", turns.turn, least=0.001)
        assert counted(metrics, "purge") == 0
        await turns.over.wait()
    assert counted(metrics, "purge") == 2
    assert [(entry["event"], entry.get("times")) for entry in logs if entry["work"] == "purge"] == [
        ("background_failed", 1), ("background_failed", 2), ("background_goes_on", None),
    ]  # fmt: skip
    assert not background.failing
    assert not background.broken.is_set()
    await background.close()


async def test_failing_work_is_named_until_it_goes_well_and_waits_longer_each_time() -> None:
    background = Background(Metrics())
    turns = Steps(
        DbUnavailable("the disk is gone"), ValueError("a person's own words"), ValueError("x")
    )
    named: list[str | None] = []

    async def turn() -> float:
        named.append(background.failing.get("purge"))
        return await turns.turn()

    with capture_logs() as logs:
        background.add("purge", turn, least=0.001, most=0.002)
        await turns.over.wait()
    assert named == [
        None,
        "failed: the disk is gone",
        "failed 2 times in a row: ValueError",
        "failed 3 times in a row: ValueError",
    ]
    assert [entry["again_in"] for entry in logs if "again_in" in entry] == [0.001, 0.002, 0.002]
    assert not background.failing
    await background.close()


async def test_work_that_is_needed_and_breaks_again_and_again_ends_the_process() -> None:
    background = Background(Metrics())
    background.add(
        "worker", Steps(*[KeyError()] * BROKEN_AFTER).turn, least=0.0001, most=0.0001, needed=True
    )
    background.add("purge", Steps(*[KeyError()] * BROKEN_AFTER).turn, least=0.0001, most=0.0001)
    await asyncio.wait_for(background.broken.wait(), 5)
    await background.close()


async def test_an_outage_never_ends_the_process_and_what_is_needed_is_told_apart() -> None:
    background = Background(Metrics())
    errors: list[Exception] = (
        [DbUnavailable("away")] * (BROKEN_AFTER + 5)
        + [KeyError()] * (BROKEN_AFTER - 1)
        + [OSError()]
    )
    worked: list[bool] = []
    turns, other = Steps(*errors), Steps(*[KeyError()] * (BROKEN_AFTER + 5))

    async def turn() -> float:
        worked.append(background.works)
        return await turns.turn()

    background.add("worker", turn, least=0.0001, most=0.0001, needed=True)
    background.add("purge", other.turn, least=0.0001, most=0.0001)
    await asyncio.gather(turns.over.wait(), other.over.wait())
    assert worked == [True] + [False] * len(errors)
    assert background.works
    assert not background.broken.is_set()
    await background.close()


async def test_work_that_is_ended_by_anything_but_the_stop_ends_the_process() -> None:
    background = Background(Metrics())
    background.add("deliveries", Steps(asyncio.CancelledError()).turn)
    await asyncio.wait_for(background.broken.wait(), 5)
    await background.close()
    quiet = Background(Metrics())
    quiet.add("deliveries", Steps().turn)
    await quiet.close()
    assert not quiet.broken.is_set()


async def test_a_stop_ends_work_that_turns_its_cancel_into_an_error() -> None:
    """A transaction does this if its connection breaks while it is rolled back."""
    background = Background(Metrics())
    begun = asyncio.Event()

    async def turn() -> float:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            raise DbUnavailable("gone") from error
        else:
            return 0.0

    background.add("worker", turn, least=3600)
    await begun.wait()
    await asyncio.wait_for(background.close(), 5)


async def test_work_that_is_done_once_fails_as_loudly() -> None:
    metrics = Metrics()
    background = Background(metrics)

    async def work(error: Exception | None) -> None:
        if error:
            raise error

    with capture_logs() as logs:
        await background.once("step", work(KeyError()), job="j1")
    assert (logs[0]["job"], logs[0]["log_level"], counted(metrics, "step")) == ("j1", "error", 1)
    assert background.failing
    await background.once("step", work(None), job="j2")
    assert not background.failing
