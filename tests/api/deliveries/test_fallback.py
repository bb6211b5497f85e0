"""A result that its chat does not take goes to the owner's private chat, then to the web, and the
tries are listed."""

import json
from datetime import timedelta

import pytest
import time_machine

from api.deliveries.fallback import EXPIRES, MISHAPS_MAX, UNCERTAIN_WAIT
from api.deliveries.service import LEASE
from api.ids import now
from tests.api.deliveries.conftest import GROUP, PRIVATE, Office

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_group_that_threw_the_bot_out_is_replaced_by_the_private_chat(
    office: Office,
) -> None:
    made = await office.asks(thread_id="9")
    first = await office.one()
    await office.refuse(first)
    second = await office.one()
    seen = (second["id"], second["attempt"], second["moved"], second["maybe_shown"])
    assert seen == (first["id"], 1, True, False)
    assert second["event"]["generation"]["id"] == made["id"]
    address = second["address"]
    found = (address["chat_id"], address["private"], address["thread_id"], address["message_id"])
    assert found == (PRIVATE, True, None, None)
    assert address["card_message_id"] is None
    await office.tell(second, "ack", message_ids=["8"])
    row = await office.row(first["id"])
    shown = (row["state"], row["user"], row["short_id"])
    assert shown == ("done", "ana@example.org", made["short_id"])
    listed = [(one["chat_id"], one["outcome"], one["reason"]) for one in row["trail"]]
    assert listed == [(GROUP, "final", "bot_removed")]


async def test_a_private_chat_that_is_closed_leaves_it_to_the_web(office: Office) -> None:
    made = await office.asks(PRIVATE)
    delivery = await office.one()
    await office.refuse(delivery, "blocked_by_user", "Forbidden: bot was blocked by the user")
    assert await office.claim() == []
    inbox = (await office.ana.get("/inbox")).json()
    assert inbox["unread"] == 1
    (item,) = inbox["items"]
    assert item["event"]["generation"]["images"][0]["url"].startswith("/media/")
    seen = (item["event"]["generation"]["id"], item["reason"], item["said"], item["read"])
    told = "Forbidden: bot was blocked by the user"
    assert seen == (made["id"], "blocked_by_user", told, False)
    assert (await office.row(delivery["id"]))["state"] == "inbox"


async def test_the_inbox_is_read_and_emptied_by_its_owner_only(office: Office) -> None:
    await office.asks(PRIVATE)
    delivery = await office.one()
    await office.refuse(delivery)
    async with await office.somebody_else() as ben:
        for method, path in (
            ("POST", f"/inbox/{delivery['id']}/read"),
            ("DELETE", f"/inbox/{delivery['id']}"),
        ):
            assert (await ben.request(method, path)).status_code == 404
        await ben.post("/inbox/read")
        assert (await ben.get("/inbox")).json()["items"] == []
    assert (await office.ana.get("/inbox")).json()["unread"] == 1
    await office.ana.post(f"/inbox/{delivery['id']}/read")
    inbox = (await office.ana.get("/inbox")).json()
    assert (inbox["unread"], inbox["items"][0]["read"]) == (0, True)
    assert (await office.ana.delete(f"/inbox/{delivery['id']}")).status_code == 204
    assert (await office.ana.get("/inbox")).json()["items"] == []
    assert (await office.ana.delete(f"/inbox/{delivery['id']}")).status_code == 404


async def test_a_deleted_generation_leaves_the_inbox(office: Office) -> None:
    made = await office.asks(PRIVATE)
    await office.refuse(await office.one())
    await office.ana.delete(f"/generations/{made['id']}")
    answer = (await office.ana.get("/inbox")).json()
    assert answer == {"items": [], "next_cursor": None, "unread": 0}


async def test_a_group_then_a_private_chat_that_both_refuse_end_on_the_web_with_both_reasons(
    office: Office,
) -> None:
    await office.asks()
    first = await office.one()
    await office.refuse(first, "bot_removed")
    await office.refuse(await office.one(), "blocked_by_user")
    row = await office.row(first["id"])
    seen = (row["state"], [(one["chat_id"], one["reason"]) for one in row["trail"]])
    assert seen == ("inbox", [(GROUP, "bot_removed"), (PRIVATE, "blocked_by_user")])


async def test_words_from_before_there_were_reasons_are_kept(office: Office) -> None:
    await office.asks(PRIVATE)
    delivery = await office.one()
    await office.refuse(delivery)
    old = [
        {
            "at": now().isoformat(),
            "platform": "telegram",
            "chat_id": PRIVATE,
            "private": True,
            "outcome": "final",
            "reason": "Forbidden: bot was kicked",
            "times": 2,
        }
    ]
    await office.api.services.db.execute(
        "UPDATE deliveries SET reason = $1, said = NULL, trail_json = $2",
        "Forbidden: bot was kicked",
        json.dumps(old),
    )
    row = await office.row(delivery["id"])
    (first,) = row["trail"]
    (item,) = (await office.ana.get("/inbox")).json()["items"]
    for one in (row, first, item):
        assert (one["reason"], one["said"]) == ("earlier", "Forbidden: bot was kicked")
    await office.admin.post(f"/admin/deliveries/{delivery['id']}/retry")
    row = await office.row(delivery["id"])
    assert (row["reason"], row["trail"][0]) == ("retried_by_operator", first)
    assert (await office.row(delivery["id"]))["trail"][1]["said"] == ""


