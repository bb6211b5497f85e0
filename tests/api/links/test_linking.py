"""Linking: a code from the web, sent in a private chat and confirmed on both sides, all within five
minutes."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api import ids
from api.db import Db
from api.errors import Conflict, NotFound
from api.links import store
from api.links.schemas import CodeStateOut, RedeemIn, RedeemOut
from api.links.service import CODE_LIFE, masked
from api.links.store import Code
from tests.api.auth.account_services import KEYS, ROUNDS, World, build, one_engine, race

"""Each round writes 16 codes, 16 notices and a link, and claims the notices: more would be the
longest test of all."""


async def start(world: World, token: str, platform: str = "telegram") -> Any:
    response = await world.ask("POST", "/links/codes", as_=token, json={"platform": platform})
    assert response.status_code == 201, response.text
    return response.json()


def body(code: str, sender: str = "100", *, private: bool = True) -> dict[str, Any]:
    return {
        "code": code,
        "platform_user_id": sender,
        "display_name": "Al",
        "chat_id": f"chat-{sender}",
        "private": private,
    }


async def redeem(
    world: World,
    code: str,
    sender: str = "100",
    *,
    private: bool = True,
    platform: str = "telegram",
) -> Any:
    return await world.ask(
        "POST", "/bot/links/redeem", as_=KEYS[platform], json=body(code, sender, private=private)
    )


async def answer(
    world: World, code_id: str, accept: bool = True, sender: str = "100", platform: str = "telegram"
) -> Any:
    said = {"code_id": code_id, "platform_user_id": sender, "accept": accept}
    return await world.ask("POST", "/bot/links/answer", as_=KEYS[platform], json=said)


async def confirm(world: World, token: str, code_id: str) -> Any:
    return await world.ask("POST", f"/links/codes/{code_id}/confirm", as_=token)


async def state(world: World, token: str, code_id: str) -> Any:
    return (await world.ask("GET", f"/links/codes/{code_id}", as_=token)).json()


async def expire(world: World) -> None:
    await world.db.execute("UPDATE link_codes SET expires_at = created_at")


async def test_both_sides_say_yes(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    waiting = await state(world, token, code["id"])
    found = (waiting["state"], waiting["chat_accepted"], waiting["platform_user_id"])
    assert found == ("waiting", False, None)

    redeemed = (await redeem(world, code["code"])).json()
    assert redeemed == {
        "state": "redeemed",
        "code_id": code["id"],
        "account_hint": "al***@example.org",
    }
    seen = await state(world, token, code["id"])
    shown = (seen["state"], seen["chat_accepted"], seen["platform_user_id"], seen["display_name"])
    assert shown == ("redeemed", False, "100", "Al")

    assert (await answer(world, code["id"])).status_code == 200
    assert (await state(world, token, code["id"]))["chat_accepted"] is True
    assert (await confirm(world, token, code["id"])).json()["state"] == "confirmed"

    links = (await world.ask("GET", "/links", as_=token)).json()["items"]
    listed = [(link["platform"], link["platform_user_id"], link["display_name"]) for link in links]
    assert listed == [("telegram", "100", "Al")]
    assert await world.told() == [("chat-100", "linked", {"account_hint": "al***@example.org"})]
    assert (await world.act()).status_code == 200


@one_engine
async def test_the_code_is_long_and_only_its_hash_is_kept(world: World) -> None:
    code = await start(world, (await world.person()).access_token)
    assert len(code["code"]) == 22
    assert code["code"] not in str(await world.db.fetch("SELECT * FROM link_codes"))


async def test_a_deep_link_is_given_where_the_bot_said_how(world: World) -> None:
    token = (await world.person()).access_token
    assert (await start(world, token))["deep_link"] is None
    for name in ("first", "second"):
        profile = {"name": name, "link_template": f"https://t.me/{name}?start={{code}}"}
        again = await world.ask("PUT", "/bot/profile", as_=KEYS["telegram"], json=profile)
        assert again.status_code == 204
    code = await start(world, token)
    assert code["deep_link"] == f"https://t.me/second?start={code['code']}"
    assert (await start(world, token, "discord"))["deep_link"] is None


async def test_a_code_works_once(world: World) -> None:
    code = await start(world, (await world.person()).access_token)
    assert (await redeem(world, code["code"])).status_code == 200
    assert (await redeem(world, code["code"], "200")).status_code == 404
    assert (await answer(world, code["id"], sender="200")).status_code == 404


async def test_a_code_whose_answer_was_lost_is_asked_about_again(world: World) -> None:
    code = await start(world, (await world.person()).access_token)
    first, second = [await redeem(world, code["code"]) for _ in range(2)]
    assert (second.status_code, second.json()) == (200, first.json())
    assert (await answer(world, code["id"])).status_code == 200
    assert (await redeem(world, code["code"])).status_code == 404, "answered, so it was not lost"


async def test_a_code_used_where_others_read_is_burned(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    burned = await redeem(world, code["code"], private=False)
    seen = (burned.status_code, burned.json()["state"], burned.json()["code_id"])
    assert seen == (200, "burned", None)
    assert (await state(world, token, code["id"]))["state"] == "burned"
    assert (await redeem(world, code["code"])).status_code == 404
    assert (await redeem(world, "no such code", private=False)).json() == burned.json()


@one_engine
async def test_burning_comes_too_late_for_a_code_that_was_redeemed_in_private(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    await redeem(world, code["code"])
    await redeem(world, code["code"], "200", private=False)
    assert (await state(world, token, code["id"]))["state"] == "redeemed"


async def test_a_no_in_the_chat_burns_the_code(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    await redeem(world, code["code"])
    assert (await answer(world, code["id"], accept=False)).json()["state"] == "burned"
    assert (await answer(world, code["id"])).status_code == 404
    assert (await confirm(world, token, code["id"])).status_code == 409
    assert await world.count("links") == 0


@one_engine
async def test_a_yes_can_be_taken_back_until_it_is_confirmed(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    await redeem(world, code["code"])
    await answer(world, code["id"])
    assert (await answer(world, code["id"], accept=False)).status_code == 200
    assert (await confirm(world, token, code["id"])).status_code == 409


@one_engine
async def test_the_web_cannot_confirm_before_the_chat_accepts(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    assert (await confirm(world, token, code["id"])).status_code == 409
    await redeem(world, code["code"])
    refused = await confirm(world, token, code["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert await world.count("links") == 0


async def test_everything_ends_after_five_minutes(world: World) -> None:
    token = (await world.person()).access_token
    code = await start(world, token)
    await expire(world)
    assert (await redeem(world, code["code"])).status_code == 404
    assert (await state(world, token, code["id"]))["state"] == "expired"
    code = await start(world, token)
    await redeem(world, code["code"])
    await expire(world)
    assert (await answer(world, code["id"])).status_code == 404
    code = await start(world, token)
    await redeem(world, code["code"])
    await answer(world, code["id"])
    await expire(world)
    assert (await confirm(world, token, code["id"])).status_code == 409
    assert await world.count("links") == 0


async def test_a_code_belongs_to_its_account_and_its_platform(world: World) -> None:
    token, other = (await world.person()).access_token, (await world.person("bob")).access_token
    code = await start(world, token)
    assert (await redeem(world, code["code"], platform="discord")).status_code == 404
    await redeem(world, code["code"])
    assert (await answer(world, code["id"], platform="discord")).status_code == 404
    await answer(world, code["id"])
    assert (await world.ask("GET", f"/links/codes/{code['id']}", as_=other)).status_code == 404
    assert (await confirm(world, other, code["id"])).status_code == 404
    assert (await confirm(world, token, code["id"])).status_code == 200


async def test_a_newer_code_replaces_the_older_one(world: World) -> None:
    token = (await world.person()).access_token
    old, other = await start(world, token), await start(world, token, "discord")
    new = await start(world, token)
    assert (await redeem(world, old["code"])).status_code == 404
    assert (await redeem(world, new["code"])).status_code == 200
    assert (await redeem(world, other["code"], platform="discord")).status_code == 200


async def test_codes_made_at_once_leave_one_alive(world: World) -> None:
    alice = await world.person()
    await race(8, lambda _: world.links.start(alice.user.id, "telegram"))
    row = await world.db.fetch_one("SELECT count(*) AS n FROM link_codes WHERE burned_at IS NULL")
    assert row is not None
    assert row["n"] == 1


@one_engine
async def test_guessing_codes_is_slowed_down(world: World) -> None:
    code = await start(world, (await world.person()).access_token)
    tries = [await redeem(world, ids.token(128)) for _ in range(6)]
    assert [tried.status_code for tried in tries] == [404] * 5 + [429]
    right = await redeem(world, code["code"])
    assert right.status_code == 429
    assert len({tried.json()["detail"] for tried in tries[:5]}) == 1
    blocked = {(tried.json()["reason"], tried.json()["detail"]) for tried in (tries[5], right)}
    assert len(blocked) == 1, "a right code is told apart from a wrong one"
    assert (await redeem(world, code["code"], "200")).status_code == 200


async def test_an_identity_that_is_linked_is_refused(world: World) -> None:
    alice, bob = await world.person(), await world.person("bob")
    await world.linked(alice.access_token)
    code = await start(world, bob.access_token)
    refused = await redeem(world, code["code"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert await world.links.owner("telegram", "100") == alice.user.id
    again = await world.ask("DELETE", "/links/telegram/100", as_=alice.access_token)
    assert again.status_code == 204
    assert (await redeem(world, code["code"])).status_code == 200


async def test_an_identity_that_got_linked_meanwhile_is_refused_and_told(world: World) -> None:
    alice, bob = await world.person(), await world.person("bob")
    code = await start(world, bob.access_token)
    await redeem(world, code["code"])
    await answer(world, code["id"])
    await world.linked(alice.access_token)
    refused = await confirm(world, bob.access_token, code["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert (await state(world, bob.access_token, code["id"]))["state"] == "burned"
    found = [(chat, told) for chat, told, _ in await world.told()]
    assert found == [("chat-100", "linked"), ("chat-100", "link_conflict")]
    assert await world.links.owner("telegram", "100") == alice.user.id


@one_engine
async def test_only_the_owner_unlinks(world: World) -> None:
    alice, bob = await world.person(), await world.person("bob")
    await world.linked(alice.access_token)
    again = await world.ask("DELETE", "/links/telegram/100", as_=bob.access_token)
    assert again.status_code == 404
    again = await world.ask("DELETE", "/links/telegram/100", as_=alice.access_token)
    assert again.status_code == 204
    unlinked = await world.act()
    assert (unlinked.status_code, unlinked.json()["code"]) == (404, "not_linked")


@one_engine
async def test_a_bot_acts_for_its_own_platform_only(world: World) -> None:
    await world.linked((await world.person()).access_token)
    assert (await world.act("100", "telegram")).json()["expires_in"] == 120
    assert (await world.act("100", "discord")).status_code == 404


async def test_racing_redeems_have_one_winner(world: World) -> None:
    alice = await world.person()
    for number in range(ROUNDS[world.db.engine]):
        await world.db.execute("DELETE FROM throttles")
        code = await world.links.start(alice.user.id, "telegram")

        def redeem_as(sender: int, text: str = code.code, first: int = number * 100) -> Any:
            return world.links.redeem(
                "telegram", RedeemIn.model_validate(body(text, str(first + sender)))
            )

        results = await race(16, redeem_as)
        assert [type(result) for result in results].count(RedeemOut) == 1
        assert [type(result) for result in results].count(NotFound) == 15


async def test_racing_confirms_make_one_link_and_one_notice(world: World) -> None:
    """Sixteen accounts have the same identity's consent, and each confirms."""
    people = [world.users.new_guest(str(number)) for number in range(16)]
    async with world.db.transaction() as sql:
        for person in people:
            await world.users.add(sql, replace(person, guest=False))
    for _ in range(ROUNDS[world.db.engine]):
        for table in ("links", "link_codes", "deliveries"):
            await world.db.execute(f"DELETE FROM {table}")
        codes = [
            Code(ids.new_id(), person.id, "telegram", ids.now(), ids.now() + CODE_LIFE)
            for person in people
        ]
        async with world.db.transaction() as sql:
            for code in codes:
                await store.insert_code(sql, code, ids.new_id())
            await sql.execute(
                "UPDATE link_codes SET redeemed_at = created_at, accepted_at = created_at, "
                "platform_user_id = '100', chat_id = '1'"
            )
        results = await race(
            16,
            lambda number, codes=codes: world.links.confirm(  # type: ignore[misc]
                codes[number].user_id, codes[number].id
            ),
        )
        assert [type(result) for result in results].count(CodeStateOut) == 1
        assert [type(result) for result in results].count(Conflict) == 15
        told = await world.db.fetch("SELECT notice_json FROM deliveries")
        found = sorted(json.loads(row["notice_json"])["code"] for row in told)
        assert found == ["link_conflict"] * 15 + ["linked"]
        winner = next(
            number for number, result in enumerate(results) if isinstance(result, CodeStateOut)
        )
        assert await world.links.owner("telegram", "100") == codes[winner].user_id


