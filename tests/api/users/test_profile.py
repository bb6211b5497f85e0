"""A person's own account: reading, changing, erasing."""

from typing import Any

import pytest

from tests.api.auth.account_services import World, one_engine

GOOD = "a good password"


async def change(world: World, token: str, **body: Any) -> Any:
    return await world.ask("PUT", "/users/me", as_=token, json=body)


async def test_the_profile_shows_the_account_and_its_money(world: World) -> None:
    alice = await world.person()
    shown = (await world.ask("GET", "/users/me", as_=alice.access_token)).json()
    assert shown.pop("id") == alice.user.id
    assert shown.pop("created_at").endswith("Z")
    expected = {
        "email": "alice@example.org",
        "display_name": "alice",
        "role": "user",
        "status": "active",
        "invited": False,
        "language": "auto",
        "monthly_usd": "10.000000",
        "spent_usd": "0.000000",
        "held_usd": "0.000000",
    }
    assert shown.items() >= expected.items()


@one_engine
async def test_name_and_language_need_no_password(world: World) -> None:
    alice = await world.person()
    other = await world.login("alice", GOOD)
    changed = await change(world, alice.access_token, display_name=" Alice ", language="de")
    assert (changed.json()["display_name"], changed.json()["language"]) == ("Alice", "de")
    found = (await world.ask("GET", "/users/me", as_=other.access_token)).json()["display_name"]
    assert found == "Alice"
    assert (await change(world, alice.access_token, display_name="   ")).status_code == 422


@one_engine
@pytest.mark.parametrize(
    "wanted", [{"email": "new@example.org"}, {"new_password": "a better password"}]
)
@pytest.mark.parametrize("current", [None, "a wrong password"])
async def test_email_and_password_need_the_current_password(
    world: World, wanted: dict[str, str], current: str | None
) -> None:
    alice = await world.person()
    refused = await change(world, alice.access_token, current_password=current, **wanted)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "current_password")
    await world.login("alice", GOOD)


@one_engine
async def test_a_new_email_signs_in_and_the_old_one_does_not(world: World) -> None:
    alice = await world.person()
    changed = await change(
        world, alice.access_token, email="New@Example.org", current_password=GOOD
    )
    assert changed.json()["email"] == "new@example.org"
    await world.login("new", GOOD)
    old = await world.ask(
        "POST", "/auth/login", json={"email": "alice@example.org", "password": GOOD}
    )
    assert old.status_code == 401


async def test_an_email_address_of_somebody_else_is_refused(world: World) -> None:
    await world.person("bob")
    alice = await world.person()
    other = await world.login("alice", GOOD)
    taken = await change(
        world,
        alice.access_token,
        email="bob@example.org",
        new_password="a better password",
        current_password=GOOD,
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    assert (
        await world.ask("GET", "/users/me", as_=other.access_token)
    ).status_code == 200  # the new password was not stored
    await world.login("alice", GOOD)


@one_engine
async def test_a_new_password_is_checked_for_the_role(world: World) -> None:
    admin = await world.admin()
    short = await change(
        world,
        admin.access_token,
        new_password="14 characters!",
        current_password="an admin's long password",
    )
    assert short.status_code == 422
    assert short.json()["fields"] == [
        {
            "field": "new_password",
            "message": "The password must have at least 15 characters.",
            "reason": "password_short",
            "params": {"least": 15},
        }
    ]


@one_engine
async def test_guessing_the_current_password_is_slowed_down(world: World) -> None:
    alice = await world.person()
    tries = [
        (
            await change(
                world,
                alice.access_token,
                new_password="a better password",
                current_password=f"guess {number}",
            )
        ).status_code
        for number in range(6)
    ]
    assert tries == [422] * 5 + [429]


@one_engine
async def test_unknown_fields_are_refused(world: World) -> None:
    alice = await world.person()
    assert (await change(world, alice.access_token, role="admin")).status_code == 422


async def test_erasing_oneself_leaves_nothing(world: World) -> None:
    erased: list[str] = []

    async def erase(user_id: str) -> None:
        standing = await world.users.standing(user_id)
        assert standing is not None
        assert standing.status == "disabled"  # nothing new can arrive while the domains delete
        erased.append(user_id)

    world.erasers.append(erase)
    bob, alice = await world.person("bob"), await world.person()
    await world.linked(alice.access_token)
    await world.linked(bob.access_token, "200")
    assert (await world.ask("DELETE", "/users/me", as_=alice.access_token)).status_code == 204
    assert erased == [alice.user.id]
    for table, column in [
        ("users", "id"),
        ("sessions", "user_id"),
        ("refresh_tokens", "user_id"),
        ("links", "user_id"),
        ("link_codes", "user_id"),
    ]:
        rows = await world.db.fetch(f"SELECT {column} AS owner FROM {table}")
        assert {row["owner"] for row in rows} == {bob.user.id}, table
    assert (await world.act()).status_code == 404
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 401
    assert (await world.person()).user.id != alice.user.id


async def test_erasing_that_was_interrupted_is_ended_by_asking_again(world: World) -> None:
    admin, alice = await world.admin(), await world.person()

    async def fail(user_id: str) -> None:
        raise ConnectionError("the media store is away")

    world.erasers.append(fail)
    with pytest.raises(ConnectionError):
        await world.eraser.erase(alice.user.id, actor_id=admin.user.id)
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 401
    world.erasers.pop()
    await world.eraser.erase(alice.user.id, actor_id=admin.user.id)
    assert await world.count("users") == 1
