"""The operator's board: figures, warnings, the state of the database, and the connected bots."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine

from api import ids
from api.admin import stats as stats_module
from api.admin.warnings import _of_key
from api.budget import day_sums, spending
from api.budget.anonymiser import Anonymiser
from api.generations.making import provider_waits
from api.provider.wire import key_state
from api.reasons import MAKING
from sandbox.faults import Fault
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, forget_days, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def asked(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def book(
    api: Api,
    user_id: str,
    days_ago: int,
    micro: int,
    model: str = "m/one",
    kind: str = "image",
    subject: str = "generation:x",
) -> None:
    await api.services.db.execute(
        "INSERT INTO ledger (id, user_id, month, hold_id, subject, kind, model, amount_micro, "
        "created_at) VALUES ($1, $2, '2026-01', '', $7, $3, $4, $5, $6)",
        ids.new_id(),
        user_id,
        kind,
        model,
        micro,
        ids.now() - timedelta(days=days_ago),
        subject,
    )
    await forget_days(api.services.db)


async def book_of_two(api: Api, ana_id: str, ben_id: str) -> None:
    await book(api, ana_id, 0, 1_000_000)
    await book(api, ana_id, 0, 500_000, "m/two", "video")
    await book(api, ana_id, 2, 2_500_000, "m/two", "video")
    await book(api, ana_id, 2, -500_000, "m/two", "video", "refund:generation:x")
    await book(api, ana_id, 9, 7_000_000)
    await book(api, ben_id, 0, 9_000_000)


Part = tuple[int, list[tuple[str, str]], list[tuple[str, str]], list[str]]
"""The number of days, persons, models, and the sums of the days with spending."""


def part_of(answer: Any) -> Part:
    users = [((one["name"] or "").partition("@")[0], one["spent_usd"]) for one in answer["users"]]
    models = [(one["model"], one["spent_usd"]) for one in answer["models"]]
    days = [one["spent_usd"] for one in answer["days"] if one["count"]]
    return len(answer["days"]), users, models, days


async def test_a_member_sees_what_was_spent_by_day_and_by_model(api: Api) -> None:
    ana, ben = await api.user("ana"), await api.user("ben")
    ana_id, ben_id = [(await asked(client, "/users/me"))["id"] for client in (ana, ben)]
    await book_of_two(api, ana_id, ben_id)
    found = await asked(ana, "/users/me/spend?days=3")
    assert (found["spent_usd"], found["count"]) == ("3.500000", 3)
    assert [each["spent_usd"] for each in found["days"]] == ["2.000000", "0.000000", "1.500000"]
    assert found["days"][-1]["day"] == ids.now().date().isoformat()
    seen = [(each["model"], each["kind"], each["spent_usd"]) for each in found["models"]]
    assert seen == [("m/two", "video", "2.500000"), ("m/one", "image", "1.000000")]
    assert [each["spent_usd"] for each in found["items"]] == ["2.000000", "1.000000", "0.500000"]
    async with await api.acting(ana) as acting:
        assert (await asked(acting, "/users/me/spend?days=30"))["spent_usd"] == "10.500000"
    assert (await ana.get("/users/me/spend?days=0")).status_code == 422


async def test_an_admin_sees_what_was_spent_by_day_person_and_model(api: Api) -> None:
    ana, ben = await api.user("ana"), await api.user("ben")
    ana_id, ben_id = [(await asked(client, "/users/me"))["id"] for client in (ana, ben)]
    await book_of_two(api, ana_id, ben_id)
    admin = await api.admin()

    async def part(query: str) -> Part:
        return part_of(await asked(admin, f"/admin/spend?{query}"))

    everybody = (
        [("ben", "9.000000"), ("ana", "3.500000")],
        [("m/one", "10.000000"), ("m/two", "2.500000")],
        ["2.000000", "10.500000"],
    )
    assert await part("") == (7, *everybody), "of everybody a week"
    longer = (
        [("ana", "10.500000"), ("ben", "9.000000")],
        [("m/one", "17.000000"), ("m/two", "2.500000")],
    )
    longer_days = ["7.000000", "2.000000", "10.500000"]
    early = (ids.now().date() - timedelta(days=90)).isoformat()
    assert await part(f"since={early}") == (10, *longer, longer_days), (
        "from the first day on which anything was spent"
    )
    await day_sums.keep(api.services.db, ids.now())
    await day_sums.keep(api.services.db, ids.now())
    assert await part("") == (7, *everybody), "the same out of the sums that are kept"
    assert await part(f"since={early}") == (10, *longer, longer_days)
    kept = await api.services.db.fetch("SELECT day FROM spend_days")
    assert len(kept) == 2, "of the days that are over"
    lines = (await admin.get(f"/admin/spend.csv?since={early}")).text.splitlines()
    assert lines[0] == "day,person,person_id,kind,model,requests,usd"
    found = [line.partition(f"{ana_id},")[2] for line in lines[1:3]]
    assert found == ["image,m/one,1,7.000000", "video,m/two,1,2.000000"]
    assert len(lines) == 6
    for no_day in ("until=0001-01-01", "until=9999-12-31", "since=2001-01-01"):
        assert (await admin.get(f"/admin/spend?{no_day}")).status_code == 422
    await Anonymiser(api.services.budget).erase_user(ana_id)
    seen = (await part(f"since={early}"))[1:]
    assert seen == ([("", "10.500000"), ("ben", "9.000000")], longer[1], longer_days)


async def test_spend_is_narrowed_by_kind_model_person_and_day(api: Api) -> None:
    ana, ben = await api.user("ana"), await api.user("ben")
    ana_id, ben_id = [(await asked(client, "/users/me"))["id"] for client in (ana, ben)]
    await book_of_two(api, ana_id, ben_id)
    admin = await api.admin()

    async def part(query: str) -> Part:
        return part_of(await asked(admin, f"/admin/spend?{query}"))

    today = ids.now().date().isoformat()
    found = await part(f"since={today}&kind=video")
    assert found == (1, [("ana", "0.500000")], [("m/two", "0.500000")], ["0.500000"])
    on_one = await part("kind=image&model=m/one")
    assert on_one == (
        31,
        [("ben", "9.000000"), ("ana", "8.000000")],
        [("m/one", "17.000000")],
        ["7.000000", "10.000000"],
    )
    seen = (await part(f"user_id={ben_id}&model=m/one"))[1:]
    assert seen == ([("ben", "9.000000")], [("m/one", "9.000000")], ["9.000000"])
    assert await part("until=2020-01-01") == (7, [], [], [])


async def test_the_figures_are_those_of_the_tables(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats_module, "COUNTED_EVERY", timedelta(0))
    admin, ana = await api.admin(), await api.user()
    ana_id = (await asked(ana, "/users/me"))["id"]
    for prompt in ("a fox", "a cat"):
        assert (await ana.post("/generate/image", json={"prompt": prompt})).status_code == 200
    await book(api, ana_id, 0, 4_000_000, "m/dear", "video")
    await book(api, "deleted", 0, 1_000_000)
    await book(api, ana_id, 3, 1_000_000)
    found = await asked(admin, "/admin/stats")
    assert [(each["role"], each["count"]) for each in found["users"]] == [("admin", 1), ("user", 1)]
    assert (found["tokens"]["sessions"], found["tokens"]["refresh_tokens"]) == (2, 2)
    (made,) = found["generations"]
    assert (made["status"], made["kind"], made["count"]) == ("completed", "image", 2)
    today = found["today"]
    seen = [(each["name"], each["count"]) for each in today["users"]]
    assert seen == [("ana@example.org", 3), (None, 1)]
    assert (today["models"][0]["model"], today["models"][0]["spent_usd"]) == ("m/dear", "4.000000")
    assert today["count"] == 4
    shown = (len(found["days"]), found["days"][-1]["spent_usd"], found["days"][-4]["spent_usd"])
    assert shown == (31, today["spent_usd"], "1.000000")
    assert found["month"]["count"] == (5 if ids.now().day > 3 else 4)
    assert found["typical"][0]["count"] == 2
    assert found["typical"][0]["half_seconds"] <= found["typical"][0]["most_seconds"]


@one_engine
async def test_dear_figures_are_kept_for_a_minute_and_live_ones_are_not(api: Api) -> None:
    admin, ana = await api.admin(), await api.user()
    first = await asked(admin, "/admin/stats")
    assert (await ana.post("/generate/image", json={"prompt": "a fox"})).status_code == 200
    second = await asked(admin, "/admin/stats")
    assert (second["counted_at"], second["generations"]) == (first["counted_at"], [])
    seen = (second["today"], second["month"], second["at"] > first["at"])
    assert seen == (first["today"], first["month"], True)


async def test_a_job_that_takes_far_too_long_is_named(api: Api) -> None:
    """Too long is much longer than usual for its model, or, without a history, than for any model.
    A job that waits for a person is named as such instead."""
    admin, ana = await api.admin(), await api.user()
    db = api.services.db
    done, one, two = [
        (await ana.post("/generate/image", json={"prompt": "a fox"})).json()["id"] for _ in range(3)
    ]

    async def run(job: str, minutes: float, model: str, phase: str = "poll") -> None:
        change = (
            "UPDATE generations SET status = 'processing', phase = $2, model = $3, "
            "started_at = $4, finished_at = NULL WHERE id = $1"
        )
        await db.execute(change, job, phase, model, ids.now() - timedelta(minutes=minutes))

    async def took(minutes: float) -> None:
        started = ids.now() - timedelta(minutes=minutes)
        await db.execute(
            "UPDATE generations SET model = 'm/known', started_at = $2 WHERE id = $1", done, started
        )
        api.services.stats._counted = None

    async def warned() -> list[tuple[int, str, str]]:
        found = (await asked(admin, "/admin/warnings"))["items"]
        return [
            (each["count"], each["facts"]["minutes"], each["target"])
            for each in found
            if each["code"] == "jobs_late"
        ]

    await took(1)
    await run(one, 9, "m/known")
    await run(two, 29, "m/new")
    assert await warned() == []
    await run(one, 11, "m/known")
    assert await warned() == [(1, "11", "running")]
    await run(two, 31, "m/new")
    assert await warned() == [(2, "31", "running")]
    await run(two, 31, "m/new", "needs_review")
    await took(4)
    assert await warned() == []


async def test_only_troubles_that_need_a_person_are_named(api: Api) -> None:
    admin, ana = await api.admin(), await api.user()
    db = api.services.db

    async def warned() -> list[tuple[str, int, str]]:
        found = (await asked(admin, "/admin/warnings"))["items"]
        return [
            (each["code"], each["count"], each["target"])
            for each in found
            if not each["code"].startswith("backup")
        ]

    assert await warned() == []
    made, queued = [
        (await ana.post("/generate/image", json={"prompt": "a fox"})).json() for _ in range(2)
    ]
    async with db.transaction() as sql:
        for number in range(3):
            await api.services.outbox.notify(
                sql,
                platform="telegram",
                chat_id=str(number),
                code="linked",
                facts={"account_hint": "x"},
            )
    await db.execute("UPDATE deliveries SET state = 'dead' WHERE chat_id = '0'")
    await db.execute(
        "UPDATE deliveries SET due_at = $1 WHERE chat_id = '1'", ids.now() - timedelta(hours=1)
    )
    await db.execute(
        "UPDATE generations SET status = 'processing', phase = 'needs_review' WHERE id = $1",
        made["id"],
    )
    in_line = (
        "UPDATE generations SET status = 'queued', phase = 'submit', run_at = $2, "
        "created_at = $3 WHERE id = $1"
    )
    await db.execute(
        in_line, queued["id"], ids.now() + timedelta(hours=1), ids.now() - timedelta(minutes=16)
    )
    await admin.put("/admin/budgets", json={"scope": "users", "monthly_usd": "0.000001"})
    await db.execute("UPDATE budgets SET spent_micro = spent_micro + 1 WHERE scope = 'users'")
    assert await api.services.budget.audit()
    assert await warned() == [
        ("books_differ", 1, "budgets"),
        ("needs_review", 1, "generations"),
        ("jobs_waiting", 1, "queue"),
        ("deliveries_dead", 1, "deliveries"),
        ("deliveries_stuck", 2, "bots"),
        ("budget_nearly_used", 1, "budgets"),
    ]


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
async def test_the_database_is_looked_at(api: Api) -> None:
    found = await asked(await api.admin(), "/admin/health/db")
    assert found["engine"] == "duckdb"
    assert found["size_bytes"] > 0 < found["free_bytes"]
    assert found["answered_ms"] > 0 < found["write_ms"]
    assert "0001_first" in found["migrations"]
    assert "generations" in {each["name"] for each in found["tables"]}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_database_server_is_looked_at(api: Api) -> None:
    found = await asked(await api.admin(), "/admin/health/db")
    seen = (found["engine"], found["free_bytes"], found["size_bytes"] > 0)
    assert seen == ("postgresql", None, True)
    assert found["version"].startswith("PostgreSQL")
    assert "generations" in {each["name"] for each in found["tables"]}


@one_engine
async def test_a_provider_that_cannot_be_used_is_named_and_asked_once_a_minute(
    api: Api, sandbox: Sandbox
) -> None:
    admin, warnings = await api.admin(), api.services.warnings

    async def provider() -> list[tuple[str, str]]:
        found = (await asked(admin, "/admin/warnings"))["items"]
        return [(each["code"], each["target"]) for each in found]

    sandbox.break_with(Fault(call="key", kind="status", status=500))
    assert await provider() == [("provider_down", "health")]
    (down,) = await warnings.now()
    assert down.facts["reason"] in MAKING
    sandbox.break_with()
    assert await provider() == [("provider_down", "health")]  # cached from a moment ago
    warnings._asked = None
    assert await provider() == []
    sandbox.break_with(Fault(call="key", kind="status", status=402))
    warnings._asked = None
    assert await provider() == [("provider_out_of_credit", "health")]


@one_engine
async def test_refused_jobs_tell_of_missing_credit_until_one_goes_through(
    api: Api, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_waits, "PATIENCE", 0.0)
    admin, ana = await api.admin(), await api.user()
    sandbox.break_with(
        Fault(call="images", kind="status", status=402),
        Fault(call="chat", kind="status", status=402),
    )
    assert (await ana.post("/generate/image", json={"prompt": "a fox"})).status_code == 502
    (warning,) = (await asked(admin, "/admin/warnings"))["items"]
    assert (warning["code"], warning["count"]) == ("provider_out_of_credit", 1)
    sandbox.break_with()
    monkeypatch.setattr(provider_waits, "PATIENCE", 900.0)
    assert (await ana.post("/generate/image", json={"prompt": "a fox"})).status_code == 200
    api.services.warnings._asked = None
    assert (await asked(admin, "/admin/warnings"))["items"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"limit_remaining": None}, []),
        ({"limit_remaining": 120.5}, []),
        ({"limit_remaining": 0}, [("provider_out_of_credit", {})]),
        ({"limit_remaining": 4.2}, [("provider_credit_low", {"left_usd": "4.20"})]),
        ({"expires_at": "2026-01-04T12:00:00Z"}, [("provider_key_expiring", {"days": "3"})]),
        ({"expires_at": "2027-01-04T12:00:00Z"}, []),
        ({"expires_at": "soon", "limit_remaining": "much"}, []),
    ],
)
def test_the_board_shows_the_state_of_our_key(fields: dict[str, Any], expected: list[Any]) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        found = _of_key(key_state({"data": fields}), 0)
    assert [(each.code, each.facts) for each in found] == expected


async def test_a_bot_is_connected_while_it_asks(api: Api) -> None:
    admin, db = await api.admin(), api.services.db

    async def telegram() -> Any:
        return next(
            each
            for each in (await asked(admin, "/admin/bots"))["items"]
            if each["platform"] == "telegram"
        )

    never = await telegram()
    assert (never["connected"], never["since"], never["name"]) == (False, None, None)
    async with api.bot() as bot:
        assert (await bot.put("/bot/profile", json={"name": "Studio"})).status_code == 204
        here = await telegram()
        assert (here["connected"], here["name"], here["processes"]) == (True, "Studio", [])
        for name in ("first000", "second00"):
            beat = {"process": name, "label": f"{name}:7", "wants": ["updates"]}
            assert (await bot.post("/bot/processes/beat", json=beat)).is_success
        parts = [(one["label"], one["leases"]) for one in (await telegram())["processes"]]
        assert parts == [("first000:7", ["updates"]), ("second00:7", [])]
        metrics = (await admin.get("/metrics")).text
        assert 'bot_processes{platform="telegram",state="standby"} 1.0' in metrics
        assert 'bot_lease{lease="updates",platform="telegram"} 1.0' in metrics
        await db.execute(
            "UPDATE bot_credentials SET last_seen_at = $1, connected_at = $1",
            ids.now() - timedelta(hours=1),
        )
        gone = await telegram()
        assert (gone["connected"], gone["since"]) == (False, gone["last_seen_at"])
        await bot.post("/bot/deliveries/claim?wait=0")
        back = await telegram()
        assert back["connected"]
        assert back["since"] > gone["since"]  # a break makes it a new connection
        await db.execute(
            "UPDATE bot_credentials SET last_seen_at = $1", ids.now() - timedelta(seconds=30)
        )
        await bot.post("/bot/deliveries/claim?wait=0")
        assert (await telegram())["since"] == back["since"]


def test_a_day_begins_at_midnight() -> None:
    assert spending.start_of(1).date() == ids.now().date()
    assert len(spending.days_since(spending.start_of(7))) == 7


def test_young_ids_are_found_by_time() -> None:
    before = ids.floor(ids.now())
    made = ids.new_id()
    assert before <= made < ids.floor(ids.now() + timedelta(seconds=1))


async def test_requests_at_the_same_moment_share_one_reading(api: Api) -> None:
    stats = api.services.stats
    first, second = await asyncio.gather(stats.queue(), stats.queue())
    assert first is second
    assert await stats.queue() is not first


async def test_the_board_says_that_the_next_start_will_ask_for_after_restore(
    sandbox: Sandbox, postgres_url: str, tmp_path: Path
) -> None:
    """The server behind an address may change while everything runs."""
    async with running_api(tmp_path, sandbox, **settings_of(postgres_url)) as api:
        admin, db = await api.admin(), api.services.db

        async def codes() -> list[str]:
            return [each["code"] for each in (await asked(admin, "/admin/warnings"))["items"]]

        assert "database_elsewhere" not in await codes()
        await db.execute("UPDATE marks SET name = 'home:9:9' WHERE starts_with(name, 'home:')")
        assert "database_elsewhere" in await codes()
