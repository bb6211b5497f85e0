"""The order within a chat, on both engines: nothing overtakes, no chat takes all claims, and
nothing is claimed twice."""

import asyncio
from datetime import timedelta

import pytest
import time_machine

from api.db import Db
from api.deliveries import fallback
from api.deliveries.fallback import BACKOFF_MAX, MISHAPS_MAX, PASSED_AFTER, UNCERTAIN_WAIT
from api.deliveries.schemas import AckIn, BeginIn, DeliveryOut, FailIn
from api.deliveries.service import LEASE, PER_LANE, DeliveryService
from api.ids import now
from api.wake import Wake
from tests.api.auth.account_services import deliveries_of


@pytest.fixture
def deliveries(db: Db) -> DeliveryService:
    return deliveries_of(db, Wake())


async def tell(deliveries: DeliveryService, db: Db, *names: str, chat: str = "c1") -> None:
    for name in names:
        async with db.transaction() as sql:
            await deliveries.outbox.notify(
                sql, platform="telegram", chat_id=chat, code="linked", facts={"account_hint": name}
            )


async def claim(deliveries: DeliveryService, limit: int = 10, wait: float = 0) -> list[DeliveryOut]:
    async def here() -> bool:
        return False

    return await deliveries.claim("telegram", wait, limit, here)


def names(found: list[DeliveryOut]) -> list[str]:
    return [one.event.facts["account_hint"] for one in found if one.event.type == "notice"]


async def settle(deliveries: DeliveryService, one: DeliveryOut, **fail: object) -> None:
    if fail:
        await deliveries.fail(
            "telegram",
            one.id,
            FailIn.model_validate({"lease": one.lease, "reason": "unclear", **fail}),
        )
    else:
        await deliveries.ack("telegram", one.id, AckIn(lease=one.lease))


async def test_nothing_overtakes_what_waits_for_its_next_try(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "a", "b")
    await tell(deliveries, db, "x", chat="c2")
    (a, b, x) = await claim(deliveries)
    await settle(deliveries, b, untried=True)
    await settle(deliveries, a, retry_after=30)
    await settle(deliveries, x)
    assert await claim(deliveries) == []
    with time_machine.travel(now() + timedelta(seconds=31)):
        assert names(await claim(deliveries)) == ["a", "b"]


async def later(deliveries: DeliveryService, seconds: float) -> list[str]:
    with time_machine.travel(now() + timedelta(seconds=seconds)):
        found = await claim(deliveries)
        for one in found:
            await settle(deliveries, one, untried=True)
        return names(found)


async def test_an_unclear_end_holds_up_others_for_seconds_only(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "a", "b", "c", "d", "e")
    (a, b, c) = await claim(deliveries)
    await settle(deliveries, b, untried=True)
    await settle(deliveries, c, untried=True)
    await settle(deliveries, a, uncertain=True)
    passed, again = PASSED_AFTER.total_seconds(), UNCERTAIN_WAIT.total_seconds()
    assert await later(deliveries, passed - 1) == []
    assert await later(deliveries, passed + 1) == ["b", "c", "d"], (
        "and it takes none of its chat's places"
    )
    assert await later(deliveries, again - 1) == ["b", "c", "d"]
    assert await later(deliveries, again + 1) == ["a", "b", "c"]
    with time_machine.travel(now() + timedelta(seconds=again + 1)):
        (a,) = await claim(deliveries, 1)
        await deliveries.begin("telegram", a.id, BeginIn(lease=a.lease))
        assert await claim(deliveries) == [], "it is being sent: nothing goes before it now"


async def test_they_come_when_the_seconds_are_over_without_another_bell(
    deliveries: DeliveryService, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "PASSED_AFTER", timedelta(seconds=0.3))
    await tell(deliveries, db, "a", "b")
    (a, b) = await claim(deliveries)
    await settle(deliveries, b, untried=True)
    await settle(deliveries, a, uncertain=True)
    began = asyncio.get_running_loop().time()
    assert names(await claim(deliveries, wait=20)) == ["b"]
    assert asyncio.get_running_loop().time() - began < 0.9, (
        "it came by a look at the clock, not when it was due"
    )


async def test_nothing_passes_a_delivery_that_the_chat_asks_to_wait_with(
    deliveries: DeliveryService, db: Db
) -> None:
    """This holds after an unclear end too, and on a platform that shows a copy only once."""
    await tell(deliveries, db, "a", "b")
    for fail in ({"retry_after": 30}, {"uncertain": True, "retry_after": 30}, {"retry_after": 30}):
        await db.execute("UPDATE deliveries SET due_at = $1", now())
        (a, b) = await claim(deliveries)
        await settle(deliveries, b, untried=True)
        await settle(deliveries, a, **fail)
        assert await later(deliveries, 29) == []
    assert await later(deliveries, 31) == ["a", "b"]


async def test_notices_of_the_same_generation_do_not_overtake(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "g1", "other", "g2")
    await db.execute(
        "UPDATE deliveries SET generation_id = 'g' "
        "WHERE notice_json LIKE '%g1%' OR notice_json LIKE '%g2%'"
    )
    (first, other, second) = await claim(deliveries)
    assert names([first, other, second]) == ["g1", "other", "g2"]
    await settle(deliveries, other, untried=True)
    await settle(deliveries, second, untried=True)
    await settle(deliveries, first, uncertain=True)
    assert await later(deliveries, 6) == ["other"]
    assert await later(deliveries, 61) == ["g1", "other", "g2"]


