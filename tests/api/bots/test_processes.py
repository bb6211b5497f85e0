"""Processes of one bot: who holds a lease, who answers an update, what a dead one leaves."""

import json
from datetime import datetime
from typing import Any

import pytest

from api.bots.schemas import BeatIn, BeatOut, ClaimIn, DoneIn, KeepIn, ShownIn, TurnIn, UpdateIn
from api.bots.service import BotProcesses, BotUpdates
from api.db import Db
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.service import DeliveryService
from api.ids import now
from api.leases import Leases
from api.links.schemas import LinkOut
from api.wake import Wake
from tests.api.auth.account_services import deliveries_of
from tests.api.deliveries.test_outbox import here, tell

FIRST, SECOND, THIRD = "first0000", "second0000", "third0000"
LASTS = 10.0


class Studio:
    def __init__(self, db: Db) -> None:
        self.db = db
        self.processes = BotProcesses(db, Leases(db), DeliveryOutbox(db, Wake()))
        self.links: list[LinkOut] = []
        self.updates = BotUpdates(db, self.links_of)

    async def links_of(self, _user_id: str) -> list[LinkOut]:
        return self.links

    async def beat(self, process: str, *wants: str, **more: Any) -> BeatOut:
        given = {"process": process, "label": process, "wants": list(wants), "seconds": LASTS}
        body = BeatIn(**{"bot": "42", **given, **more})
        return await self.processes.beat("telegram", body)

    async def keep(self, process: str, *numbers: int) -> list[int]:
        updates = [UpdateIn(id=one, raw=json.dumps({"update_id": one})) for one in numbers]
        body = KeepIn(process=process, bot="42", updates=updates)
        return (await self.updates.keep("telegram", body)).mine

    async def claim(self, process: str) -> list[tuple[int, int]]:
        """Return id and kills of each update that the process has now."""
        body = ClaimIn(process=process, bot="42", seconds=LASTS)
        found = await self.updates.claim("telegram", body)
        return [(one.id, one.kills) for one in found]

    async def done(self, *numbers: int) -> None:
        await self.updates.done("telegram", DoneIn(bot="42", ids=list(numbers)))

    async def pass_time(self, seconds: float, *without: str) -> None:
        """Let everything be so much older; those processes were heard all the time."""
        past = f"INTERVAL '{round(seconds * 1000)} milliseconds'"
        heard = "', '".join(f"telegram:{one}" for one in without)
        await self.db.execute(
            f"UPDATE bot_processes SET since = since - {past}, until = "
            f"CASE WHEN id IN ('{heard}') THEN until ELSE until - {past} END"
        )
        await self.db.execute(
            f"UPDATE leases SET held_until = held_until - {past} WHERE holder NOT IN ('{heard}')"
        )


@pytest.fixture
def studio(db: Db) -> Studio:
    return Studio(db)


async def test_one_holds_and_the_other_takes_over_when_the_first_is_not_heard(
    studio: Studio,
) -> None:
    assert (await studio.beat(FIRST, "updates")).held == ["updates"]
    told = await studio.beat(SECOND, "updates")
    assert (told.held, told.processes) == ([], 2)
    assert [(one.name, one.process, one.label) for one in told.leases] == [
        ("updates", FIRST, FIRST)
    ]
    await studio.pass_time(LASTS / 2, SECOND)
    assert (await studio.beat(SECOND, "updates")).held == []
    await studio.pass_time(LASTS, SECOND)
    told = await studio.beat(SECOND, "updates")
    assert (told.held, told.processes) == (["updates"], 1)
    assert (await studio.beat(FIRST, "updates")).held == []


async def test_a_goodbye_frees_at_once(studio: Studio) -> None:
    await studio.beat(FIRST, "updates")
    await studio.beat(SECOND, "updates")
    await studio.processes.leave("telegram", FIRST)
    told = await studio.beat(SECOND, "updates")
    assert (told.held, told.processes) == (["updates"], 1)


async def test_what_is_not_wanted_any_more_is_free_at_once(studio: Studio) -> None:
    assert (await studio.beat(FIRST, "shard-0", "shard-1")).held == ["shard-0", "shard-1"]
    assert (await studio.beat(FIRST, "shard-1")).held == ["shard-1"]
    assert (await studio.beat(SECOND, "shard-0", "shard-1")).held == ["shard-0"]


