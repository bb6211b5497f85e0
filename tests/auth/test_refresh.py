"""A refresh token works once; used twice it ends the session, but for the short grace of a lost answer."""

from typing import Any

from api import ids
from api.auth.schemas import TokensOut
from api.errors import NotAuthenticated
from tests.auth.world import ROUNDS, World, one_engine, race


async def refresh(world: World, token: str) -> Any:
    return await world.ask("POST", "/auth/refresh", json={"refresh_token": token})


async def is_alive(world: World, access_token: str) -> bool:
    return (await world.ask("GET", "/users/me", as_=access_token)).status_code == 200


async def age(world: World, token: str, seconds: int) -> None:
    """Makes a token's use look older."""
    await world.db.execute(
        f"UPDATE refresh_tokens SET used_at = used_at - INTERVAL '{seconds} seconds' WHERE token_hash = $1", ids.digest(token)
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
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    await age(world, first.refresh_token, 11)
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert (await refresh(world, second["refresh_token"])).status_code == 401
    assert not await is_alive(world, second["access_token"])
    assert [row["action"] for row in await world.db.fetch("SELECT action FROM audit")] == ["refresh_reuse"]


async def test_a_grandparent_ends_the_session_within_the_grace_too(world: World) -> None:
    first = await world.person()
    second = (await refresh(world, first.refresh_token)).json()
    third = (await refresh(world, second["refresh_token"])).json()
    assert (await refresh(world, first.refresh_token)).status_code == 401
    assert not await is_alive(world, third["access_token"])


@one_engine
async def test_the_grace_is_used_up(world: World) -> None:
    first = await world.person()
    answers = [(await refresh(world, first.refresh_token)).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 401]
    assert not await is_alive(world, first.access_token)


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
        "SELECT t.expires_at > s.expires_at AS longer FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.used_at IS NULL"
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
    for _ in range(ROUNDS[world.db.engine]):  # each opens a session and rotates it in sixteen transactions
        await world.db.execute("DELETE FROM throttles")
        before = await world.count("refresh_tokens")
        tokens = await world.login("alice", "a good password")
        results = await race(16, lambda _, token=tokens.refresh_token: world.auth.refresh(token))  # type: ignore[misc]
        good = [result for result in results if isinstance(result, TokensOut)]
        assert 1 <= len(good) <= 4  # the winner, and three times the grace
        assert len({one.refresh_token for one in good}) == 1
        assert all(isinstance(result, NotAuthenticated) for result in results if not isinstance(result, TokensOut))
        assert await world.count("refresh_tokens") == before + 2


async def test_a_few_tabs_at_once_stay_signed_in(world: World) -> None:
    tokens = await world.person()
    results = await race(4, lambda _: world.auth.refresh(tokens.refresh_token))
    assert [type(result) for result in results] == [TokensOut] * 4
    assert await is_alive(world, tokens.access_token)


async def test_purging_keeps_what_detects_reuse(world: World) -> None:
    gone, kept = await world.person(), await world.person("bob")
    second = (await refresh(world, kept.refresh_token)).json()
    await world.ask("POST", "/auth/logout", as_=gone.access_token)
    assert (await world.auth.purge()).sessions == 0
    await world.db.execute("UPDATE sessions SET revoked_at = revoked_at - INTERVAL '31 days' WHERE revoked_at IS NOT NULL")
    assert (await world.auth.purge()).sessions == 1
    assert (await world.count("sessions"), await world.count("refresh_tokens")) == (1, 2)
    await age(world, kept.refresh_token, 11)
    assert (await refresh(world, kept.refresh_token)).status_code == 401
    assert not await is_alive(world, second["access_token"])
