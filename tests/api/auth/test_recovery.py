"""Invitations and resets: shown once, used once, valid for a while. An invalid one is refused
without a reason."""

from typing import Any

import pytest

from api import ids
from api.auth.schemas import RegisterIn, ResetIn, TokensOut
from api.db import Db
from api.errors import NotFound
from tests.api.auth.account_services import HERE, ROUNDS, World, build, one_engine, race

NEW = "a brand new secret"
OTHER = "quite another secret"
"""Rounds on each engine: one hashes seventeen passwords and takes an admin's act, a third of a
second together."""


async def invite(world: World, admin: TokensOut, **body: Any) -> Any:
    made = await world.ask(
        "POST", "/users", as_=admin.access_token, json={"email": "Bob@Example.org"} | body
    )
    assert made.status_code == 201, made.text
    return made.json()


async def register(
    world: World, token: str, email: str = "bob@example.org", password: str = NEW
) -> Any:
    return await world.ask(
        "POST", "/auth/register", json={"email": email, "password": password, "invite": token}
    )


async def start_reset(world: World, admin: TokensOut, user_id: str) -> Any:
    made = await world.ask("POST", f"/users/{user_id}/password-reset", as_=admin.access_token)
    assert made.status_code == 201, made.text
    return made.json()


async def reset(world: World, token: str, password: str = NEW) -> Any:
    return await world.ask("POST", "/auth/reset", json={"token": token, "password": password})


async def expire(world: World) -> None:
    await world.db.execute("UPDATE one_time_tokens SET expires_at = created_at")


async def test_an_invited_person_chooses_a_password_and_is_in(db: Db) -> None:
    world = build(db, web_signup="invite")
    admin = await world.admin()
    made = await invite(world, admin, monthly_usd="3.5")
    assert made["user"]["invited"]
    seen = (made["user"]["email"], made["user"]["role"], made["user"]["monthly_usd"])
    assert seen == ("bob@example.org", "user", "3.500000")
    assert made["link"] == f"https://studio.example.org/register?invite={made['token']}"
    assert not made["mailed"]
    invitee = (await world.ask("POST", "/auth/invitee", json={"invite": made["token"]})).json()
    found = (invitee["email"], invitee["role"], invitee["password_min"])
    assert found == ("bob@example.org", "user", 12)
    assert (
        await world.ask("POST", "/auth/login", json={"email": "bob@example.org", "password": NEW})
    ).status_code == 401

    joined = await register(world, made["token"])
    assert (joined.status_code, joined.json()["user"]["invited"]) == (201, False)
    assert joined.json()["user"]["id"] == made["user"]["id"]
    await world.login("bob", NEW)
    again = await register(world, made["token"], password=OTHER)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert (
        await world.ask("POST", "/users", as_=admin.access_token, json={"email": "bob@example.org"})
    ).status_code == 409
    answer = await world.ask("POST", f"/users/{made['user']['id']}/invite", as_=admin.access_token)
    assert answer.status_code == 409
    rows = await world.db.fetch("SELECT action FROM audit ORDER BY id")
    assert [row["action"] for row in rows] == ["setup", "user_invite", "user_accept"]
    assert made["token"] not in str(await world.db.fetch("SELECT * FROM one_time_tokens"))


@one_engine
@pytest.mark.parametrize(
    "wrong", ["expired", "replaced", "other address", "disabled", "unknown", "reset"]
)
async def test_an_invitation_that_does_not_count_gets_one_answer(world: World, wrong: str) -> None:
    admin, alice = await world.admin(), await world.person()
    made = await invite(world, admin)
    token, path = made["token"], f"/users/{made['user']['id']}"
    if wrong == "expired":
        await expire(world)
    elif wrong == "replaced":
        newer = (await world.ask("POST", f"{path}/invite", as_=admin.access_token)).json()["token"]
    elif wrong == "disabled":
        await world.ask(
            "PUT", f"{path}/status", as_=admin.access_token, json={"status": "disabled"}
        )
    elif wrong == "reset":
        token = (await start_reset(world, admin, alice.user.id))["token"]
    refused = await register(
        world,
        "guessed" if wrong == "unknown" else token,
        "eve@x.org" if wrong == "other address" else "bob@example.org",
    )
    seen = (refused.status_code, refused.json()["detail"])
    assert seen == (404, "This invitation is not valid (any more). Ask an admin for a new one.")
    if wrong == "expired":
        shown = await world.ask("POST", "/auth/invitee", json={"invite": token})
        assert shown.status_code == 404
    if wrong == "replaced":
        assert (await register(world, newer)).status_code == 201


@one_engine
async def test_a_bad_password_does_not_use_the_link_up(world: World) -> None:
    made = await invite(world, await world.admin(), role="admin")
    short = await register(world, made["token"], password="14 characters!")
    assert (short.status_code, short.json()["fields"][0]["field"]) == (422, "password")
    assert (await register(world, made["token"])).json()["user"]["role"] == "admin"


