"""Strangers do not hold up sign-in from a known device; and changes that a login in progress must
not outlive."""

from typing import Any

import pytest

from api import ids
from api.auth.schemas import LoginIn
from api.errors import NotAuthenticated
from api.users.schemas import ProfileIn
from tests.api.auth.account_services import HERE, World, one_engine

GOOD = "a good password"


async def login(
    world: World, password: str = GOOD, device: str | None = None, email: str = "alice@example.org"
) -> Any:
    return await world.ask(
        "POST", "/auth/login", json={"email": email, "password": password, "device": device}
    )


async def guess(world: World, times: int = 7) -> None:
    for number in range(times):
        await login(world, f"a guess, number {number}")


async def test_a_stranger_cannot_lock_the_owner_out(world: World) -> None:
    device = (await world.person()).device_token
    assert device is not None
    await guess(world)
    assert (await login(world)).status_code == 429
    signed_in = await login(world, device=device)
    # no new device token: it goes on using the one it has
    seen = (signed_in.status_code, signed_in.json()["device_token"])
    assert seen == (200, None)
    assert (await login(world)).status_code == 429  # the stranger gains nothing by it
    assert device not in str(await world.db.fetch("SELECT * FROM devices"))


@one_engine
async def test_a_device_is_no_way_to_guess(world: World) -> None:
    device = (await world.person()).device_token
    tries = [
        (await login(world, f"a guess, number {number}", device)).status_code for number in range(6)
    ]
    assert tries == [401] * 5 + [429]
    assert (await login(world)).status_code == 200  # its tries do not hold the other places up


@one_engine
@pytest.mark.parametrize(
    "wrong", ["unknown", "somebody else's", "expired", "before a new password"]
)
async def test_a_device_that_does_not_count_is_a_stranger(world: World, wrong: str) -> None:
    alice = await world.person()
    device = alice.device_token
    password = GOOD
    if wrong == "unknown":
        device = "guessed"
    elif wrong == "somebody else's":
        device = (await world.person("bob")).device_token
    elif wrong == "expired":
        await world.db.execute("UPDATE devices SET expires_at = created_at")
    else:
        password = "a better password"
        body = ProfileIn.model_validate({"current_password": GOOD, "new_password": password})
        await world.auth.change_profile(await world.callers.caller(alice.access_token), body)
    assert (await login(world, password, device)).json()["device_token"]
    await guess(world)
    assert (await login(world, password, device)).status_code == 429


@one_engine
async def test_a_place_has_a_limit_of_tries_over_all_accounts(world: World) -> None:
    device = (await world.person()).device_token
    await world.db.execute(
        "INSERT INTO throttles (key, failures, window_started_at) "
        "VALUES ('login-from:192.0.2.9', 49, $1)",
        ids.now(),
    )
    assert (await login(world, "a wrong password", device)).status_code == 401
    assert (await login(world, GOOD, device)).status_code == 429


@pytest.mark.parametrize("meanwhile", ["new password", "disabled", "deleted"])
async def test_a_login_that_was_verified_before_does_not_outlive_the_change(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    admin, alice = await world.admin(), await world.person()
    verify = world.users.verify

    async def slow(user: Any, password: str) -> Any:
        """Make the change after the password has been verified."""
        proved = await verify(user, password)
        if meanwhile == "new password":
            monkeypatch.setattr(world.users, "verify", verify)
            body = ProfileIn.model_validate(
                {"current_password": GOOD, "new_password": "a better password"}
            )
            await world.auth.change_profile(await world.callers.caller(alice.access_token), body)
        elif meanwhile == "disabled":
            await world.auth.set_status(alice.user.id, "disabled", actor_id=admin.user.id)
        else:
            await world.eraser.erase(alice.user.id, actor_id=admin.user.id)
        return proved

    monkeypatch.setattr(world.users, "verify", slow)
    with pytest.raises(NotAuthenticated):
        await world.auth.login(
            LoginIn.model_validate({"email": "alice@example.org", "password": GOOD}), HERE
        )
    rows = await world.db.fetch(
        "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL", alice.user.id
    )
    assert len(rows) == (1 if meanwhile == "new password" else 0)


async def test_a_change_that_was_verified_before_another_one_does_not_undo_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await world.person()
    caller = await world.callers.caller(alice.access_token)
    verify = world.users.verify

    async def slow(user: Any, password: str) -> Any:
        proved = await verify(user, password)
        monkeypatch.setattr(world.users, "verify", verify)
        await world.auth.change_profile(
            caller,
            ProfileIn.model_validate(
                {"current_password": GOOD, "new_password": "a better password"}
            ),
        )
        return proved

    monkeypatch.setattr(world.users, "verify", slow)
    late = await world.ask(
        "PUT",
        "/users/me",
        as_=alice.access_token,
        json={"current_password": GOOD, "new_password": "a thief's password"},
    )
    assert (late.status_code, late.json()["fields"][0]["field"]) == (422, "current_password")
    await world.login("alice", "a better password")
