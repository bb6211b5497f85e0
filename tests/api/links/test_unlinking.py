"""The end of a link: who may end it and who is told; and the fate of guests."""

from typing import Any

import pytest

from api.db import Db
from tests.api.auth.account_services import KEYS, World, build, one_engine


async def code_of(world: World, token: str) -> Any:
    return (
        await world.ask("POST", "/links/codes", as_=token, json={"platform": "telegram"})
    ).json()


async def redeem(world: World, code: str, sender: str = "100") -> Any:
    body = {
        "code": code,
        "platform_user_id": sender,
        "display_name": "Al",
        "chat_id": f"chat-{sender}",
        "private": True,
    }
    return await world.ask("POST", "/bot/links/redeem", as_=KEYS["telegram"], json=body)


async def unlink(
    world: World, token: str, identity: str = "100", platform: str = "telegram"
) -> Any:
    return await world.ask("DELETE", f"/links/{platform}/{identity}", as_=token)


async def test_unlinking_on_the_web_tells_every_chat_of_the_account(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    await world.linked(alice.access_token, "200", "discord")
    await world.told()
    await world.told("discord")
    assert (await unlink(world, alice.access_token)).status_code == 204
    assert await world.told() == [("chat-100", "unlinked", {"account_hint": "al***@example.org"})]
    found = await world.told("discord")
    assert found == [("chat-200", "chat_unlinked", {"platform": "telegram", "name": "Al"})]


async def test_a_chat_unlinks_itself_and_the_others_are_told(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    await world.linked(alice.access_token, "200")
    await world.told()
    act = await world.act_token()
    assert (await unlink(world, act)).status_code == 204
    found = await world.told()
    assert found == [("chat-200", "chat_unlinked", {"platform": "telegram", "name": "Al"})]
    assert (await world.ask("GET", "/users/me", as_=act)).status_code == 401
    assert await world.links.owner("telegram", "100") is None
    assert await world.links.owner("telegram", "200") == alice.user.id


@one_engine
async def test_asked_for_in_a_group_the_private_chat_is_told_too(world: World) -> None:
    await world.linked((await world.person()).access_token)
    await world.told()
    asked = {"platform_user_id": "100", "display_name": "Al", "chat_id": "a-group"}
    act = (await world.ask("POST", "/bot/act", as_=KEYS["telegram"], json=asked)).json()[
        "access_token"
    ]
    assert (await unlink(world, act)).status_code == 204
    assert [(chat, code) for chat, code, _ in await world.told()] == [("chat-100", "unlinked")]


@one_engine
async def test_a_chat_unlinks_nobody_but_itself(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    await world.linked(alice.access_token, "200")
    await world.linked(alice.access_token, "100", "discord")
    act = await world.act_token()
    for identity, platform in (("200", "telegram"), ("100", "discord")):
        refused = await unlink(world, act, identity, platform)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert await world.count("links") == 3


async def test_the_owner_is_told_when_somebody_tries_to_link_the_chat_elsewhere(
    world: World,
) -> None:
    alice, bob = await world.person(), await world.person("bob")
    await world.linked(alice.access_token)
    await world.linked(alice.access_token, "200", "discord")
    await world.told()
    await world.told("discord")
    code = await code_of(world, bob.access_token)
    assert (await redeem(world, code["code"])).status_code == 409
    facts = {"platform": "telegram", "name": "Al", "account_hint": "bo***@example.org"}
    assert await world.told() == [("chat-100", "link_refused", facts)]
    assert await world.told("discord") == [("chat-200", "link_refused", facts)]
    row = await world.db.fetch_one(
        "SELECT actor_id, subject FROM audit WHERE action = 'link_refused'"
    )
    assert row is not None
    assert (row["actor_id"], row["subject"]) == (bob.user.id, alice.user.id)


@one_engine
async def test_nonsense_and_ones_own_code_tell_nobody(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    await world.told()
    assert (await redeem(world, "nonsense")).status_code == 409
    answer = await redeem(world, (await code_of(world, alice.access_token))["code"])
    assert answer.status_code == 409
    assert await world.told() == []


@pytest.mark.parametrize("ended", ["deleted", "disabled"])
async def test_an_account_that_has_ended_gets_no_link_any_more(world: World, ended: str) -> None:
    admin, alice = await world.admin(), await world.person()
    code = await code_of(world, alice.access_token)
    await redeem(world, code["code"])
    said = {"code_id": code["id"], "platform_user_id": "100", "accept": True}
    await world.ask("POST", "/bot/links/answer", as_=KEYS["telegram"], json=said)
    if ended == "disabled":
        await world.auth.set_status(alice.user.id, "disabled", actor_id=admin.user.id)
    else:
        # between the two halves of a deletion: the domains are done, the account may still be there
        await world.db.execute("DELETE FROM users WHERE id = $1", alice.user.id)
    with pytest.raises(Exception, match="no such code"):
        await world.links.confirm(alice.user.id, code["id"])
    assert await world.count("links") == 0


async def test_a_guest_cannot_get_a_new_budget_by_unlinking(db: Db) -> None:
    world = build(db, chat_signup="open")
    await world.bots.adopt_keys(KEYS)
    first = (await world.act()).json()
    refused = await unlink(world, first["access_token"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")

    alice = await world.person()
    await world.linked(alice.access_token)
    assert (await world.act()).json()["user_id"] == alice.user.id
    await unlink(world, alice.access_token)
    again = (await world.act()).json()
    assert again["user_id"] == first["user_id"]  # its spending of this month counts on
    found = (await world.ask("GET", "/users/me", as_=again["access_token"])).json()["monthly_usd"]
    assert found == "1.000000"
    await world.linked(alice.access_token)
    assert (await world.act()).json()["user_id"] == alice.user.id
    assert await world.count("guest_moves") == 1


async def test_rows_of_a_guests_last_request_after_the_link_move_at_the_purge(db: Db) -> None:
    world = build(db, chat_signup="open")
    await world.bots.adopt_keys(KEYS)
    guest = (await world.act()).json()
    alice = await world.person()
    await world.linked(alice.access_token)
    await db.execute(
        "INSERT INTO conversations (id, user_id, title, created_at, updated_at) "
        "VALUES ('late', $1, 't', $2, $2)",
        guest["user_id"],
        alice.user.created_at,
    )
    await world.operations.purge()
    row = await db.fetch_one("SELECT user_id FROM conversations")
    assert row is not None
    assert row["user_id"] == alice.user.id