async def test_nothing_overtakes_what_is_being_sent(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db, "a", "b")
    (a,) = await claim(deliveries, 1)
    await deliveries.begin("telegram", a.id, BeginIn(lease=a.lease))
    assert await claim(deliveries) == []
    await settle(deliveries, a)
    assert names(await claim(deliveries)) == ["b"]


async def test_the_next_one_comes_as_soon_as_the_one_before_is_shown(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "a", "b")
    (a,) = await claim(deliveries, 1)
    await deliveries.begin("telegram", a.id, BeginIn(lease=a.lease))
    waiting = asyncio.create_task(claim(deliveries, wait=25))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    began = asyncio.get_running_loop().time()
    await settle(deliveries, a)
    assert names(await asyncio.wait_for(waiting, 20)) == ["b"]
    assert asyncio.get_running_loop().time() - began < 0.9, (
        "it came by a look at the clock, not by the ring"
    )


async def test_another_thread_of_the_chat_does_not_wait(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "a", "b")
    await db.execute("UPDATE deliveries SET thread_id = '7' WHERE notice_json LIKE '%\"b%'")
    (a, b) = await claim(deliveries)
    await settle(deliveries, a, retry_after=30)
    await settle(deliveries, b, untried=True)
    assert names(await claim(deliveries)) == ["b"]


async def test_a_chat_with_many_leaves_room_for_the_others(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, *"abcdefgh")
    await tell(deliveries, db, "x", chat="c2")
    assert sorted(names(await claim(deliveries, 2))) == ["a", "x"]
    assert names(await claim(deliveries)) == ["b", "c"]
    assert await claim(deliveries) == []
    assert PER_LANE == 3


async def test_an_untried_delivery_goes_back_unchanged(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db, "a")
    (first,) = await claim(deliveries)
    await settle(deliveries, first, untried=True)
    (again,) = await claim(deliveries)
    assert (again.attempt, again.maybe_shown) == (1, False)
    row = await db.fetch_one("SELECT mishaps, reason, trail_json FROM deliveries")
    assert row == {"mishaps": 0, "reason": None, "trail_json": None}


async def test_tries_grow_rarer_up_to_a_bound(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db, "a")
    at, waits = now(), []
    for _ in range(9):
        with time_machine.travel(at, tick=False):
            (one,) = await claim(deliveries)
            await settle(deliveries, one, uncertain=False)
            row = await db.fetch_one("SELECT due_at FROM deliveries")
            assert row is not None
            waits.append((row["due_at"] - now()).total_seconds())
        at = row["due_at"]
    assert waits == [2, 4, 8, 16, 32, 64, BACKOFF_MAX.total_seconds(), 120, 120]


async def test_a_shown_result_only_has_its_card_left(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db, "a", "b")
    (a,) = await claim(deliveries, 1)
    await deliveries.ack("telegram", a.id, AckIn(lease=a.lease, message_ids=["7"], card_open=True))
    await settle(deliveries, a, retry_after=30)
    with time_machine.travel(now() + timedelta(seconds=31)):
        (again, _b) = await claim(deliveries)
        assert (again.id, again.shown) == (a.id, True)
        await settle(deliveries, again, final=True)
    row = await db.fetch_one("SELECT state, message_ids_json FROM deliveries WHERE id = $1", a.id)
    assert row == {"state": "done", "message_ids_json": '["7"]'}


async def test_many_bots_share_the_chats_without_a_double(
    deliveries: DeliveryService, db: Db
) -> None:
    chats = [f"c{number}" for number in range(4)]
    for chat in chats:
        await tell(deliveries, db, *"abc", chat=chat)
    shown: list[str] = []

    async def bot() -> None:
        while found := await claim(deliveries, 1):
            for one in found:
                await deliveries.begin("telegram", one.id, BeginIn(lease=one.lease))
                shown.append(one.address.chat_id + names([one])[0])
                await settle(deliveries, one)

    while len(shown) < 12:
        await asyncio.gather(*[bot() for _ in range(8)])
    assert sorted(shown) == sorted(chat + name for chat in chats for name in "abc")


async def test_a_bot_that_dies_again_and_again_costs_what_waited_behind_nothing(
    deliveries: DeliveryService, db: Db
) -> None:
    """Only the head of a lane may be what the bot dies of."""
    await tell(deliveries, db, "a", "b", "c")
    at = now()
    for _ in range(MISHAPS_MAX):
        with time_machine.travel(at, tick=False):
            assert names(await claim(deliveries)) == ["a", "b", "c"]
        at += LEASE + timedelta(seconds=1)
    with time_machine.travel(at, tick=False):
        assert names(await claim(deliveries)) == ["b", "c"]
    states = await db.fetch("SELECT state, mishaps FROM deliveries ORDER BY id")
    assert [(row["state"] == "pending", row["mishaps"]) for row in states] == [
        (False, MISHAPS_MAX),
        (True, 0),
        (True, 0),
    ]


async def test_what_was_being_sent_when_its_bot_died_counts_behind_another_as_well(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db, "a", "b")
    (a, b) = await claim(deliveries)
    await deliveries.begin("telegram", b.id, BeginIn(lease=b.lease))
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        found = await claim(deliveries)
    assert [(one.id, one.maybe_shown) for one in found] == [(a.id, False), (b.id, True)]
    rows = await db.fetch("SELECT mishaps FROM deliveries ORDER BY id")
    assert [row["mishaps"] for row in rows] == [1, 1]