async def test_after_an_outage_of_the_api_nobody_is_taken_for_dead(studio: Studio) -> None:
    """All of them were silent; the first to be heard again must not take what the others have."""
    await studio.beat(FIRST, "updates")
    await studio.keep(FIRST, 1)
    await studio.beat(SECOND, "updates")
    await studio.pass_time(600)
    told = await studio.beat(SECOND, "updates")
    assert (told.held, told.orphans) == ([], False)
    assert await studio.claim(SECOND) == []
    assert (await studio.beat(FIRST, "updates")).held == ["updates"]


async def test_a_machine_that_knows_its_dead_waits_for_nothing(studio: Studio) -> None:
    await studio.beat(FIRST, "updates")
    await studio.keep(FIRST, 1, 2)
    await studio.done(1)
    told = await studio.beat(SECOND, "updates", replaces=[FIRST])
    assert (told.held, told.processes, told.orphans) == (["updates"], 1, True)
    assert await studio.claim(SECOND) == [(2, 1)]


async def test_platforms_have_leases_of_their_own(studio: Studio) -> None:
    await studio.beat(FIRST, "updates")
    body = BeatIn(process=FIRST, label="d", wants=["updates"])
    told = await studio.processes.beat("discord", body)
    assert (told.held, told.processes, len(told.leases)) == (["updates"], 1, 1)
    await studio.processes.leave("discord", FIRST)
    assert (await studio.beat(FIRST)).processes == 1


async def test_an_update_is_one_process_s(studio: Studio) -> None:
    await studio.beat(FIRST)
    await studio.beat(SECOND)
    assert await studio.keep(FIRST, 1, 2) == [1, 2]
    assert await studio.keep(SECOND, 2, 3) == [3]
    assert await studio.keep(FIRST, 1) == [1], "asked again, because the answer was lost"
    await studio.done(1, 2)
    assert await studio.keep(FIRST, 1) == []
    assert await studio.keep(SECOND, 2) == []


async def test_one_that_was_answered_without_the_api_is_seen(studio: Studio) -> None:
    await studio.done(7)
    assert await studio.keep(FIRST, 7) == []


async def test_what_a_killed_process_had_is_taken_over_and_the_kill_counted(
    studio: Studio,
) -> None:
    await studio.beat(FIRST)
    await studio.beat(SECOND)
    await studio.beat(THIRD)
    await studio.keep(FIRST, 2, 1)
    shown = ShownIn(process=FIRST, bot="42", id=1, shown=[["5", "6"]])
    await studio.updates.shown("telegram", shown)
    assert await studio.claim(SECOND) == []
    await studio.pass_time(LASTS + 1, SECOND, THIRD)
    assert (await studio.beat(SECOND)).orphans
    assert await studio.claim(SECOND) == [(1, 1), (2, 1)]
    assert await studio.claim(THIRD) == []
    claim = ClaimIn(process=SECOND, bot="42", seconds=LASTS)
    (first, second) = await studio.updates.claim("telegram", claim)
    assert (first.shown, second.shown, first.age < 60) == ([["5", "6"]], [], True)
    late = ShownIn(process=FIRST, bot="42", id=1, shown=[["9"]])
    await studio.updates.shown("telegram", late)
    (first, _) = await studio.updates.claim("telegram", claim)
    assert first.shown == [["5", "6"]], "the one that lost it writes no more"


async def test_what_a_stopped_process_had_is_free_and_no_kill(studio: Studio) -> None:
    await studio.beat(FIRST)
    await studio.keep(FIRST, 1)
    await studio.processes.leave("telegram", FIRST)
    assert (await studio.beat(SECOND)).orphans
    assert await studio.claim(SECOND) == [(1, 0)]


async def test_a_single_process_s_unchanged_word_is_not_written_while_it_is_fresh(
    studio: Studio,
) -> None:
    """An idle studio's database hardly grows. Others must not wait longer for a dead one."""

    async def until() -> datetime:
        rows = await studio.db.fetch("SELECT until FROM bot_processes ORDER BY id")
        found: datetime = rows[0]["until"]
        return found

    assert (await studio.beat(FIRST, "updates")).seconds == LASTS
    before = await until()
    await studio.pass_time(LASTS * 0.3)
    told = await studio.beat(FIRST, "updates")
    assert (told.held, LASTS * 0.5 < told.seconds <= LASTS * 0.7) == (["updates"], True)
    assert await until() < before
    assert (await studio.beat(FIRST, "updates", "more")).held == ["more", "updates"]
    assert await until() > before, "something changed"
    await studio.pass_time(LASTS * 0.6)
    assert (await studio.beat(FIRST, "updates", "more")).seconds == LASTS
    await studio.beat(SECOND)
    await studio.pass_time(LASTS * 0.3, SECOND)
    assert (await studio.beat(FIRST, "updates", "more")).seconds == LASTS, "not alone any more"


