"""An admin's change to an account acts on the next request, never removes the last admin, and is
logged."""

import json
from typing import Any

import pytest

from api import ids
from api.errors import LastAdmin
from tests.api.auth.account_services import ROUNDS, World, one_engine, race


async def put(world: World, token: str, path: str, **body: Any) -> Any:
    return await world.ask("PUT", path, as_=token, json=body)


async def logged(world: World, action: str) -> list[tuple[str, str, Any, Any]]:
    rows = await world.db.fetch("SELECT * FROM audit WHERE action = $1 ORDER BY id", action)
    return [
        (
            row["actor_id"],
            row["subject"],
            json.loads(row["before_json"] or "null"),
            json.loads(row["after_json"] or "null"),
        )
        for row in rows
    ]


async def test_disabling_ends_every_session_and_enabling_brings_none_back(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    await world.linked(alice.access_token)
    act, path = await world.act_token(), f"/users/{alice.user.id}/status"
    disabled = await put(world, admin.access_token, path, status="disabled")
    assert (disabled.status_code, disabled.json()["status"]) == (200, "disabled")
    for token in (alice.access_token, act):
        assert (await world.ask("GET", "/users/me", as_=token)).status_code == 401
    assert (await world.act()).status_code == 403
    answer = await world.ask("POST", "/auth/refresh", json={"refresh_token": alice.refresh_token})
    assert answer.status_code == 401
    found = (await put(world, admin.access_token, path, status="active")).json()["status"]
    assert found == "active"
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 401
    await world.login("alice", "a good password")
    who = (admin.user.id, alice.user.id)
    assert await logged(world, "user_status") == [
        (*who, {"status": "active"}, {"status": "disabled"}),
        (*who, {"status": "disabled"}, {"status": "active"}),
    ]


async def test_a_budget_counts_at_once(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    path = f"/users/{alice.user.id}/budget"
    changed = await put(world, admin.access_token, path, monthly_usd="2.000001")
    assert (changed.status_code, changed.json()["monthly_usd"]) == (200, "2.000001")
    found = (await world.ask("GET", "/users/me", as_=alice.access_token)).json()["monthly_usd"]
    assert found == "2.000001"
    assert await logged(world, "user_budget") == [
        (admin.user.id, alice.user.id, {"monthly_usd": "10.000000"}, {"monthly_usd": "2.000001"})
    ]


@one_engine
@pytest.mark.parametrize("amount", ["-1", "1000001", "0.0000001", "NaN", "Infinity", "much", None])
async def test_a_budget_is_an_amount(world: World, amount: str | None) -> None:
    admin = await world.admin()
    refused = await put(
        world, admin.access_token, f"/users/{admin.user.id}/budget", monthly_usd=amount
    )
    assert refused.status_code == 422


async def test_an_admin_sees_and_ends_somebodys_sessions(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    await world.login("alice", "a good password")
    path = f"/users/{alice.user.id}/sessions"
    shown = (await world.ask("GET", path, as_=admin.access_token)).json()["items"]
    assert [(one["ip"], one["current"]) for one in shown] == [("192.0.2.9", False)] * 2
    own = (
        await world.ask("GET", f"/users/{admin.user.id}/sessions", as_=admin.access_token)
    ).json()["items"]
    assert [one["current"] for one in own] == [True]
    assert (await world.ask("DELETE", path, as_=admin.access_token)).status_code == 204
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 401
    assert (await world.ask("GET", path, as_=admin.access_token)).json()["items"] == []
    assert await logged(world, "user_sessions_end") == [(admin.user.id, alice.user.id, None, None)]


async def test_an_admin_ends_one_session_of_somebody(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    other = await world.login("alice", "a good password")
    path = f"/users/{alice.user.id}/sessions"
    newest, _ = (await world.ask("GET", path, as_=admin.access_token)).json()["items"]
    foreign = await world.ask(
        "DELETE", f"/users/{admin.user.id}/sessions/{newest['id']}", as_=admin.access_token
    )
    assert foreign.status_code == 404, "not a session of that user"
    answer = await world.ask("DELETE", f"{path}/{newest['id']}", as_=admin.access_token)
    assert answer.status_code == 204
    answer = await world.ask("DELETE", f"{path}/{newest['id']}", as_=admin.access_token)
    assert answer.status_code == 404
    assert (await world.ask("GET", "/users/me", as_=other.access_token)).status_code == 401
    assert (await world.ask("GET", "/users/me", as_=alice.access_token)).status_code == 200
    found = await logged(world, "user_session_end")
    assert found == [(admin.user.id, alice.user.id, None, {"client": newest["client"]})]


async def test_users_are_sorted_and_paged_in_that_order(world: World) -> None:
    admin = await world.admin()
    people = {name: (await world.person(name)).user.id for name in ("dora", "abel", "cleo", "bert")}
    await world.db.execute("UPDATE users SET monthly_micro = 600 WHERE id = $1", people["dora"])
    for name, spent in (("cleo", 300), ("dora", 300), ("abel", 7)):
        scope, month = f"user:{people[name]}", f"{ids.now():%Y-%m}"
        await world.db.execute(
            "INSERT INTO budgets (scope, month, held_micro, spent_micro) VALUES ($1, $2, 0, $3)",
            scope,
            month,
            spent,
        )

    async def names(sort: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (
                await world.ask(
                    "GET",
                    f"/users?role=user&sort={sort}&limit=2&cursor={cursor}".removesuffix(
                        "&cursor="
                    ),
                    as_=token,
                )
            ).json()
            found += [one["display_name"] for one in page["items"]]
            cursor = page["next_cursor"]
        return found

    token = admin.access_token
    assert await names("newest") == ["bert", "cleo", "abel", "dora"]
    assert await names("oldest") == ["dora", "abel", "cleo", "bert"]
    assert await names("limit") == ["bert", "cleo", "abel", "dora"]
    assert await names("used") == ["dora", "bert", "cleo", "abel"], "in hundredths of a percent"
    assert await names("name") == ["abel", "bert", "cleo", "dora"]
    assert await names("spent") == ["cleo", "dora", "abel", "bert"], "of equals the newer first"
    answer = await world.ask("GET", "/users?sort=spent&cursor=nonsense", as_=token)
    assert answer.status_code == 422


@one_engine
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "status", {"status": "disabled"}),
        ("PUT", "budget", {"monthly_usd": "1"}),
        ("DELETE", "sessions", None),
        ("POST", "invite", None),
    ],
)
async def test_nobody_is_nobody(world: World, method: str, path: str, body: Any) -> None:
    admin = await world.admin()
    missing = await world.ask(method, f"/users/nobody/{path}", as_=admin.access_token, json=body)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_last_admin_cannot_be_disabled(world: World) -> None:
    admin = await world.admin()
    refused = await put(
        world, admin.access_token, f"/users/{admin.user.id}/status", status="disabled"
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    assert (await world.ask("GET", "/users", as_=admin.access_token)).status_code == 200
    assert await logged(world, "user_status") == []


async def test_sixteen_admins_who_demote_or_disable_each_other_leave_one(world: World) -> None:
    people = [await world.admin()]
    for number in range(15):
        await world.db.execute("DELETE FROM throttles")
        people.append(await world.person(f"p{number}"))
    # each round has sixteen transactions that wait for each other
    for _ in range(ROUNDS[world.db.engine]):
        await world.db.execute("UPDATE users SET role = 'admin', status = 'active'")

        async def act(number: int) -> Any:
            user_id = people[number].user.id
            if number % 2:
                return await world.users.set_role(user_id, "user", actor_id="x")
            return await world.auth.set_status(user_id, "disabled", actor_id="x")

        results = await race(16, act)
        found = [type(result) for result in results if isinstance(result, BaseException)]
        assert found == [LastAdmin]
        rows = await world.db.fetch(
            "SELECT id FROM users WHERE role = 'admin' AND status = 'active'"
        )
        assert len(rows) == 1
