"""The invariants: they hold after ordinary work on both engines, and each is broken by a row or a
file that it is there for."""

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from api import ids
from api.check_up.invariants import OF_ROWS
from api.check_up.schemas import InvariantName
from api.db import Db
from api.db.tables import columns_of
from api.deliveries.fallback import EXPIRES
from api.generations import store
from api.media.invariants import LEFT_FOR
from api.secrets import ensure_secrets
from api.users.invariants import OWNED
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.generations.test_states import job
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

ADDRESS = {"platform": "telegram", "chat_id": "77", "private": True}
NAMES = set(get_args(InvariantName))
OF_FILES = {"rows_have_files", "files_have_rows"}
UNDER_NO_NAME = {"holds", "ledger", "spend_days"}
"""Tables whose amounts stay when their account goes."""

# By invariant: a statement that breaks it, and the id that is then named. `JOB` is the only job, a
# picture for a chat, `HOLD` its hold, `ANA` its owner.
BREAKS: Mapping[str, tuple[str, str]] = {
    "counters_add_up": (
        "UPDATE budgets SET held_micro = held_micro + 5 WHERE scope = 'users'",
        "users MONTH",
    ),
    "limits_kept": (
        "UPDATE budgets SET spent_micro = 10000000000 WHERE scope = 'user:ANA'",
        "user:ANA MONTH",
    ),
    "holds_booked": (
        "UPDATE ledger SET amount_micro = amount_micro + 1 WHERE hold_id = 'HOLD'",
        "generation:JOB",
    ),
    "holds_have_work": (
        (
            "INSERT INTO holds (id, user_id, month, subject, amount_micro, state, created_at) "
            "VALUES ('h', 'ANA', 'MONTH', 'generation:gone', 1, 'held', now())"
        ),
        "generation:gone",
    ),
    "days_add_up": (
        (
            "INSERT INTO spend_days (day, user_id, kind, model, amount_micro, requests) "
            "VALUES (DATE '2026-01-02', 'ANA', 'image', 'a/b', 7, 1)"
        ),
        "2026-01-02 ANA",
    ),
    "states_known": ("UPDATE generations SET lease_token = 'x' WHERE id = 'JOB'", "JOB"),
    "paid_once": (
        (
            "INSERT INTO webhook_events (dedupe_key, generation_id, body, received_at) "
            "VALUES ('one:completed', 'JOB', '', now()), ('two:completed', 'JOB', '', now())"
        ),
        "JOB",
    ),
    "jobs_settled": ("UPDATE holds SET state = 'released' WHERE id = 'HOLD'", "JOB"),
    "jobs_told": ("DELETE FROM deliveries WHERE generation_id = 'JOB'", "JOB"),
    "jobs_have_files": ("UPDATE media SET role = 'upload' WHERE role = 'image'", "JOB"),
    "parts_have_jobs": (
        (
            "INSERT INTO shares (id, generation_id, created_at, expires_at) "
            "VALUES ('s', 'gone', now(), now())"
        ),
        "gone",
    ),
    "copies_within_promise": (
        (
            "INSERT INTO deliveries (id, dedupe_key, platform, chat_id, chat_private, event, "
            "state, attempt, begun, repeatable, shown, doubts, mishaps, due_at, since_at, "
            "created_at, message_ids_json) VALUES ('often', 'k', 'telegram', '1', true, 'notice', "
            "'done', 3, true, false, false, 2, 0, now(), now(), now(), '[]')"
        ),
        "often",
    ),
    "deliveries_have_jobs": (
        "UPDATE deliveries SET generation_id = 'gone', id = 'gone' WHERE id = 'often'",
        "gone",
    ),
    "messages_have_conversations": ("DELETE FROM conversations", "ANSWER"),
    "media_have_owners": (
        "UPDATE media SET generation_id = 'gone' WHERE role = 'upload'",
        "PICTURE",
    ),
    "one_refresh_token": (
        "UPDATE refresh_tokens SET used_at = now() WHERE session_id = 'SESSION'",
        "SESSION",
    ),
    "rows_have_accounts": (
        (
            "INSERT INTO devices (token_hash, user_id, created_at, expires_at) "
            "VALUES ('d', 'nobody', now(), now())"
        ),
        "nobody",
    ),
}


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def looked(api: Api) -> dict[str, dict[str, Any]]:
    shell = api.signed(ensure_secrets(api.data_dir).operator_key)
    answer = await shell.get("/internal/invariants")
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["invariants"]}


async def names_after_work(api: Api, ana: httpx.AsyncClient) -> dict[str, str]:
    """Make a picture for a chat and an answer, and return what `BREAKS` calls their rows."""
    chat = await api.acting(ana)
    body = {"prompt": "a fox", "address": ADDRESS}
    job = (await chat.post("/generate/image", json=body)).json()
    assert job["status"] == "completed", job
    answer = (await ana.post("/generate/text", json={"prompt": "why?"})).json()
    (session,) = (await ana.get("/auth/sessions")).json()["items"]
    row = await api.services.db.fetch_one(
        "SELECT hold_id, user_id FROM generations WHERE id = $1", job["id"]
    )
    assert row is not None
    return {
        "ANA": row["user_id"],
        "ANSWER": answer["id"],
        "HOLD": row["hold_id"],
        "JOB": job["id"],
        "MONTH": f"{ids.now():%Y-%m}",
        "PICTURE": job["images"][0]["id"],
        "SESSION": session["id"],
    }