@one_engine
async def test_an_invited_admin_is_not_the_one_who_stays(world: World) -> None:
    admin = await world.admin()
    made = await invite(world, admin, role="admin")
    demoted = await world.ask(
        "PUT", f"/users/{admin.user.id}/role", as_=admin.access_token, json={"role": "user"}
    )
    assert (demoted.status_code, demoted.json()["code"]) == (409, "last_admin")
    answer = await world.ask("DELETE", f"/users/{made['user']['id']}", as_=admin.access_token)
    assert answer.status_code == 204
    assert await world.count("one_time_tokens") == 0


async def test_a_reset_gives_a_new_password_and_ends_every_session(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    made = await start_reset(world, admin, alice.user.id)
    assert made["link"] == f"https://studio.example.org/reset?token={made['token']}"
    await world.login("alice", "a good password")  # the old one works until then
    for number in range(6):
        await world.ask(
            "POST",
            "/auth/login",
            json={"email": "alice@example.org", "password": f"a guess, number {number}"},
        )
    assert (await reset(world, made["token"], "alice")).status_code == 422
    assert (await reset(world, made["token"])).status_code == 204
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 401
    answer = await world.ask("POST", "/auth/refresh", json={"refresh_token": alice.refresh_token})
    assert answer.status_code == 401
    assert (await reset(world, made["token"], OTHER)).status_code == 404
    old = await world.ask(
        "POST", "/auth/login", json={"email": "alice@example.org", "password": "a good password"}
    )
    assert old.status_code == 401
    await world.login("alice", NEW)  # whoever tried to guess holds nobody up any more
    rows = await world.db.fetch(
        "SELECT actor_id, action FROM audit WHERE subject = $1 ORDER BY id", alice.user.id
    )
    found = [(row["actor_id"], row["action"]) for row in rows]
    assert found == [(admin.user.id, "password_reset_link"), (None, "password_reset")]


@one_engine
@pytest.mark.parametrize("wrong", ["expired", "replaced", "disabled", "changed", "invite"])
async def test_a_reset_that_does_not_count_changes_nothing(world: World, wrong: str) -> None:
    admin, alice = await world.admin(), await world.person()
    token = (await start_reset(world, admin, alice.user.id))["token"]
    if wrong == "expired":
        await expire(world)
    elif wrong == "replaced":
        await start_reset(world, admin, alice.user.id)
    elif wrong == "disabled":
        await world.ask(
            "PUT",
            f"/users/{alice.user.id}/status",
            as_=admin.access_token,
            json={"status": "disabled"},
        )
    elif wrong == "changed":
        change = {"current_password": "a good password", "new_password": OTHER}
        await world.ask("PUT", "/users/me", as_=alice.access_token, json=change)
    else:
        token = (await invite(world, admin))["token"]
    before = await world.db.fetch("SELECT password_hash FROM users ORDER BY id")
    assert (await reset(world, token)).status_code == 404
    assert await world.db.fetch("SELECT password_hash FROM users ORDER BY id") == before


@one_engine
async def test_there_is_nothing_to_reset_without_a_password(world: World) -> None:
    admin = await world.admin()
    made = await invite(world, admin)
    guest = await world.links.guest("telegram", "7", display_name="Gus", chat_id="7")
    for user_id in (made["user"]["id"], guest):
        refused = await world.ask(
            "POST", f"/users/{user_id}/password-reset", as_=admin.access_token
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    missing = await world.ask("POST", "/users/nobody/password-reset", as_=admin.access_token)
    assert missing.status_code == 404


@one_engine
async def test_guessing_at_links_is_slowed_down(world: World) -> None:
    await world.db.execute(
        "INSERT INTO throttles (key, failures, window_started_at) "
        "VALUES ('one-time:192.0.2.9', 49, $1)",
        ids.now(),
    )
    assert [(await reset(world, "guessed")).status_code for _ in range(3)] == [404, 429, 429]
    assert (await world.ask("POST", "/auth/invitee", json={"invite": "guessed"})).status_code == 429


async def test_racing_for_an_invitation_has_one_winner(world: World) -> None:
    admin = await world.admin()
    for number in range(min(10, ROUNDS[world.db.engine])):
        await world.db.execute("DELETE FROM throttles")
        email = f"p{number}@example.org"
        token = (await invite(world, admin, email=email))["token"]

        def take(who: int, token: str = token, email: str = email) -> Any:
            body = {"email": email, "password": f"{NEW}, number {who}", "invite": token}
            return world.auth.register(RegisterIn.model_validate(body), HERE)

        results = await race(16, take)
        found = sorted(type(result).__name__ for result in results)
        assert found == ["NotFound"] * 15 + ["TokensOut"]
        winner = next(who for who, result in enumerate(results) if isinstance(result, TokensOut))
        await world.login(f"p{number}", f"{NEW}, number {winner}")


async def test_racing_resets_have_one_winner(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    for _ in range(min(10, ROUNDS[world.db.engine])):
        await world.db.execute("DELETE FROM throttles")
        token = (await start_reset(world, admin, alice.user.id))["token"]

        def take(who: int, token: str = token) -> Any:
            return world.recovery.reset(
                ResetIn.model_validate({"token": token, "password": f"{NEW}, number {who}"}), HERE
            )

        results = await race(16, take)
        assert [type(result) for result in results].count(NotFound) == 15
        winner = next(who for who, result in enumerate(results) if result is None)
        await world.login("alice", f"{NEW}, number {winner}")
