"""Operators resolve stuck results, and members send results to their own chats."""

import pytest

from tests.api.deliveries.conftest import GROUP, PRIVATE, Office

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_retry_begins_anew_where_it_was_asked_for(office: Office) -> None:
    await office.asks(thread_id="9")
    first = await office.one()
    await office.refuse(first)
    await office.refuse(await office.one())
    answer = await office.admin.post(f"/admin/deliveries/{first['id']}/retry")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["moved"]) == ("pending", False)
    again = await office.one()
    assert (
        again["attempt"],
        again["moved"],
        again["address"]["chat_id"],
        again["address"]["thread_id"],
    ) == (1, False, GROUP, "9")
    entries = (await office.admin.get("/admin/audit?action=delivery_retry")).json()["items"]
    found = [(one["subject"], one["before"]["state"], one["after"]["state"]) for one in entries]
    assert found == [(first["id"], "inbox", "pending")]


async def test_a_delivery_that_is_leased_or_done_is_not_retried(office: Office) -> None:
    await office.asks()
    delivery = await office.one()
    for word in ("retry", "to-dm"):
        answer = await office.admin.post(f"/admin/deliveries/{delivery['id']}/{word}")
        assert answer.status_code == 409
    await office.tell(delivery, "ack")
    for word in ("retry", "to-dm"):
        answer = await office.admin.post(f"/admin/deliveries/{delivery['id']}/{word}")
        assert answer.status_code == 409
    assert await office.claim() == []


async def test_an_operator_sends_it_to_the_private_chat(office: Office) -> None:
    await office.asks()
    delivery = await office.one()
    await office.tell(delivery, "fail", reason="flood", retry_after=300)
    assert (await office.admin.post(f"/admin/deliveries/{delivery['id']}/to-dm")).json()[
        "moved"
    ] is True
    assert (await office.one())["address"]["chat_id"] == PRIVATE
    assert len((await office.admin.get("/admin/audit?action=delivery_to_dm")).json()["items"]) == 1


async def test_without_a_linked_chat_there_is_no_private_one_to_send_to(office: Office) -> None:
    await office.asks()
    delivery = await office.one()
    await office.tell(delivery, "fail", reason="flood", retry_after=300)
    answer = await office.admin.post(
        f"/admin/deliveries/{delivery['id']}/to-dm", json={"platform": "discord"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_operators_page_through_all_of_them(office: Office) -> None:
    made = [(await office.asks(prompt=f"fox {number}"))["id"] for number in range(3)]
    first = (await office.admin.get("/admin/deliveries?limit=2&state=pending")).json()
    second = (
        await office.admin.get(
            f"/admin/deliveries?limit=2&state=pending&cursor={first['next_cursor']}"
        )
    ).json()
    rows = [*first["items"], *second["items"]]
    assert [one["generation_id"] for one in rows] == made[::-1]
    assert second["next_cursor"] is None
    assert (await office.admin.get("/admin/deliveries?platform=discord")).json()["items"] == []
    assert (await office.admin.get("/admin/deliveries?troubled=true")).json()["items"] == []
    oldest = (await office.admin.get("/admin/deliveries?sort=oldest&state=pending")).json()["items"]
    assert [one["generation_id"] for one in oldest] == made
    shown, late, leased = await office.claim()
    await office.tell(shown, "ack")
    await office.tell(late, "fail", reason="flood", retry_after=300)
    tried = (await office.admin.get("/admin/deliveries?sort=tries")).json()["items"]
    assert [one["id"] for one in tried] == [leased["id"], late["id"]], (
        "what was shown is not among them"
    )
    first = (await office.admin.get("/admin/deliveries?sort=due&limit=1")).json()
    second = (
        await office.admin.get(f"/admin/deliveries?sort=due&cursor={first['next_cursor']}")
    ).json()
    assert [one["id"] for one in first["items"] + second["items"]] == [leased["id"], late["id"]]
    owned = (
        await office.admin.get(
            f"/admin/deliveries?user_id={rows[0]['user_id']}&generation_id={made[0]}"
        )
    ).json()["items"]
    assert [one["generation_id"] for one in owned] == [made[0]]


async def test_a_member_sends_a_result_to_the_own_chat_once_per_press(office: Office) -> None:
    made = (await office.ana.post("/generate/image", json={"prompt": "a fox"})).json()
    path, body = f"/generations/{made['id']}/send", {"platform": "telegram"}

    async def press(key: str) -> str:
        answer = await office.ana.post(path, json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["chat"]) == (202, "Ana")
        return str(answer.json()["delivery_id"])

    first = await press("one")
    assert await press("two") == first  # the first is still on its way
    delivery = await office.one()
    seen = (delivery["id"], delivery["address"]["chat_id"], delivery["moved"])
    assert seen == (first, PRIVATE, False)
    await office.tell(delivery, "ack")
    assert await press("one") == first
    assert await office.claim() == []
    assert await press("two") != first
    assert len(await office.claim()) == 1


async def test_only_ones_own_finished_results_go_to_ones_own_linked_chats(office: Office) -> None:
    made = (await office.ana.post("/generate/image", json={"prompt": "a fox"})).json()
    path = f"/generations/{made['id']}/send"
    async with await office.somebody_else() as ben:
        answer = await ben.post(path, json={"platform": "telegram"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for body in ({"platform": "discord"}, {"platform": "telegram", "platform_user_id": "78"}):
        answer = await office.ana.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_linked")
    await office.api.services.db.execute("UPDATE generations SET status = 'failed'")
    assert (await office.ana.post(path, json={"platform": "telegram"})).status_code == 409
    assert await office.claim() == []


async def test_the_platforms_file_id_comes_with_the_next_delivery(office: Office) -> None:
    made = await office.asks()
    media = made["images"][0]["id"]
    ref = {"media_id": media, "kind": "photo", "ref": "AgACfox"}
    first = await office.one()
    assert first["refs"] == []
    await office.tell(first, "ack", refs=[ref])
    for wanted in ([ref], [ref | {"ref": "AgACnew"}]):
        await office.ana.post(f"/generations/{made['id']}/send", json={"platform": "telegram"})
        delivery = await office.one()
        assert delivery["refs"] == wanted
        await office.tell(delivery, "ack", refs=[ref | {"ref": "AgACnew"}])
    await office.ana.delete(f"/generations/{made['id']}")
    assert await office.api.services.db.fetch("SELECT ref FROM platform_files") == []


async def test_the_owners_language_and_wish_for_groups_come_along(office: Office) -> None:
    await office.ana.put("/users/me", json={"language": "de"})
    await office.ana.put("/users/me/preferences", json={"spoiler": True})
    await office.asks()
    delivery = await office.one()
    assert (delivery["language"], delivery["spoiler"]) == ("de", True)