async def test_a_failed_try_has_a_reason(office: Office) -> None:
    await office.asks(PRIVATE)
    delivery = await office.one()
    for body in ({}, {"reason": "in prose"}, {"reason": "unclear", "said": "x" * 501}):
        answer = await office.bot.post(
            f"/bot/deliveries/{delivery['id']}/fail", json={"lease": delivery["lease"], **body}
        )
        assert answer.status_code == 422, body
    await office.tell(delivery, "fail", untried=True)


async def test_a_guests_result_stays_before_the_operator(office: Office) -> None:
    """Nobody can sign in as a guest, and a guest's private chat is unknown."""
    await office.asks()
    await office.api.services.db.execute("UPDATE users SET guest = true")
    delivery = await office.one()
    await office.refuse(delivery)
    row = await office.row(delivery["id"])
    assert (row["state"], row["chat_id"]) == ("dead", GROUP)
    troubled = (
        await office.admin.get("/admin/deliveries?troubled=true&state=dead&platform=telegram")
    ).json()["items"]
    assert [one["id"] for one in troubled] == [delivery["id"]]


async def test_two_unclear_ends_are_two_copies_at_most_and_a_note_on_the_web(
    office: Office,
) -> None:
    await office.asks()
    first = await office.one()
    await office.tell(first, "begin")
    await office.tell(first, "fail", reason="unclear", uncertain=True)
    with time_machine.travel(now() + UNCERTAIN_WAIT - timedelta(seconds=5)):
        assert await office.claim() == []
    with time_machine.travel(now() + UNCERTAIN_WAIT + timedelta(seconds=1)):
        second = await office.one()
        seen = (second["maybe_shown"], second["attempt"], second["address"]["chat_id"])
        assert seen == (True, 2, GROUP)
        await office.tell(second, "begin")
        await office.tell(second, "fail", reason="unclear", uncertain=True)
    with time_machine.travel(now() + timedelta(hours=5)):
        assert await office.claim() == []
    (item,) = (await office.ana.get("/inbox")).json()["items"]
    assert (item["maybe_shown"], item["reason"]) == (True, "unclear")
    assert (await office.row(first["id"]))["trail"][0]["times"] == 2


async def test_a_platform_that_shows_each_message_once_is_tried_until_it_is_clear(
    office: Office,
) -> None:
    await office.asks()
    at = now()
    for _ in range(5):
        at += timedelta(minutes=3)
        with time_machine.travel(at, tick=False):
            delivery = await office.one()
            await office.tell(delivery, "begin", repeatable=True)
            await office.tell(delivery, "fail", reason="platform_failed", uncertain=True)
    assert (await office.row(delivery["id"]))["state"] == "pending"


async def test_bots_that_end_in_the_middle_count_as_copies(office: Office) -> None:
    """A bot that is killed between its send and its acknowledgement may have shown the result."""
    await office.asks()
    at = now()
    for attempt in (1, 2):
        with time_machine.travel(at, tick=False):
            delivery = await office.one()
            assert (delivery["attempt"], delivery["maybe_shown"]) == (attempt, attempt > 1)
            await office.tell(delivery, "begin")
        at += LEASE + timedelta(seconds=1)
    with time_machine.travel(at, tick=False):
        assert await office.claim() == []
    row = await office.row(delivery["id"])
    assert (row["state"], [one["outcome"] for one in row["trail"]]) == ("inbox", ["lost"])


async def test_a_lease_that_ends_before_anything_was_sent_costs_nothing(office: Office) -> None:
    await office.asks()
    await office.one()
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        again = await office.one()
    assert (again["attempt"], again["maybe_shown"]) == (2, False)


async def test_a_delivery_that_breaks_the_bot_again_and_again_goes_to_the_private_chat(
    office: Office,
) -> None:
    await office.asks()
    at, chats = now(), []
    for _ in range(MISHAPS_MAX + 1):
        at += timedelta(minutes=5)
        with time_machine.travel(at, tick=False):
            delivery = await office.one()
            chats.append(delivery["address"]["chat_id"])
            await office.tell(delivery, "fail", reason="bot_broke", said="KeyError", broke=True)
    assert chats == [GROUP] * MISHAPS_MAX + [PRIVATE]


async def test_a_delivery_that_no_bot_fetches_for_days_is_found_on_the_web(office: Office) -> None:
    made = await office.asks()
    deliveries, db = office.api.services.deliveries, office.api.services.db
    for age, found in (
        (EXPIRES - timedelta(minutes=5), []),
        (EXPIRES + timedelta(minutes=5), [made["id"]]),
    ):
        await db.execute("UPDATE deliveries SET since_at = $1 WHERE state = 'pending'", now() - age)
        await deliveries.expire()
        items = (await office.ana.get("/inbox")).json()["items"]
        assert [one["event"]["generation"]["id"] for one in items] == found


async def test_a_cancelled_job_that_no_chat_is_told_of_bothers_nobody(office: Office) -> None:
    made = await office.asks()
    await office.api.services.db.execute(
        "UPDATE generations SET status = 'cancelled' WHERE id = $1", made["id"]
    )
    await office.refuse(await office.one())
    assert await office.claim() == []
    assert (await office.ana.get("/inbox")).json()["items"] == []


async def test_an_account_that_goes_takes_its_inbox_along(office: Office) -> None:
    services = office.api.services
    async with await office.somebody_else() as ben:
        user_id = (await ben.get("/users/me")).json()["id"]
        async with services.db.transaction() as sql:
            await services.outbox.notify(
                sql, platform="telegram", chat_id="5", code="unlinked", facts={}, user_id=user_id
            )
        await office.refuse(await office.one())
        assert (await ben.get("/inbox")).json()["unread"] == 1
        assert (await ben.delete("/users/me")).status_code == 204
    assert await services.db.fetch("SELECT id FROM deliveries") == []
