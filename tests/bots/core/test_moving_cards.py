"""Waiting cards move by themselves, and stop with the result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bots.core import texts
from bots.core.moving_cards import CardTimes, MovingCards, move_cards
from bots.core.types import Address, Reply, SendFailed
from client import calls
from client.schemas.deliveries import OpenCardOut, OpenCardsIn
from tests.bots.core.recording_chat import Act, Place, pumping
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUICK = CardTimes(round=0.1, idle=0.2)


@asynccontextmanager
async def moving(place: Place) -> AsyncIterator[None]:
    task = asyncio.create_task(move_cards(place.stage, place.bot, QUICK))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def moves(place: Place) -> list[Act]:
    return [act for act in place.stage.acts if act.reply.idle]


async def open_cards(place: Place, *known: str, seconds: float = 0.05) -> list[OpenCardOut]:
    return await place.bot.send(calls.open_cards(OpenCardsIn(known=list(known), seconds=seconds)))


async def test_a_card_moves_until_the_result_comes(joined: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(video=1.5)
    async with moving(joined), pumping(joined.stage, joined.bot):
        (card,) = await joined.say("/video waves")
        assert (card.quiet, card.idle) == (True, False)
        message = joined.stage.acts[-1].shown.message_ids[-1]
        await joined.stage.until(lambda: any("for " in act.reply.text for act in moves(joined)))
        moved = next(act for act in moves(joined) if "for " in act.reply.text)
        assert (moved.edited, moved.reply.card) == (message, None)
        assert [one.action for one in moved.reply.buttons[0]] == ["refresh", "cancel"]
        closed = await joined.stage.seen("Done: video")
        assert closed.edited == message
        result = next(act for act in joined.stage.acts if act.reply.files)
        assert not result.reply.quiet
        assert {"filming", "sending_video"} <= set(joined.stage.doing)
    assert await open_cards(joined) == []


async def test_the_card_of_a_process_that_died_goes_on(joined: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(video=30.0)
    (card,) = await joined.say("/video waves")
    async with moving(joined):
        await joined.stage.until(lambda: bool(moves(joined)))
    await joined.say(f"/cancel {card.card}")


async def test_an_edit_that_comes_after_the_result_is_put_right(
    joined: Place, sandbox: Sandbox
) -> None:
    """Another process closes the card while this one has its edit on the way."""
    sandbox.break_with(video=0.5)
    (card,) = await joined.say("/video waves")
    message = joined.stage.acts[-1].shown.message_ids[-1]
    mover = MovingCards(joined.stage, joined.bot, QUICK)
    (seen,) = await open_cards(joined)
    async with pumping(joined.stage, joined.bot):
        await joined.stage.seen("Done: video")
        await mover._move(seen)
        assert "Done" not in joined.stage.last.text

        async def closed() -> bool:
            return (await open_cards(joined, card.card or ""))[0].closed

        await joined.stage.until_true(closed)
    await mover._round()
    assert joined.stage.acts[-1].edited == message
    assert "Done: video" in joined.stage.last.text


async def test_one_process_moves_the_cards_and_a_card_out_of_reach_is_left(
    joined: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(video=30.0)
    (card,) = await joined.say("/video waves")
    assert len(await open_cards(joined, seconds=5.0)) == 1
    assert await open_cards(joined, seconds=5.0) == []
    assert len(await open_cards(joined, card.card or "", seconds=5.0)) == 1
    await joined.api.services.db.execute("DELETE FROM leases")

    tries = 0

    async def gone(_to: Address, reply: Reply) -> None:
        nonlocal tries
        if reply.idle:
            tries += 1
            raise SendFailed("message_gone", final=True)

    joined.stage.trouble = gone
    mover = MovingCards(joined.stage, joined.bot, CardTimes(round=0.1))
    for _ in range(3):
        await mover._round()
        await asyncio.sleep(0.1)
    assert tries == 1
    joined.stage.trouble = None
    await joined.say(f"/cancel {card.card}")


async def test_a_card_says_when_the_result_is_on_its_way(joined: Place) -> None:
    (card,) = await joined.say("/image a fox")
    (seen, *_) = [one for one in await until_finished(joined, card.card or "") if not one.closed]
    await MovingCards(joined.stage, joined.bot, QUICK)._move(seen)
    assert texts.accepted(seen.generation) == joined.stage.last.text
    assert "on its way" in joined.stage.last.text
    assert joined.stage.last.buttons == ()
    assert joined.stage.doing[-1] == "sending_image"


async def until_finished(place: Place, generation_id: str) -> list[OpenCardOut]:
    found: list[OpenCardOut] = []

    async def finished() -> bool:
        found[:] = await open_cards(place, generation_id)
        return found[0].generation.status == "completed"

    await place.stage.until_true(finished)
    return found
