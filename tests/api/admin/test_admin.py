"""The audit log, the purge, and the bots' credentials."""

import csv
import io
from typing import Any

import pytest

from api import ids
from api.admin import audit_csv
from api.links.schemas import CodeIn
from api.users import audit as log
from tests.api.auth.account_services import KEYS, ROUNDS, World, one_engine, race

BOT_ROUTE = ("PUT", "/bot/profile", {"name": "Studio"})


async def audit(world: World, token: str, query: str = "") -> Any:
    answer = await world.ask("GET", f"/admin/audit?{query}", as_=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_log_says_who_did_what_to_whom(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    token, path = admin.access_token, f"/users/{alice.user.id}"
    await world.ask("PUT", f"{path}/role", as_=token, json={"role": "admin"})
    await world.ask("PUT", f"{path}/budget", as_=token, json={"monthly_usd": "1"})
    await world.ask("PUT", f"{path}/role", as_=token, json={"role": "user"})
    found = (await audit(world, token))["items"]
    assert [one["action"] for one in found] == ["user_role", "user_budget", "user_role", "setup"]
    assert (found[0]["actor"], found[0]["about"]) == ("admin@example.org", "alice@example.org")
    assert (found[0]["before"], found[0]["after"]) == ({"role": "admin"}, {"role": "user"})

    first = await audit(world, token, "limit=3")
    rest = await audit(world, token, f"limit=3&cursor={first['next_cursor']}")
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in found]
    assert rest["next_cursor"] is None

    oldest = await audit(world, token, "sort=oldest&limit=3")
    oldest["items"] += (await audit(world, token, f"sort=oldest&cursor={oldest['next_cursor']}"))[
        "items"
    ]
    assert oldest["items"] == found[::-1]

    async def actions(query: str) -> list[str]:
        return [one["action"] for one in (await audit(world, token, query))["items"]]

    assert await actions("action=user_budget") == ["user_budget"]
    assert await actions(f"subject={alice.user.id}&limit=2") == ["user_role", "user_budget"]
    assert await actions(f"actor_id={alice.user.id}") == []
    middle = found[1]["created_at"].replace("+", "%2B")
    assert await actions(f"since={middle}") == ["user_role", "user_budget"]
    assert await actions(f"until={middle}") == ["user_role", "setup"]
    await world.ask("DELETE", path, as_=token)
    gone = (await audit(world, token, "action=user_delete"))["items"][0]
    assert (gone["subject"], gone["about"]) == (alice.user.id, None)


async def test_the_log_comes_as_a_table_that_a_spreadsheet_runs_nothing_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_csv, "PAGE", 2)
    admin, alice = await world.admin(), await world.person()
    for action in ("=1+1", "+cmd", "-x", "@y", "plain", "\tx"):
        await log.record(
            world.db,
            action,
            actor_id=admin.user.id,
            subject=alice.user.id,
            after={"said": 'a "word", and =2'},
        )
    answer = await world.ask("GET", "/admin/audit.csv", as_=admin.access_token)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    found = [row["action"] for row in rows]
    assert found == ["'\tx", "plain", "'@y", "'-x", "'+cmd", "'=1+1", "setup"]
    assert (rows[1]["actor"], rows[1]["about"]) == ("admin@example.org", "alice@example.org")
    assert rows[1]["after"] == '{"said": "a \\"word\\", and =2"}'
    chosen = await world.ask(
        "GET",
        "/admin/audit.csv?action=plain&actor_id=admin@example.org&subject=Alice@example.org",
        as_=admin.access_token,
    )
    assert len(chosen.text.splitlines()) == 2
    nobody = await world.ask(
        "GET", "/admin/audit?actor_id=nobody@example.org", as_=admin.access_token
    )
    assert nobody.json()["items"] == []


@one_engine
@pytest.mark.parametrize("query", ["limit=0", "since=yesterday", "since=2026-01-01T00:00:00"])
async def test_a_bad_question_to_the_log_is_refused(world: World, query: str) -> None:
    admin = await world.admin()
    answer = await world.ask("GET", f"/admin/audit?{query}", as_=admin.access_token)
    assert answer.status_code == 422


async def test_the_purge_takes_what_is_over_and_nothing_else(world: World) -> None:
    admin, alice = await world.admin(), await world.person()
    await world.person("bob")
    await world.links.start(alice.user.id, CodeIn(platform="telegram").platform)
    await world.ask("POST", f"/users/{alice.user.id}/password-reset", as_=admin.access_token)
    await world.ask(
        "POST", "/auth/login", json={"email": "x@example.org", "password": "a wrong password"}
    )
    nothing = (await world.ask("POST", "/admin/tokens/purge", as_=admin.access_token)).json()
    assert set(nothing.values()) == {0}
    alices = "user_id = (SELECT id FROM users WHERE display_name = 'alice')"
    await world.db.execute(
        f"UPDATE sessions SET revoked_at = created_at - INTERVAL '31 days' WHERE {alices}"
    )
    await world.db.execute(f"UPDATE devices SET expires_at = created_at WHERE {alices}")
    await world.db.execute("UPDATE one_time_tokens SET expires_at = created_at")
    await world.db.execute("UPDATE link_codes SET expires_at = created_at - INTERVAL '2 days'")
    await world.db.execute(
        "UPDATE throttles SET window_started_at = window_started_at - INTERVAL '2 days' "
        "WHERE key LIKE 'login:%'"
    )
    purged = (await world.ask("POST", "/admin/tokens/purge", as_=admin.access_token)).json()
    assert purged == {
        "sessions": 1,
        "refresh_tokens": 1,
        "one_time_tokens": 1,
        "devices": 1,
        "link_codes": 1,
        "throttles": 1,
    }
    left = [
        await world.count(table)
        for table in ("sessions", "refresh_tokens", "devices", "one_time_tokens", "link_codes")
    ]
    assert left == [2, 2, 2, 0, 0]


