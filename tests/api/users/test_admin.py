"""Admins invite, change and delete accounts; one admin always remains."""

import json

import pytest

from api.errors import LastAdmin
from tests.api.auth.account_services import World, one_engine, race


async def test_users_are_found_and_paged(world: World) -> None:
    admin = (await world.admin()).access_token
    for name in ("alice", "bob", "carol"):
        await world.person(name)
    await world.db.execute("UPDATE users SET status = 'disabled' WHERE display_name = 'bob'")

    async def names(query: str) -> list[str]:
        found = (await world.ask("GET", f"/users?{query}", as_=admin)).json()
        return [user["display_name"] for user in found["items"]]

    assert await names("") == ["carol", "bob", "alice", "admin"]
    assert await names("q=AL") == ["alice"]
    assert await names("q=example.org&role=user&status=active") == ["carol", "alice"]
    assert await names("role=admin") == ["admin"]
    assert await names("status=disabled") == ["bob"]
    await world.db.execute(
        "UPDATE users SET password_hash = NULL WHERE display_name IN ('bob', 'carol')"
    )
    assert await names("status=invited") == ["carol"], "bob cannot take it up: he is disabled"
    assert await names("q=%25") == []
    first = (await world.ask("GET", "/users?limit=3", as_=admin)).json()
    second = (
        await world.ask("GET", f"/users?limit=3&cursor={first['next_cursor']}", as_=admin)
    ).json()
    seen = [user["display_name"] for user in first["items"] + second["items"]]
    assert seen == ["carol", "bob", "alice", "admin"]
    assert second["next_cursor"] is None


@one_engine
@pytest.mark.parametrize("query", ["limit=0", "limit=101", "role=king", "status=x"])
async def test_a_bad_query_is_refused(world: World, query: str) -> None:
    admin = (await world.admin()).access_token
    assert (await world.ask("GET", f"/users?{query}", as_=admin)).status_code == 422


@one_engine
async def test_one_user_is_shown(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    shown = await world.ask("GET", f"/users/{alice.user.id}", as_=admin.access_token)
    assert shown.json()["email"] == "alice@example.org"
    missing = await world.ask("GET", "/users/nobody", as_=admin.access_token)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_a_role_is_given_and_taken_and_written_down(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    path = f"/users/{alice.user.id}/role"
    given = await world.ask("PUT", path, as_=admin.access_token, json={"role": "admin"})
    assert (given.status_code, given.json()["role"]) == (200, "admin")
    taken = await world.ask(
        "PUT", f"/users/{admin.user.id}/role", as_=alice.access_token, json={"role": "user"}
    )
    assert taken.json()["role"] == "user"
    rows = await world.db.fetch("SELECT * FROM audit WHERE action = 'user_role' ORDER BY id")
    found = [(row["actor_id"], row["subject"]) for row in rows]
    assert found == [(admin.user.id, alice.user.id), (alice.user.id, admin.user.id)]
    seen = (json.loads(rows[0]["before_json"]), json.loads(rows[0]["after_json"]))
    assert seen == ({"role": "user"}, {"role": "admin"})
    missing = await world.ask(
        "PUT", "/users/nobody/role", as_=alice.access_token, json={"role": "user"}
    )
    assert missing.status_code == 404


@one_engine
async def test_a_guest_cannot_become_an_admin(world: World) -> None:
    admin = await world.admin()
    guest = await world.links.guest("telegram", "7", display_name="Gus", chat_id="7")
    refused = await world.ask(
        "PUT", f"/users/{guest}/role", as_=admin.access_token, json={"role": "admin"}
    )
    assert refused.status_code == 409


async def test_an_admin_deletes_a_user(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    answer = await world.ask("DELETE", f"/users/{alice.user.id}", as_=admin.access_token)
    assert answer.status_code == 204
    answer = await world.ask("DELETE", f"/users/{alice.user.id}", as_=admin.access_token)
    assert answer.status_code == 404
    row = await world.db.fetch_one("SELECT * FROM audit WHERE action = 'user_delete'")
    assert row is not None
    assert (row["actor_id"], row["subject"]) == (admin.user.id, alice.user.id)
    assert "alice" not in row["before_json"]  # what was erased is not kept in the log


async def test_the_last_admin_stays(world: World) -> None:
    admin, other = await world.admin(), await world.person()
    await world.users.set_role(other.user.id, "admin", actor_id=admin.user.id)
    # a disabled one does not count
    await world.db.execute("UPDATE users SET status = 'disabled' WHERE id = $1", other.user.id)
    demoted = await world.ask(
        "PUT", f"/users/{admin.user.id}/role", as_=admin.access_token, json={"role": "user"}
    )
    assert (demoted.status_code, demoted.json()["code"]) == (409, "last_admin")
    for path in (f"/users/{admin.user.id}", "/users/me"):
        deleted = await world.ask("DELETE", path, as_=admin.access_token)
        assert (deleted.status_code, deleted.json()["code"]) == (409, "last_admin")
    assert (await world.ask("GET", "/users", as_=admin.access_token)).status_code == 200
    assert (
        await world.ask(
            "PUT", f"/users/{admin.user.id}/role", as_=admin.access_token, json={"role": "admin"}
        )
    ).status_code == 200


async def test_an_admin_demoted_and_one_deleted_at_once_leave_one(world: World) -> None:
    first = await world.admin()
    for number in range(4):
        second = await world.person(f"p{number}")
        await world.db.execute(
            "UPDATE users SET role = 'admin' WHERE id IN ($1, $2)", first.user.id, second.user.id
        )

        async def act(who: int, second_id: str = second.user.id) -> None:
            if who == 0:
                await world.users.set_role(first.user.id, "user", actor_id="x")
            else:
                await world.eraser.erase(second_id, actor_id="x")

        results = await race(2, act)
        assert [type(result) for result in results if result is not None] == [LastAdmin]
        rows = await world.db.fetch(
            "SELECT id FROM users WHERE role = 'admin' AND status = 'active'"
        )
        assert len(rows) == 1
        if rows[0]["id"] != first.user.id:
            await world.db.execute("UPDATE users SET role = 'user' WHERE id = $1", second.user.id)
            await world.db.execute("UPDATE users SET role = 'admin' WHERE id = $1", first.user.id)
