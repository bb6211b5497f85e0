"""Acts that need a recent password: deleting the account, exporting its data, changing its
chats."""

import pytest

from tests.api.auth.account_services import World, one_engine

pytestmark = one_engine

ROUTES = [
    "GET /users/me/export",
    "DELETE /users/me",
    "POST /links/codes",
    "DELETE /links/telegram/100",
]


async def ask(world: World, route: str, bearer: str) -> tuple[int, str | None]:
    method, path = route.split(" ")
    body = {"json": {"platform": "telegram"}} if path == "/links/codes" else {}
    answer = await world.ask(method, path, as_=bearer, **body)
    return answer.status_code, answer.json()["code"] if answer.is_error else None


async def age(world: World) -> None:
    await world.db.execute(
        "UPDATE sessions SET created_at = created_at - INTERVAL '16 minutes', "
        "proved_at = proved_at - INTERVAL '16 minutes'"
    )


@pytest.mark.parametrize("route", ROUTES)
async def test_an_old_sign_in_has_to_prove_itself_again(world: World, route: str) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    await age(world)
    assert await ask(world, route, alice.access_token) == (403, "reauth_required")
    wrong = await world.ask(
        "POST",
        "/auth/reauth",
        as_=alice.access_token,
        json={"current_password": "a wrong password"},
    )
    assert (wrong.status_code, wrong.json()["fields"][0]["field"]) == (422, "current_password")
    assert await ask(world, route, alice.access_token) == (403, "reauth_required")
    right = await world.ask(
        "POST", "/auth/reauth", as_=alice.access_token, json={"current_password": "a good password"}
    )
    assert right.status_code == 204
    assert (await ask(world, route, alice.access_token))[0] in {200, 201, 204}


async def test_the_proof_is_of_one_session_and_for_a_while(world: World) -> None:
    alice = await world.person()
    other = await world.login("alice", "a good password")
    await age(world)
    await world.ask(
        "POST", "/auth/reauth", as_=alice.access_token, json={"current_password": "a good password"}
    )
    assert (await ask(world, "POST /links/codes", alice.access_token))[0] == 201
    assert (await ask(world, "POST /links/codes", other.access_token))[0] == 403
    refreshed = (
        await world.ask("POST", "/auth/refresh", json={"refresh_token": other.refresh_token})
    ).json()
    assert (await ask(world, "POST /links/codes", refreshed["access_token"]))[0] == 403
    await age(world)
    assert (await ask(world, "POST /links/codes", alice.access_token))[0] == 403


async def test_guessing_there_is_slowed_down(world: World) -> None:
    alice = await world.person()
    tries = [
        (
            await world.ask(
                "POST",
                "/auth/reauth",
                as_=alice.access_token,
                json={"current_password": f"guess {number}"},
            )
        ).status_code
        for number in range(6)
    ]
    assert tries == [422] * 5 + [429]


async def test_a_chat_proves_nothing(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    act = await world.act_token()
    proof = await world.ask(
        "POST", "/auth/reauth", as_=act, json={"current_password": "a good password"}
    )
    assert proof.status_code == 403
