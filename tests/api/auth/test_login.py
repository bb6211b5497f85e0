"""Setup, sign-up, login, sessions."""

from datetime import timedelta
from typing import Any

import pytest

from api import ids
from api.auth.schemas import SetupIn, TokensOut
from api.auth.service import SIGNUPS
from api.auth.sessions import PER_ADDRESS
from api.db import Db
from api.errors import SetupDone
from tests.api.auth.account_services import (
    ADMIN,
    HERE,
    KEYS,
    SETUP_TOKEN,
    World,
    build,
    one_engine,
    race,
)

GOOD = "a good password"


async def login(world: World, email: str, password: str) -> Any:
    return await world.ask("POST", "/auth/login", json={"email": email, "password": password})


async def test_setup_makes_the_first_admin_once(world: World) -> None:
    body = {"token": SETUP_TOKEN, "email": ADMIN[0], "password": ADMIN[1]}
    assert await world.users.setup_needed()
    made = await world.ask("POST", "/auth/setup", json=body)
    assert (made.status_code, made.json()["user"]["role"]) == (201, "admin")
    assert not await world.users.setup_needed()
    again = await world.ask("POST", "/auth/setup", json=body)
    assert (again.status_code, again.json()["code"]) == (410, "setup_done")
    assert [row["action"] for row in await world.db.fetch("SELECT action FROM audit")] == ["setup"]


@one_engine
async def test_setup_needs_the_token_and_a_long_password(world: World) -> None:
    wrong = {"token": "guessed", "email": ADMIN[0], "password": ADMIN[1]}
    assert (await world.ask("POST", "/auth/setup", json=wrong)).status_code == 403
    short = {"token": SETUP_TOKEN, "email": ADMIN[0], "password": "14 characters!"}
    response = await world.ask("POST", "/auth/setup", json=short)
    assert (response.status_code, response.json()["fields"][0]["field"]) == (422, "password")
    assert await world.count("users") == 0


@one_engine
async def test_a_setup_that_is_done_tells_nothing_of_its_token(world: World) -> None:
    await world.admin()
    wrong = {"token": "guessed", "email": ADMIN[0], "password": ADMIN[1]}
    assert (await world.ask("POST", "/auth/setup", json=wrong)).status_code == 410


@one_engine
async def test_guessing_the_setup_token_is_slowed_down(world: World) -> None:
    wrong = {"token": "guessed", "email": ADMIN[0], "password": ADMIN[1]}
    statuses = [
        (await world.ask("POST", "/auth/setup", json=wrong)).status_code
        for _ in range(PER_ADDRESS.free + 5)
    ]
    assert set(statuses[: PER_ADDRESS.free]) == {403}
    assert 429 in statuses, "the first waits are of a second or two"


async def test_racing_setups_make_one_admin(db: Db) -> None:
    for _ in range(6):
        for table in ("users", "marks", "sessions", "refresh_tokens", "throttles"):
            await db.execute(f"DELETE FROM {table}")
        world = build(db)
        results = await race(
            16,
            lambda number, auth=world.auth: auth.setup(  # type: ignore[misc]
                SetupIn.model_validate(
                    {"token": SETUP_TOKEN, "email": f"a{number}@example.org", "password": ADMIN[1]}
                ),
                HERE,
            ),
        )
        found = sorted(type(result).__name__ for result in results)
        assert found == ["SetupDone"] * 15 + ["TokensOut"]
        assert await world.count("users") == await world.count("sessions") == 1


@one_engine
async def test_sign_up_is_closed_unless_it_is_opened(db: Db) -> None:
    world = build(db, web_signup="invite")
    response = await world.ask(
        "POST", "/auth/register", json={"email": "a@example.org", "password": GOOD}
    )
    assert (response.status_code, response.json()["code"]) == (403, "signup_closed")
    assert await world.count("users") == 0


@one_engine
async def test_one_address_asks_for_few_accounts(db: Db) -> None:
    world = build(db, web_signup="open")
    # refused for its password, so that no test waits for hashes
    body = {"email": "a@example.org", "password": "password1234"}
    statuses = [
        (await world.ask("POST", "/auth/register", json=body)).status_code
        for _ in range(SIGNUPS.free + 1)
    ]
    assert statuses == [422] * SIGNUPS.free + [429]


async def test_an_email_address_has_one_account(world: World) -> None:
    await world.person()
    response = await world.ask(
        "POST", "/auth/register", json={"email": "Alice@Example.org", "password": GOOD}
    )
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert await world.count("users") == await world.count("sessions") == 1


@one_engine
@pytest.mark.parametrize("password", ["eleven char", "x" * 1025, "ü" * 513])
async def test_a_password_has_12_characters_and_at_most_1024_bytes(
    world: World, password: str
) -> None:
    response = await world.ask(
        "POST", "/auth/register", json={"email": "a@example.org", "password": password}
    )
    wrong = response.json()["fields"][0]
    assert (response.status_code, wrong["field"]) == (422, "password")
    assert wrong["reason"] in {"password_short", "password_long", "string_too_long"}
    assert password not in response.text


@one_engine
async def test_a_password_counts_as_it_was_typed(world: World) -> None:
    await world.person("alice", "  a good password ")
    assert (await login(world, "alice@example.org", "a good password")).status_code == 401
    assert (await login(world, " ALICE@example.org ", "  a good password ")).status_code == 200


@one_engine
async def test_login_does_not_tell_who_has_an_account(world: World) -> None:
    await world.person()
    wrong = await login(world, "alice@example.org", "a wrong password")
    nobody = await login(world, "nobody@example.org", "a wrong password")
    await world.db.execute("UPDATE users SET status = 'disabled'")
    disabled = await login(world, "alice@example.org", GOOD)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "not_authenticated")
    assert wrong.json() == nobody.json() == disabled.json()


