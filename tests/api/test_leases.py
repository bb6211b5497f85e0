"""Leases on both engines: one holder at a time, and a fence for those who lost one."""

import asyncio

from api.db import Db
from api.leases import Leases

LONG = 60.0


async def expire(db: Db, name: str) -> None:
    query = "UPDATE leases SET held_until = now() - INTERVAL '1 second' WHERE name = $1"
    await db.execute(query, name)


async def test_one_holder_has_a_lease_and_renews_it(db: Db) -> None:
    leases = Leases(db)
    first = await leases.take("poller", "a", 1.0)
    assert first is not None
    assert (first.name, first.holder, first.fence) == ("poller", "a", 1)
    assert await leases.take("poller", "b", LONG) is None
    assert await leases.take("other", "b", LONG) is not None
    renewed = await leases.take("poller", "a", LONG)
    assert renewed is not None
    assert renewed.fence == first.fence
    assert renewed.held_until > first.held_until


async def test_a_lease_that_is_over_goes_to_the_next_with_a_higher_fence(db: Db) -> None:
    leases = Leases(db)
    await leases.take("poller", "a", LONG)
    await expire(db, "poller")
    renewed = await leases.take("poller", "a", LONG)
    assert renewed is not None
    assert renewed.fence == 1, "nobody had it meanwhile"
    await expire(db, "poller")
    taken = await leases.take("poller", "b", LONG)
    assert taken is not None
    assert taken.fence == 2
    assert await leases.take("poller", "a", LONG) is None


async def test_only_its_holder_gives_a_lease_back(db: Db) -> None:
    leases = Leases(db)
    await leases.take("poller", "a", LONG)
    await leases.give_back("poller", "b")
    assert await leases.take("poller", "b", LONG) is None
    await leases.give_back("poller", "a")
    taken = await leases.take("poller", "b", LONG)
    assert taken is not None
    assert taken.fence == 2


async def test_of_many_who_ask_at_once_one_gets_it(db: Db) -> None:
    leases = Leases(db)
    names = [str(number) for number in range(8)]
    for _ in range(3):
        got = await asyncio.gather(*(leases.take("poller", name, LONG) for name in names))
        assert sum(lease is not None for lease in got) == 1
        await expire(db, "poller")