async def test_an_account_s_erasure_takes_its_unanswered_updates(studio: Studio) -> None:
    link = {"platform": "telegram", "platform_user_id": "77", "display_name": "Ana"}
    studio.links.append(LinkOut(**link, created_at=now()))
    for number, person in enumerate((77, 771, 8)):
        said = {"message": {"from": {"id": person, "first_name": "P"}, "text": '"id": 77,'}}
        updates = [UpdateIn(id=number, raw=json.dumps({"update_id": number, **said}))]
        await studio.updates.keep("telegram", KeepIn(process=FIRST, bot="42", updates=updates))
    await studio.updates.erase_user("u1")
    rows = await studio.db.fetch("SELECT update_id FROM bot_updates ORDER BY update_id")
    assert [row["update_id"] for row in rows] == [1, 2]
    assert await studio.keep(SECOND, 0) == [], "it is not brought again"


async def test_another_bot_s_updates_are_not_mine(studio: Studio) -> None:
    """The token may have become another bot's."""
    await studio.keep(FIRST, 1)
    await studio.processes.leave("telegram", FIRST)
    assert not (await studio.beat(SECOND, bot="43")).orphans
    claim = ClaimIn(process=SECOND, bot="43")
    assert await studio.updates.claim("telegram", claim) == []


async def test_a_turn_is_taken_once_within_its_time(studio: Studio) -> None:
    async def taken(name: str) -> bool:
        turn = TurnIn(name=name, seconds=5)
        return (await studio.processes.turn("discord", turn)).taken

    assert await taken("identify-0")
    assert not await taken("identify-0")
    assert await taken("identify-1")
    await studio.pass_time(5)
    assert await taken("identify-0")


async def test_old_things_are_forgotten(studio: Studio) -> None:
    await studio.beat(FIRST)
    await studio.keep(FIRST, 1)
    await studio.processes.keep_purged()
    assert await studio.keep(SECOND, 1) == []
    for table in ("bot_updates", "bot_updates_seen"):
        await studio.db.execute(f"UPDATE {table} SET created_at = created_at - INTERVAL '3 days'")
    await studio.processes.keep_purged()
    assert await studio.keep(SECOND, 1) == [1]


@pytest.fixture
def deliveries(db: Db) -> DeliveryService:
    return deliveries_of(db, Wake())


async def claimed(deliveries: DeliveryService, process: str) -> int:
    return len(await deliveries.claim("telegram", 0, 10, here, process))


async def test_deliveries_of_a_silent_process_go_to_one_that_was_there(
    studio: Studio, deliveries: DeliveryService, db: Db
) -> None:
    await studio.beat(FIRST)
    await studio.beat(SECOND)
    await tell(deliveries, db)
    assert await claimed(deliveries, FIRST) == 1
    await studio.pass_time(LASTS / 2, SECOND)
    await studio.beat(SECOND)
    assert await claimed(deliveries, SECOND) == 0, "the first one is heard"
    await studio.pass_time(LASTS, SECOND)
    await studio.beat(SECOND)
    assert await claimed(deliveries, SECOND) == 1
    await studio.beat(SECOND)
    assert await claimed(deliveries, THIRD) == 0, "they are freed once"


async def test_after_an_outage_of_the_api_nobody_loses_a_delivery(
    studio: Studio, deliveries: DeliveryService, db: Db
) -> None:
    """All of them were silent, and each may be showing what it has."""
    await studio.beat(FIRST)
    await studio.beat(SECOND)
    await tell(deliveries, db)
    assert await claimed(deliveries, FIRST) == 1
    await studio.pass_time(600)
    await studio.beat(SECOND)
    assert await claimed(deliveries, SECOND) == 0


@pytest.mark.parametrize("end", ["goodbye", "replaced"])
async def test_deliveries_of_a_process_that_is_gone_for_certain_are_free_at_once(
    studio: Studio, deliveries: DeliveryService, db: Db, end: str
) -> None:
    for process in (FIRST, THIRD):
        await studio.beat(process)
        await tell(deliveries, db, chat=process)
        assert await claimed(deliveries, process) == 1
    if end == "goodbye":
        await studio.processes.leave("telegram", FIRST)
    else:
        await studio.beat(SECOND, replaces=[FIRST])
    found = await deliveries.claim("telegram", 0, 10, here, SECOND)
    assert [each.address.chat_id for each in found] == [FIRST]