@one_engine
async def test_a_blocked_key_is_not_forgiven_by_the_purge(world: World) -> None:
    await world.db.execute(
        "INSERT INTO throttles (key, failures, window_started_at, blocked_until) "
        "VALUES ('x', 9, $1::timestamptz - INTERVAL '9 days', $1)",
        ids.now().replace(year=2099),
    )
    await world.db.execute("UPDATE throttles SET window_started_at = '2020-01-01T00:00:00Z'")
    await world.operations.purge()
    assert await world.count("throttles") == 1


@one_engine
async def test_rows_written_after_an_accounts_end_are_purged(
    world: World,
) -> None:
    admin, alice, bob = await world.admin(), await world.person(), await world.person("bob")
    await world.eraser.erase(alice.user.id, actor_id=admin.user.id)
    for owner in (alice.user.id, bob.user.id):
        await world.db.execute(
            "INSERT INTO devices (token_hash, user_id, created_at, expires_at) "
            "VALUES ($1, $1, $2, $3)",
            owner,
            ids.now(),
            ids.now().replace(year=2099),
        )
    await world.operations.purge()
    rows = await world.db.fetch("SELECT user_id FROM devices WHERE token_hash = user_id")
    assert [row["user_id"] for row in rows] == [bob.user.id]


async def opens(world: World, key: str) -> bool:
    method, path, body = BOT_ROUTE
    return (await world.ask(method, path, as_=key, json=body)).status_code == 204


async def rotate(world: World, token: str, platform: str = "telegram") -> Any:
    made = await world.ask("POST", f"/admin/bot-credentials/{platform}/rotate", as_=token)
    assert made.status_code == 201, made.text
    return made.json()


async def test_two_keys_of_a_bot_work_and_the_third_ends_the_first(world: World) -> None:
    admin = (await world.admin()).access_token
    second = await rotate(world, admin)
    assert (
        second["platform"],
        second["key"] in str(await world.db.fetch("SELECT * FROM bot_credentials")),
    ) == ("telegram", False)
    seen = [await opens(world, key) for key in (KEYS["telegram"], second["key"], KEYS["discord"])]
    assert seen == [True, True, True]
    third = await rotate(world, admin)
    found = [
        await opens(world, key)
        for key in (KEYS["telegram"], second["key"], third["key"], KEYS["discord"])
    ]
    assert found == [False, True, True, True]
    await world.bots.adopt_keys(KEYS)  # a restart does not bring the first one back
    assert not await opens(world, KEYS["telegram"])
    assert (
        await world.ask(
            "POST", "/bot/act", as_=third["key"], json={"platform_user_id": "1", "chat_id": "1"}
        )
    ).status_code == 404


async def test_keys_are_listed_and_revoked(world: World) -> None:
    admin = (await world.admin()).access_token
    made = await rotate(world, admin)
    assert await opens(world, KEYS["telegram"])
    listed = (await world.ask("GET", "/admin/bot-credentials", as_=admin)).json()["items"]
    shown = {one["id"]: one for one in listed if one["platform"] == "telegram"}
    assert len(listed) == 4
    found = [(one["newest"], one["last_seen_at"] is not None) for one in shown.values()]
    assert found == [(True, False), (False, True)]
    old = next(each for each in shown if each != made["id"])
    answer = await world.ask("DELETE", f"/admin/bot-credentials/{old}", as_=admin)
    assert answer.status_code == 204
    assert [await opens(world, key) for key in (KEYS["telegram"], made["key"])] == [False, True]
    answer = await world.ask("DELETE", f"/admin/bot-credentials/{old}", as_=admin)
    assert answer.status_code == 404
    actions = [one["action"] for one in (await audit(world, admin))["items"]]
    assert actions == ["bot_key_revoke", "bot_key_rotate", "setup"]
    assert made["key"] not in str(await world.db.fetch("SELECT * FROM audit"))


@one_engine
async def test_an_unknown_platform_has_no_keys(world: World) -> None:
    admin = (await world.admin()).access_token
    answer = await world.ask("POST", "/admin/bot-credentials/pigeon/rotate", as_=admin)
    assert answer.status_code == 422


async def test_racing_rotations_leave_two_keys(world: World) -> None:
    for _ in range(min(10, ROUNDS[world.db.engine])):
        await race(16, lambda _: world.bots.rotate("telegram", actor_id="x"))
        rows = await world.db.fetch(
            "SELECT id FROM bot_credentials WHERE platform = 'telegram' AND revoked_at IS NULL"
        )
        assert len(rows) == 2