async def test_guessing_at_an_account_is_slowed_down(world: World) -> None:
    await world.person()
    tries = [
        (await login(world, "alice@example.org", f"a wrong password {n}")).status_code
        for n in range(6)
    ]
    assert tries == [401] * 5 + [429]
    blocked = await login(world, "alice@example.org", GOOD)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "rate_limited")
    assert int(blocked.headers["retry-after"]) >= 1
    await world.db.execute("UPDATE throttles SET blocked_until = blocked_until - INTERVAL '1 hour'")
    assert (await login(world, "alice@example.org", "a wrong password")).status_code == 401
    rows = await world.db.fetch(
        "SELECT blocked_until - window_started_at AS wait FROM throttles WHERE failures = 6"
    )
    assert rows[0]["wait"].total_seconds() >= 2  # the wait doubles
    await world.db.execute("UPDATE throttles SET blocked_until = NULL")
    assert (await login(world, "alice@example.org", GOOD)).status_code == 200
    assert (await login(world, "alice@example.org", "a wrong password")).status_code == 401


async def test_many_guesses_at_once_do_not_slip_through(world: World) -> None:
    await world.person()
    results = await race(
        16, lambda number: login(world, "alice@example.org", f"a wrong password {number}")
    )
    codes = sorted(
        result.status_code for result in results if not isinstance(result, BaseException)
    )
    assert codes == [401] * 5 + [429] * 11


async def test_guessing_at_many_accounts_is_slowed_down(world: World) -> None:
    await world.db.execute(
        "INSERT INTO throttles (key, failures, window_started_at) "
        "VALUES ('login-from:192.0.2.9', 49, $1)",
        ids.now(),
    )
    assert (await login(world, "a@example.org", "a wrong password")).status_code == 401
    assert (await login(world, "b@example.org", "a wrong password")).status_code == 429


async def test_logout_ends_the_session_at_once(world: World) -> None:
    tokens = await world.person()
    assert (await world.ask("POST", "/auth/logout", as_=tokens.access_token)).status_code == 204
    assert (await world.ask("GET", "/users/me", as_=tokens.access_token)).status_code == 401
    answer = await world.ask("POST", "/auth/refresh", json={"refresh_token": tokens.refresh_token})
    assert answer.status_code == 401


async def test_sessions_are_listed_and_ended(world: World) -> None:
    here = await world.person()
    there, third = await world.login("alice", GOOD), await world.login("alice", GOOD)
    stranger = await world.person("bob")
    first = (await world.ask("GET", "/auth/sessions?limit=2", as_=here.access_token)).json()
    second = (
        await world.ask(
            "GET", f"/auth/sessions?limit=2&cursor={first['next_cursor']}", as_=here.access_token
        )
    ).json()
    items = first["items"] + second["items"]
    assert [item["current"] for item in items] == [False, False, True]
    assert second["next_cursor"] is None
    assert items[0]["ip"] == "192.0.2.9"
    older = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1"
    for item, minutes in zip(items, (9, 1, 5), strict=True):
        await world.db.execute(older, item["id"], ids.now() - timedelta(minutes=minutes))
    for sort, order in (("oldest", [2, 1, 0]), ("seen", [1, 2, 0])):
        wanted, cursor = list[str](), ""
        while len(wanted) < len(order):
            page = (
                await world.ask(
                    "GET", f"/auth/sessions?limit=1&sort={sort}{cursor}", as_=here.access_token
                )
            ).json()
            wanted, cursor = [*wanted, page["items"][0]["id"]], f"&cursor={page['next_cursor']}"
        assert (wanted, page["next_cursor"]) == ([items[place]["id"] for place in order], None), (
            sort
        )
    foreign = await world.ask(
        "DELETE", f"/auth/sessions/{items[0]['id']}", as_=stranger.access_token
    )
    assert foreign.status_code == 404
    answer = await world.ask("DELETE", f"/auth/sessions/{items[0]['id']}", as_=here.access_token)
    assert answer.status_code == 204
    alive = [
        (await world.ask("GET", "/users/me", as_=one.access_token)).status_code
        for one in (here, there, third, stranger)
    ]
    assert alive == [200, 200, 401, 200]
    assert (await world.ask("DELETE", "/auth/sessions", as_=here.access_token)).status_code == 204
    alive = [
        (await world.ask("GET", "/users/me", as_=one.access_token)).status_code
        for one in (here, there, stranger)
    ]
    assert alive == [200, 401, 200]


@one_engine
async def test_a_signed_in_person_needs_a_bearer(world: World) -> None:
    tokens = await world.person()
    for bearer in (None, "x", tokens.refresh_token, KEYS["telegram"]):
        response = await world.ask("GET", "/users/me", as_=bearer)
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert response.headers["content-type"] == "application/problem+json"


@one_engine
async def test_a_token_of_another_users_session_is_refused(world: World) -> None:
    alice, bob = await world.person(), await world.person("bob")
    session = (await world.ask("GET", "/auth/sessions", as_=bob.access_token)).json()["items"][0][
        "id"
    ]
    mixed = world.signer.access(alice.user.id, session)
    assert (await world.ask("GET", "/users/me", as_=mixed)).status_code == 401


@one_engine
async def test_setup_is_done_when_an_admin_exists_without_it(world: World) -> None:
    await world.person()
    await world.db.execute("UPDATE users SET role = 'admin'")
    with pytest.raises(SetupDone):
        await world.admin()
    assert isinstance(await world.login("alice", GOOD), TokensOut)
