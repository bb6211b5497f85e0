"""A refresh token works once. A second use is answered as long as nobody has used the successor,
because the answer may have been lost. A session with a token in two hands ends."""

import asyncio
from datetime import timedelta
from typing import Any

import time_machine

from api import ids
from api.auth.schemas import TokensOut
from tests.api.auth.account_services import ROUNDS, World, one_engine, race

LATE = 301
"""Seconds after which a used token does not give the same successor any more."""


async def refresh(world: World, token: str) -> Any:
    return await world.ask("POST", "/auth/refresh", json={"refresh_token": token})


async def is_alive(world: World, access_token: str) -> bool:
    return (await world.ask("GET", "/users/me", as_=access_token)).status_code == 200


async def age(world: World, token: str, seconds: int) -> None:
    """Make a token's use look older."""
    await world.db.execute(
        f"UPDATE refresh_tokens SET used_at = used_at - INTERVAL '{seconds} seconds' "
        "WHERE token_hash = $1",
        ids.digest(token),
    )


async def test_each_refresh_gives_a_new_pair(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    third = await refresh(world, second["refresh_token"])
    assert third.status_code == 200
    assert len({first.refresh_token, second["refresh_token"], third.json()["refresh_token"]}) == 3
    assert await is_alive(world, third.json()["access_token"])
    assert third.json()["expires_in"] == 900


@one_engine
async def test_tokens_are_not_in_the_database(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    rows = str([dict(row) for row in await world.db.fetch("SELECT * FROM refresh_tokens")])
    assert first.refresh_token not in rows
    assert second["refresh_token"] not in rows


async def test_a_lost_answer_is_given_again(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    again = (await refresh(world, first.refresh_token)).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert (await refresh(world, again["refresh_token"])).status_code == 200


async def test_a_token_used_twice_ends_the_session(world: World) -> None:
    """Two hold the same token. The later one gets another successor, which ends the first one's."""
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    await age(world, first.refresh_token, LATE)
    other = (await refresh(world, first.refresh_token)).json()
    assert other["refresh_token"] != second["refresh_token"]
    assert (await refresh(world, second["refresh_token"])).status_code == 401
    assert (await refresh(world, other["refresh_token"])).status_code == 401
    assert not await is_alive(world, other["access_token"])
    found = [row["action"] for row in await world.db.fetch("SELECT action FROM audit")]
    assert found == ["refresh_reuse"]


async def test_a_token_whose_successor_was_used_ends_the_session(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    third = (await refresh(world, second["refresh_token"])).json()
    await age(world, first.refresh_token, LATE)
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert (await refresh(world, third["refresh_token"])).status_code == 401
    assert not await is_alive(world, third["access_token"])


async def test_a_lost_answer_is_made_up_for_days_later(world: World) -> None:
    """The successor never arrived, so the owner has nothing but the used token."""
    token = (await world.person()).refresh_token
    for _ in range(3):
        lost = (await refresh(world, token)).json()["refresh_token"]
        await age(world, token, 9 * 86_400)
        found = (await refresh(world, token)).json()["refresh_token"]
        assert found != lost
        assert (await refresh(world, found)).status_code == 200
        token = (await refresh(world, found)).json()["refresh_token"]
    assert await world.count("audit") == 0


async def test_tabs_opened_days_after_a_lost_answer_get_one_successor(world: World) -> None:
    first = await world.person()
    await refresh(world, first.refresh_token)
    for _ in range(ROUNDS[world.db.engine]):
        await age(world, first.refresh_token, LATE)
        results = await race(8, lambda _: world.auth.refresh(first.refresh_token))
        assert [type(result) for result in results] == [TokensOut] * 8
        found = {result.refresh_token for result in results if isinstance(result, TokensOut)}
        assert len(found) == 1
    assert (await refresh(world, found.pop())).status_code == 200


async def test_a_lost_answer_does_not_outlive_the_idle_time(world: World) -> None:
    first = await world.person()
    await refresh(world, first.refresh_token)
    await age(world, first.refresh_token, LATE)
    await world.db.execute("UPDATE refresh_tokens SET expires_at = issued_at")
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert await is_alive(world, first.access_token)


async def test_a_grandparent_ends_the_session_within_the_grace_too(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    third = (await refresh(world, second["refresh_token"])).json()
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert not await is_alive(world, third["access_token"])


@one_engine
async def test_the_clocks_of_two_apis_may_differ(world: World) -> None:
    """The other api is ten minutes ahead, or behind."""
    for minutes in (10, -10):
        first = await world.person(f"alice{minutes}".replace("-", "x"))
        second = (await refresh(world, first.refresh_token)).json()
        with time_machine.travel(ids.now() + timedelta(minutes=minutes)):
            again = (await refresh(world, first.refresh_token)).json()
        assert again["refresh_token"] == second["refresh_token"]


@one_engine
async def test_a_refresh_that_waits_for_its_turn_is_not_late(world: World) -> None:
    """The time of the request counts, not the time that a busy database took."""
    first = await world.person()
    with time_machine.travel(ids.now(), tick=False) as clock:
        async with world.db.transaction() as sql:
            await sql.execute("UPDATE refresh_tokens SET user_id = user_id")
            asked = [asyncio.create_task(refresh(world, first.refresh_token)) for _ in range(2)]
            waiting = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted"
            while (await world.db.fetch(waiting))[0]["n"] < 2:
                pass
            clock.shift(60)
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 200]


@one_engine
async def test_an_unknown_token_changes_nothing(world: World) -> None:
    first = await world.person()
    assert (await refresh(world, ids.token())).status_code == 401
    assert await is_alive(world, first.access_token)


async def test_an_unused_token_ends_with_its_idle_time_and_its_session(world: World) -> None:
    first = await world.person()
    await world.db.execute("UPDATE refresh_tokens SET expires_at = issued_at")
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert await is_alive(world, first.access_token)
    second = await world.person("bob")
    await world.db.execute("UPDATE sessions SET expires_at = created_at")
    assert (await refresh(world, second.refresh_token)).status_code == 401
    assert not await is_alive(world, second.access_token)


async def test_refreshing_never_prolongs_the_session(world: World) -> None:
    first = await world.person()
    await world.db.execute("UPDATE sessions SET expires_at = created_at + INTERVAL '1 hour'")
    await refresh(world, first.refresh_token)
    rows = await world.db.fetch(
        "SELECT t.expires_at > s.expires_at AS longer "
        "FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.used_at IS NULL"
    )
    assert [row["longer"] for row in rows] == [False]


@one_engine
async def test_a_disabled_user_cannot_refresh(world: World) -> None:
    first = await world.person()
    await world.db.execute("UPDATE users SET status = 'disabled'")
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert not await is_alive(world, first.access_token)


async def test_racing_refreshes_make_one_successor(world: World) -> None:
    await world.person()
    # each opens a session and rotates it in sixteen transactions
    for _ in range(ROUNDS[world.db.engine]):
        await world.db.execute("DELETE FROM throttles")
        before = await world.count("refresh_tokens")
        tokens = await world.login("alice", "a good password")
        results = await race(16, lambda _, token=tokens.refresh_token: world.auth.refresh(token))  # type: ignore[misc]
        assert [type(result) for result in results] == [TokensOut] * 16
        found = len({result.refresh_token for result in results if isinstance(result, TokensOut)})
        assert found == 1
        assert await world.count("refresh_tokens") == before + 2


@one_engine
async def test_any_number_of_tabs_at_once_stay_signed_in(world: World) -> None:
    tokens = await world.person()
    for _ in range(3):
        answers = await asyncio.gather(*(refresh(world, tokens.refresh_token) for _ in range(40)))
        assert [answer.status_code for answer in answers] == [200] * 40
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        tokens = TokensOut.model_validate(answers[0].json())
    assert await is_alive(world, tokens.access_token)


async def test_purging_keeps_what_detects_reuse(world: World) -> None:
    gone, kept = await world.person(), await world.person("bob")
    second = (await refresh(world, kept.refresh_token)).json()
    await world.ask("POST", "/auth/logout", as_=gone.access_token)
    assert (await world.auth.purge()).sessions == 0
    await world.db.execute(
        "UPDATE sessions SET revoked_at = revoked_at - INTERVAL '31 days' "
        "WHERE revoked_at IS NOT NULL"
    )
    assert (await world.auth.purge()).sessions == 1
    assert (await world.count("sessions"), await world.count("refresh_tokens")) == (1, 2)
    third = (await refresh(world, second["refresh_token"])).json()
    assert (await refresh(world, kept.refresh_token)).status_code == 401
    assert not await is_alive(world, third["access_token"])