async def test_confirming_one_code_many_times_tells_the_chat_once(world: World) -> None:
    alice = await world.person()
    code = await start(world, alice.access_token)
    await redeem(world, code["code"])
    await answer(world, code["id"])
    results = await race(16, lambda _: world.links.confirm(alice.user.id, code["id"]))
    assert {result.state for result in results if isinstance(result, CodeStateOut)} == {"confirmed"}
    assert [type(result) for result in results] == [CodeStateOut] * 16
    assert [told for _, told, _ in await world.told()] == ["linked"]


@pytest.mark.parametrize(
    ("email", "hint"),
    [
        ("alice@example.org", "al***@example.org"),
        ("ab@x.org", "a***@x.org"),
        ("a@x.org", "***@x.org"),
    ],
)
def test_the_hint_never_shows_the_whole_name(email: str, hint: str) -> None:
    assert masked(email) == hint


async def test_an_open_chat_gets_a_guest_account(db: Db) -> None:
    world = build(db, chat_signup="open")
    await world.bots.adopt_keys(KEYS)
    act = (await world.act()).json()["access_token"]
    shown = (await world.ask("GET", "/users/me", as_=act)).json()
    assert (shown["email"], shown["display_name"], shown["monthly_usd"]) == (None, "Al", "1.000000")
    assert (await world.act()).json()["user_id"] == shown["id"]