async def test_ordinary_work_keeps_all_and_each_is_broken_by_a_row(api: Api) -> None:
    names = await names_after_work(api, await api.user())

    def named(text: str) -> str:
        for word, value in names.items():
            text = text.replace(word, value)
        return text

    found = await looked(api)
    assert {name for name, one in found.items() if one["state"] != "holds"} == {"deliveries_end"}
    assert found["deliveries_end"]["skipped"] == "begun_lately"
    assert set(found) == NAMES
    for name, (breaking, odd) in BREAKS.items():
        await api.services.db.execute(named(breaking))
        found = await looked(api)
        assert found[name]["state"] == "broken", name
        assert named(odd) in {row["id"] for row in found[name]["rows"]}, (name, found[name])
        assert all(row["facts"] for row in found[name]["rows"])


@one_engine
async def test_cancelled_jobs_and_corrected_answers_break_none(api: Api) -> None:
    ana, own = await api.user(), api.services
    chat = await api.acting(ana)
    body = {"prompt": "waves", "address": ADDRESS}
    made = (await chat.post("/generate/video", json=body)).json()
    answer = await chat.post(f"/generations/{made['id']}/cancel")
    assert answer.json()["status"] == "cancelled", answer.text
    row = await store.get(own.db, made["id"])
    assert row is not None
    free = job("cancelled", "done", user_id=row.user_id, finished_at=ids.now())
    # an answer that was stopped costs more than was counted, when others hold what it left
    bo: dict[str, Any] = {"user_id": "bo", "monthly_micro": 100, "group": "users"}
    of_answer: dict[str, Any] = {"kind": "text", "model": "m"}
    async with own.budget.transaction() as sql:
        ana_holds = {**bo, "user_id": row.user_id, "monthly_micro": 10**10, "amount": 10}
        hold = await own.budget.reserve(sql, subject=f"generation:{free.id}", **ana_holds)
        await own.budget.settle(sql, hold, cost_micro=0, kind="video", model="m")
        await store.insert(sql, replace(free, hold_id=hold))
        stopped = await own.budget.reserve(sql, subject="text:a", amount=60, **bo)
        await own.budget.settle(sql, stopped, cost_micro=10, **of_answer)
        await own.budget.reserve(sql, subject="text:b", amount=90, **bo)
        assert await own.budget.correct(sql, stopped, 50, **of_answer) == 40
    found = await looked(api)
    odd = {name: one["rows"] for name, one in found.items() if one["state"] == "broken"}
    assert odd == {}


def test_each_invariant_is_broken_by_a_test() -> None:
    assert {one.name for one in OF_ROWS} == NAMES - OF_FILES
    assert set(BREAKS) | {"deliveries_end"} == NAMES - OF_FILES


@one_engine
async def test_a_delivery_that_waits_for_ever_is_named(api: Api) -> None:
    await names_after_work(api, await api.user())
    long_ago = ids.now() - EXPIRES - timedelta(hours=2)
    await api.services.db.execute("UPDATE deliveries SET since_at = $1", long_ago)
    assert (await looked(api))["deliveries_end"]["state"] == "skipped"
    api.services.invariants._begun_at -= timedelta(hours=2)
    found = (await looked(api))["deliveries_end"]
    assert found["state"] == "broken"
    assert found["count"] == len(found["rows"]) > 0


@one_engine
async def test_files_and_rows_without_each_other_are_named(api: Api) -> None:
    names = await names_after_work(api, await api.user())
    root = api.services.media.files.root
    assert root is not None
    row = await api.services.db.fetch_one("SELECT key FROM media WHERE id = $1", names["PICTURE"])
    assert row is not None
    file = root / row["key"]
    left = file.with_name(f"{file.name[:2]}{'0' * 62}{file.name[64:]}")
    file.rename(left)
    found = await looked(api)
    assert [row["id"] for row in found["rows_have_files"]["rows"]] == [names["PICTURE"]]
    assert found["files_have_rows"]["state"] == "holds", "a crash may have left it just now"
    long_ago = (ids.now() - LEFT_FOR - timedelta(hours=1)).timestamp()
    os.utime(left, (long_ago, long_ago))
    found = await looked(api)
    assert [row["id"] for row in found["files_have_rows"]["rows"]] == [str(left.relative_to(root))]
    mark = root / ".installations" / "another"
    mark.write_text("")
    assert (await looked(api))["files_have_rows"]["skipped"] == "store_shared"


@one_engine
async def test_every_table_of_accounts_is_looked_at(db: Db) -> None:
    owned = {table for table, columns in (await columns_of(db)).items() if "user_id" in columns}
    assert owned == {*OWNED, *UNDER_NO_NAME}
