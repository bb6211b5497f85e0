"""Access by bearer, for each kind of route. Role, status, session and link are read on each
call."""

import json

import pytest

from api.callers import ACTING_FOR
from api.users.schemas import ProfileIn
from tests.api.auth.account_services import KEYS, World, one_engine

pytestmark = one_engine

USER_ROUTES = ["GET /users/me", "GET /links"]
SESSION_ROUTES = [
    "GET /auth/sessions",
    "POST /auth/logout",
    "DELETE /auth/sessions",
    "DELETE /auth/sessions/x",
    "DELETE /users/me",
]
SESSION_ROUTES += [
    "POST /links/codes",
    "GET /links/codes/x",
    "POST /links/codes/x/confirm",
    "DELETE /links/telegram/1",
]
ADMIN_ROUTES = ["GET /users", "GET /users/x", "PUT /users/x/role", "DELETE /users/x"]
BOT_ROUTES = [
    "POST /bot/act",
    "POST /bot/links/redeem",
    "POST /bot/links/answer",
    "PUT /bot/profile",
]


async def ask(world: World, route: str, bearer: str | None) -> int:
    method, path = route.split(" ")
    return (await world.ask(method, path, as_=bearer)).status_code


async def refused(world: World, routes: list[str], bearer: str | None) -> set[int]:
    return {await ask(world, route, bearer) for route in routes}


async def test_nobody_gets_in(world: World) -> None:
    found = await refused(world, USER_ROUTES + SESSION_ROUTES + ADMIN_ROUTES + BOT_ROUTES, None)
    assert found == {401}


async def test_a_user_is_no_admin_and_no_bot(world: World) -> None:
    token = (await world.person()).access_token
    assert await refused(world, ADMIN_ROUTES, token) == {403}
    assert await refused(world, BOT_ROUTES, token) == {401}
    assert await refused(world, USER_ROUTES, token) == {200}


async def test_a_bot_credential_opens_bot_routes_only(world: World) -> None:
    found = await refused(world, USER_ROUTES + SESSION_ROUTES + ADMIN_ROUTES, KEYS["telegram"])
    assert found == {401}
    # 422: the guard lets it in, and the body is missing
    assert await refused(world, BOT_ROUTES, KEYS["telegram"]) == {422}


async def test_a_revoked_bot_credential_opens_nothing(world: World) -> None:
    await world.db.execute(
        "UPDATE bot_credentials SET revoked_at = created_at WHERE platform = 'telegram'"
    )
    assert await refused(world, BOT_ROUTES, KEYS["telegram"]) == {401}
    assert await refused(world, BOT_ROUTES, KEYS["discord"]) == {422}


async def test_adopting_the_keys_again_changes_nothing(world: World) -> None:
    await world.db.execute(
        "UPDATE bot_credentials SET revoked_at = created_at WHERE platform = 'telegram'"
    )
    await world.bots.adopt_keys(KEYS)
    assert await world.count("bot_credentials") == 3
    assert await refused(world, BOT_ROUTES, KEYS["telegram"]) == {401}
    assert KEYS["discord"] not in str(await world.db.fetch("SELECT * FROM bot_credentials"))


async def test_an_act_token_has_a_users_rights_even_for_an_admin(world: World) -> None:
    admin = await world.admin()
    await world.linked(admin.access_token)
    act = await world.act_token()
    assert await refused(world, USER_ROUTES, act) == {200}
    assert await refused(world, SESSION_ROUTES + ADMIN_ROUTES, act) == {403}
    assert await refused(world, BOT_ROUTES, act) == {401}
    caller = await world.callers.caller(act)
    seen = (caller.role, caller.session_id, caller.platform, caller.chat_id)
    assert seen == ("user", None, "telegram", "chat-100")


async def test_an_act_token_cannot_change_how_its_user_signs_in(world: World) -> None:
    await world.linked((await world.person()).access_token)
    act = await world.act_token()
    for body in ({"email": "thief@example.org"}, {"new_password": "a thief's password"}):
        body["current_password"] = "a good password"
        assert (await world.ask("PUT", "/users/me", as_=act, json=body)).status_code == 403
    assert (await world.ask("PUT", "/users/me", as_=act, json={"language": "de"})).json()[
        "language"
    ] == "de"
    await world.login("alice", "a good password")


@pytest.mark.parametrize("ending", ["unlinked", "disabled", "linked elsewhere", "deleted"])
async def test_an_act_token_ends_with_its_link_and_its_user(world: World, ending: str) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    act = await world.act_token()
    if ending == "unlinked":
        answer = await world.ask("DELETE", "/links/telegram/100", as_=alice.access_token)
        assert answer.status_code == 204
    elif ending == "disabled":
        await world.db.execute("UPDATE users SET status = 'disabled'")
    elif ending == "deleted":
        await world.ask("DELETE", "/users/me", as_=alice.access_token)
    else:
        await world.db.execute("UPDATE links SET user_id = $1", (await world.person("bob")).user.id)
    assert await refused(world, USER_ROUTES, act) == {401}


async def test_only_a_bot_names_the_person_of_a_call(world: World) -> None:
    alice = await world.person()
    await world.linked(alice.access_token)
    who = {"platform_user_id": "100", "display_name": "Alice", "chat_id": "chat-100"}

    async def named_by(bearer: str) -> int:
        headers = {"authorization": f"Bearer {bearer}", ACTING_FOR: json.dumps(who)}
        return (await world.http.get("/users/me", headers=headers)).status_code

    assert await named_by(KEYS["telegram"]) == 200
    assert await named_by(KEYS["discord"]) == 404, "nobody is linked there"
    for other in (alice.access_token, await world.act_token(), "garbage"):
        assert await named_by(other) == 401


async def test_a_demoted_admin_is_refused_on_the_next_call(world: World) -> None:
    admin, other = await world.admin(), await world.person()
    await world.users.set_role(other.user.id, "admin", actor_id=admin.user.id)
    assert await ask(world, "GET /users", other.access_token) == 200
    await world.users.set_role(other.user.id, "user", actor_id=admin.user.id)
    assert await ask(world, "GET /users", other.access_token) == 403
    assert await ask(world, "GET /users/me", other.access_token) == 200


async def test_a_disabled_or_deleted_user_is_refused_on_the_next_call(world: World) -> None:
    alice = await world.person()
    await world.db.execute("UPDATE users SET status = 'disabled'")
    assert await refused(world, USER_ROUTES, alice.access_token) == {401}
    await world.db.execute("UPDATE users SET status = 'active'")
    assert await refused(world, USER_ROUTES, alice.access_token) == {200}
    await world.db.execute("DELETE FROM users")
    assert await refused(world, USER_ROUTES, alice.access_token) == {401}


async def test_a_change_of_credentials_ends_the_other_sessions(world: World) -> None:
    here = await world.person()
    there = await world.login("alice", "a good password")
    body = ProfileIn.model_validate(
        {"current_password": "a good password", "new_password": "a better password"}
    )
    await world.auth.change_profile(await world.callers.caller(here.access_token), body)
    assert await ask(world, "GET /users/me", here.access_token) == 200
    assert await ask(world, "GET /users/me", there.access_token) == 401
    await world.login("alice", "a better password")