async def test_racing_first_words_make_one_guest(db: Db) -> None:
    world = build(db, chat_signup="open")
    await world.bots.adopt_keys(KEYS)
    for number in range(5):
        results = await race(16, lambda _, identity=str(number): world.act(identity))  # type: ignore[misc]
        owners = {
            result.json()["user_id"] for result in results if not isinstance(result, BaseException)
        }
        assert len(owners) == 1
        assert await world.count("users") == await world.count("links") == number + 1


async def test_a_guests_results_move_to_the_account(db: Db) -> None:
    world = build(db, chat_signup="open")
    await world.bots.adopt_keys(KEYS)
    guest = (await world.act()).json()
    await db.execute(
        "INSERT INTO conversations (id, user_id, title, created_at, updated_at) "
        "VALUES ('c1', $1, 't', $2, $2)",
        guest["user_id"],
        ids.now(),
    )
    alice = await world.person()
    await world.linked(alice.access_token)
    row = await db.fetch_one("SELECT user_id FROM conversations")
    assert row is not None
    assert row["user_id"] == alice.user.id
    assert await world.links.owner("telegram", "100") == alice.user.id
    assert (await world.ask("GET", "/users/me", as_=guest["access_token"])).status_code == 401
    assert (await world.act()).json()["user_id"] == alice.user.id


