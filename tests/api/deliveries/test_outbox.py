"""The outbox on both engines: a delivery is leased once, returns after its lease, is never held by
two bots, and ends only for good reasons."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from api.db import Db, Duplicate
from api.deliveries import store
from api.deliveries.fallback import UNCERTAIN_WAIT
from api.deliveries.schemas import AckIn, DeliveryOut, FailIn, Notice
from api.deliveries.service import LEASE, DeliveryService
from api.deliveries.store import DeliveryTarget
from api.errors import Conflict
from api.ids import now
from api.wake import Wake
from tests.api.auth.account_services import deliveries_of


async def here() -> bool:
    return False


async def gone() -> bool:
    return True


@pytest.fixture
def wake() -> Wake:
    return Wake()


@pytest.fixture
def deliveries(db: Db, wake: Wake) -> DeliveryService:
    return deliveries_of(db, wake)


async def tell(
    deliveries: DeliveryService,
    db: Db,
    text: str = "hello",
    platform: str = "telegram",
    chat: str = "c1",
) -> None:
    async with db.transaction() as sql:
        await deliveries.outbox.notify(
            sql, platform=platform, chat_id=chat, code="linked", facts={"account_hint": text}
        )
    deliveries.outbox.ring(platform)


async def claim(
    deliveries: DeliveryService, platform: str = "telegram", wait: float = 0
) -> list[DeliveryOut]:
    return await deliveries.claim(platform, wait, 10, here)


async def test_a_notice_is_claimed_with_its_facts(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db)
    (delivery,) = await claim(deliveries)
    assert delivery.event == Notice(code="linked", facts={"account_hint": "hello"})
    seen = (delivery.address.platform, delivery.address.chat_id, delivery.attempt)
    assert seen == ("telegram", "c1", 1)


async def test_a_leased_row_is_nobody_elses(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db)
    assert len(await claim(deliveries)) == 1
    assert await claim(deliveries) == []


async def test_each_platform_has_its_own_rows(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db, platform="discord")
    assert await claim(deliveries, "telegram") == []
    assert len(await claim(deliveries, "discord")) == 1


async def test_a_waiting_claim_returns_when_something_comes(
    deliveries: DeliveryService, db: Db
) -> None:
    waiting = asyncio.create_task(claim(deliveries, wait=25))
    await asyncio.sleep(0)
    await tell(deliveries, db)
    assert len(await asyncio.wait_for(waiting, 20)) == 1


async def test_nothing_is_claimed_for_a_bot_that_hung_up(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    assert await deliveries.claim("telegram", 0, 10, gone) == []
    assert len(await claim(deliveries)) == 1


async def test_sixteen_claimers_share_fifty_rows_without_a_double(
    deliveries: DeliveryService, db: Db
) -> None:
    for number in range(50):
        await tell(deliveries, db, str(number), chat=f"c{number}")
    batches = await asyncio.gather(*[deliveries.claim("telegram", 0, 5, here) for _ in range(16)])
    batches += [await deliveries.claim("telegram", 0, 50, here)]
    ids = [delivery.id for batch in batches for delivery in batch]
    assert len(ids) == len(set(ids)) == 50


async def test_without_an_ack_it_comes_again_and_the_first_lease_is_over(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    (first,) = await claim(deliveries)
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        (second,) = await claim(deliveries)
        assert (second.id, second.attempt) == (first.id, 2)
        with pytest.raises(Conflict):
            await deliveries.ack("telegram", first.id, AckIn(lease=first.lease))
        await deliveries.ack("telegram", second.id, AckIn(lease=second.lease, message_ids=["7"]))
    with time_machine.travel(now() + timedelta(hours=1)):
        assert await claim(deliveries) == []


async def test_a_bot_whose_lease_is_over_fails_nothing(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db)
    (first,) = await claim(deliveries)
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        (second,) = await claim(deliveries)
        with pytest.raises(Conflict):
            await deliveries.fail(
                "telegram", first.id, FailIn(lease=first.lease, reason="flood", retry_after=1)
            )
        row = await store.get(db, second.id)
        assert row is not None
        assert row.lease == second.lease


async def test_a_row_that_another_writer_has_moved_stays_where_it_is(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    (first,) = await claim(deliveries)
    seen = await store.get(db, first.id)
    assert seen is not None
    await deliveries.ack("telegram", first.id, AckIn(lease=first.lease, message_ids=["7"]))
    assert not await store.move(db, seen, replace(seen, state="inbox"))
    row = await store.get(db, first.id)
    assert row is not None
    assert row.state == "done"


async def test_another_platforms_bot_cannot_ack(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db)
    (delivery,) = await claim(deliveries)
    with pytest.raises(Conflict):
        await deliveries.ack("discord", delivery.id, AckIn(lease=delivery.lease))


async def test_the_platforms_wait_is_obeyed(deliveries: DeliveryService, db: Db) -> None:
    await tell(deliveries, db)
    (delivery,) = await claim(deliveries)
    at = now()
    await deliveries.fail(
        "telegram", delivery.id, FailIn(lease=delivery.lease, reason="flood", retry_after=300)
    )
    with time_machine.travel(at + timedelta(seconds=290)):
        assert await claim(deliveries) == []
    with time_machine.travel(at + timedelta(seconds=310)):
        assert len(await claim(deliveries)) == 1


async def test_an_uncertain_one_is_tried_once_more_and_then_let_be(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    (first,) = await claim(deliveries)
    at = now()
    await deliveries.fail(
        "telegram", first.id, FailIn(lease=first.lease, reason="unclear", uncertain=True)
    )
    with time_machine.travel(at + UNCERTAIN_WAIT + timedelta(seconds=2)):
        (second,) = await claim(deliveries)
        await deliveries.fail(
            "telegram", second.id, FailIn(lease=second.lease, reason="unclear", uncertain=True)
        )
    with time_machine.travel(at + timedelta(days=1)):
        assert await claim(deliveries) == []
    row = await db.fetch_one("SELECT state, reason FROM deliveries")
    assert row == {"state": "dead", "reason": "unclear"}


async def test_a_delivery_that_a_chat_can_never_take_is_dead_with_its_reason(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    (delivery,) = await claim(deliveries)
    await deliveries.fail(
        "telegram",
        delivery.id,
        FailIn(lease=delivery.lease, reason="blocked_by_user", said="bot was blocked", final=True),
    )
    found = await db.fetch_one("SELECT state, reason, said FROM deliveries")
    assert found == {"state": "dead", "reason": "blocked_by_user", "said": "bot was blocked"}


async def test_a_row_from_before_there_were_reasons_keeps_its_words(
    deliveries: DeliveryService, db: Db
) -> None:
    await tell(deliveries, db)
    (delivery,) = await claim(deliveries)
    tried = {"at": now().isoformat(), "platform": "telegram", "chat_id": "c1", "private": False}
    await db.execute(
        "UPDATE deliveries SET reason = $1, trail_json = $2",
        "bot was kicked",
        json.dumps([{**tried, "outcome": "failed", "reason": "flood of words", "times": 3}]),
    )
    row = await store.get(db, delivery.id)
    assert row is not None
    (first,) = row.trail
    assert (row.reason, row.said) == ("earlier", "bot was kicked")
    assert (first.reason, first.said, first.times) == ("earlier", "flood of words", 3)
    await deliveries.fail(
        "telegram", delivery.id, FailIn(lease=delivery.lease, reason="topic_gone", said="No topic")
    )
    row = await store.get(db, delivery.id)
    assert row is not None
    assert (row.reason, row.said, row.trail[0]) == ("topic_gone", "No topic", first)


async def test_an_event_is_written_once_per_chat(deliveries: DeliveryService, db: Db) -> None:
    async def announce() -> None:
        async with db.transaction() as sql:
            await deliveries.outbox.announce(
                sql, "g1", DeliveryTarget("telegram", "c1"), "generation_completed"
            )

    await announce()
    with pytest.raises(Duplicate):
        await announce()


async def test_the_delivery_of_a_deleted_generation_ends(
    deliveries: DeliveryService, db: Db
) -> None:
    async with db.transaction() as sql:
        await deliveries.outbox.announce(
            sql, "g1", DeliveryTarget("telegram", "c1"), "generation_completed"
        )
    assert await claim(deliveries) == []
    row = await db.fetch_one("SELECT state FROM deliveries")
    assert row == {"state": "dead"}