@one_engine
async def test_a_waiting_bot_is_woken_by_a_link(world: World) -> None:
    token = (await world.person()).access_token
    with world.deliveries._wake.listen("deliveries:telegram") as listener:
        await world.linked(token)
        assert await listener.wait(5)


@one_engine
async def test_a_bot_names_the_person_with_any_call(world: World) -> None:
    """Each call is checked as `/bot/act` would be, and gives no more rights than its token."""
    alice = await world.person()
    await world.linked(alice.access_token)

    async def ask(
        path: str, key: str = KEYS["telegram"], named: object = None, method: str = "GET"
    ) -> httpx.Response:
        person = named or {"platform_user_id": "100", "chat_id": "chat-100"}
        headers = {"authorization": f"Bearer {key}", "x-acting-for": json.dumps(person)}
        return await world.http.request(method, path, headers=headers)

    assert (await ask("/users/me")).json()["id"] == alice.user.id
    assert (await ask("/users/me", KEYS["discord"])).json()["code"] == "not_linked"
    for other in (alice.access_token, await world.act_token(), "guessed"):
        assert (await ask("/users/me", other)).status_code == 401
    for session_only in ("/links/codes/1", "/auth/sessions"):
        assert (await ask(session_only)).status_code == 403
    for wrong in ("x", {"platform_user_id": ""}, [1]):
        refused = await ask("/users/me", named=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    await world.db.execute("UPDATE users SET status = 'disabled' WHERE id = $1", alice.user.id)
    assert (await ask("/users/me")).json()["reason"] == "account_disabled"
    await world.db.execute("UPDATE users SET status = 'active' WHERE id = $1", alice.user.id)
    assert (await ask("/links/telegram/100", method="DELETE")).status_code == 204
    assert (await ask("/users/me")).json()["code"] == "not_linked"
