"""Retention: old things are counted, then deleted, and nothing else is."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.callers import Caller
from api.deliveries.store import DeliveryTarget
from api.errors import NotFound
from api.generations import aged
from api.ids import now
from api.retention import service, store
from api.text.schemas import TextIn
from sandbox.faults import Fault
from tests.api.generations.test_jobs import SEEDREAM
from tests.api.harness import Api, running_api
from tests.api.media.samples import picture
from tests.sandbox_server import Sandbox

NOTHING = {"media_days": None, "conversations_days": None, "audit_days": None, "trash_days": None}
ALL = {"media_days": 30, "conversations_days": 30, "audit_days": 30, "trash_days": 30}


async def image(user: httpx.AsyncClient) -> dict[str, Any]:
    answer = await user.post("/generate/image", json={"prompt": "a fox", "model": SEEDREAM})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(user: httpx.AsyncClient, **more: object) -> str:
    body = {"prompt": "What is this?", "stream": False, **more}
    answer = await user.post("/generate/text", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["conversation_id"])


async def upload(user: httpx.AsyncClient) -> str:
    answer = await user.post("/uploads", files={"file": ("x.png", picture())})
    return str(answer.json()["id"])


async def age(api: Api, table: str, column: str, days: int, *ids: str) -> None:
    query = f"UPDATE {table} SET {column} = $1 WHERE id = ANY($2::text[])"
    await api.services.db.execute(query, now() - timedelta(days=days), list(ids))


async def due(admin: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, tuple[int, int]]:
    answer = await admin.post("/admin/retention/preview", json=body)
    assert answer.status_code == 200, answer.text
    return {each["kind"]: (each["count"], each["kept"]) for each in answer.json()["items"]}


async def books(api: Api) -> list[Any]:
    db = api.services.db
    return [
        [dict(row) for row in await db.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in ("ledger", "budgets")
    ]


async def test_old_things_go_and_the_books_stay(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.admin() as admin,
        await api.user() as user,
    ):
        old, favourite, shared, young = [await image(user) for _ in range(4)]
        await user.put(f"/generations/{favourite['id']}/favourite", json={"favourite": True})
        await user.post(f"/generations/{shared['id']}/share", json={"hours": 24})
        idle, used, asked = [await upload(user) for _ in range(3)]
        edited = await user.post(
            "/generate/image",
            json={"prompt": "bluer", "model": SEEDREAM, "input_images": [used]},
        )
        assert edited.status_code == 200, edited.text
        over, current = await ask(user), await ask(user, images=[asked])
        files = api.data_dir / "media"
        before, spent = list(files.glob("??/*/*")), await books(api)
        await age(api, "generations", "finished_at", 31, old["id"], favourite["id"], shared["id"])
        await age(api, "media", "created_at", 31, idle, used, asked)
        await age(api, "conversations", "updated_at", 31, over)
        await age(api, "generations", "finished_at", 29, young["id"])

        assert await due(admin, NOTHING) == {}
        found = await due(admin, ALL)
        assert found == {
            "generations": (1, 2),
            "uploads": (1, 0),
            "conversations": (1, 0),
            "audit": (0, 0),
            "trash": (0, 0),
        }
        assert await api.services.retention.turn() == service.EVERY
        assert (await user.get(f"/generations/{old['id']}")).status_code == 200, "nothing is set"

        assert (await admin.put("/admin/retention", json=ALL)).json() == ALL
        kept = {"media_days": 30, "conversations_days": 30}
        assert (await user.get("/retention")).json() == kept
        assert await api.services.retention.turn() == service.EVERY
        there = {each["id"] for each in (await user.get("/generations")).json()["items"]}
        assert there == {favourite["id"], shared["id"], young["id"], edited.json()["id"]}
        talks = {each["id"] for each in (await user.get("/conversations")).json()["items"]}
        assert talks == {current}
        left = {row["id"] for row in await api.services.db.fetch("SELECT id FROM media")}
        assert (idle in left, used in left, asked in left) == (False, True, True)
        assert len(before) - len(list(files.glob("??/*/*"))) == 4, "two pictures, with thumbnails"
        assert await books(api) == spent
        assert set((await due(admin, ALL)).values()) == {(0, 0), (0, 2)}
        told = (await admin.get("/admin/audit", params={"action": "retention"})).json()["items"]
        assert {(one["subject"], one["after"]["count"]) for one in told} == {
            ("generations", 1),
            ("uploads", 1),
            ("conversations", 1),
        }


def url(database: str) -> str:
    return database if database.startswith("postgres") else f"duckdb://{database}"


async def test_old_entries_of_the_audit_log_go_in_batches(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    async with running_api(tmp_path, sandbox) as api, await api.admin() as admin:
        for days in (31, 32, 33, 34, 35):
            await admin.put("/admin/retention", json={**NOTHING, "audit_days": days})
        rows = (await admin.get("/admin/audit")).json()["items"]
        await age(api, "audit", "created_at", 40, *(row["id"] for row in rows[1:]))
        body = {**NOTHING, "audit_days": 30}
        assert await due(admin, body) == {"audit": (len(rows) - 1, 0)}
        await admin.put("/admin/retention", json=body)
        turns = [await api.services.retention.turn() for _ in range(4)]
        assert turns[:2] == [service.GO_ON, service.GO_ON]
        assert turns[-1] == service.EVERY
        left = (await admin.get("/admin/audit")).json()["items"]
        assert {one["action"] for one in left} == {"retention_settings", "retention"}
        told = [one for one in left if one["action"] == "retention"]
        assert told[-1]["after"]["count"] == 2
        await age(api, "audit", "created_at", 40, *(one["id"] for one in told))
        while await api.services.retention.turn() != service.EVERY:
            pass
        left = (await admin.get("/admin/audit")).json()["items"]
        assert {one["action"] for one in left} == {"retention_settings"}, "they make no entry"


NEEDED = {
    "favourite": "UPDATE generations SET favourite = true",
    "young": "UPDATE generations SET finished_at = now()",
    "not over": "UPDATE generations SET phase = 'poll'",
    "cost asked for": """UPDATE generations SET status = 'failed', cost_micro = NULL,
        finished_at = now() - INTERVAL '47 hours'""",
    "money held": "UPDATE holds SET state = 'held'",
    "delivery under way": """UPDATE deliveries SET state = 'pending', generation_id = (
        SELECT id FROM generations)""",
}


async def test_a_job_that_is_needed_since_a_moment_stays(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    class Undone(Exception):
        pass

    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.user() as user,
    ):
        db, made = api.services.db, (await image(user))["id"]
        target = DeliveryTarget("telegram", "77")
        async with db.transaction() as sql:
            code, facts = "stopped", dict[str, str]()
            await api.services.outbox.announce_notice(sql, made, target, code, facts, 1)
        await db.execute("UPDATE deliveries SET state = 'done'")
        await age(api, "generations", "finished_at", 2, made)
        before = now() - timedelta(days=1)
        for name, change in NEEDED.items():
            with suppress(Undone):
                async with db.transaction() as sql:
                    await sql.execute(change)
                    assert await aged.found(sql, before, 9) == [], name
                    assert (await aged.count(sql, before)).count == 0, name
                    assert not await aged.hold(sql, made, before), name
                    raise Undone
        await db.execute("UPDATE generations SET favourite = true")
        assert not await api.services.generation_eraser._erase(made, None, aged_before=before)
        await db.execute("UPDATE generations SET favourite = false")
        await db.execute("""UPDATE generations SET status = 'failed', cost_micro = NULL,
            finished_at = now() - INTERVAL '49 hours', created_at = now()""")
        assert (await aged.count(db, before)).count == 1, "nobody asks for its cost any more"
        assert await api.services.generation_eraser.erase_aged(before, 9) == 1
        assert await db.fetch("SELECT id FROM deliveries") == []
        assert await api.services.generation_eraser.erase_aged(before, 9) == 0


@pytest.mark.parametrize("cost", [None, 30_000])
async def test_the_money_of_a_job_that_is_over_is_freed_with_it(
    database: str, tmp_path: Path, sandbox: Sandbox, cost: int | None
) -> None:
    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.user() as user,
    ):
        db, made = api.services.db, (await image(user))["id"]
        await db.execute("UPDATE holds SET state = 'held', settled_micro = NULL")
        await db.execute("UPDATE budgets SET held_micro = 1000000")
        await db.execute("UPDATE generations SET cost_micro = $1", cost)
        await user.delete(f"/generations/{made}")
        (hold,) = await db.fetch("SELECT state, settled_micro FROM holds")
        assert tuple(hold.values()) == ("settled" if cost else "released", cost)


async def test_odd_numbers_are_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    async with running_api(tmp_path, sandbox, refresh=False) as api, await api.admin() as admin:
        for name, days in (
            ("media_days", 0),
            ("media_days", 3651),
            ("audit_days", 29),
            ("trash_days", 31),
        ):
            body = {**NOTHING, name: days}
            assert (await admin.put("/admin/retention", json=body)).status_code == 422
        assert (await admin.get("/admin/retention")).json() == NOTHING


async def test_a_conversation_with_a_question_under_way_stays_with_its_pictures(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.admin() as admin,
        await api.user() as user,
    ):
        text, caller = api.services.text, Caller((await user.get("/users/me")).json()["id"], "user")
        shown, sent = await upload(user), await upload(user)
        talk = await ask(user, images=[shown])
        await admin.put("/admin/retention", json=ALL)
        await age(api, "media", "created_at", 31, shown, sent)
        await age(api, "conversations", "updated_at", 31, talk)
        found = await api.services.conversations.own(caller.user_id, talk)

        sandbox.break_with(Fault(call="chat", kind="stall", after=1))
        running = await text.begin(caller, TextIn(prompt="x", conversation_id=talk, images=[sent]))
        assert await api.services.retention.turn() == service.EVERY
        running.stop()
        assert running.task is not None
        await running.task
        said = (await user.get(f"/conversations/{talk}")).json()["messages"]
        assert [[each["id"] for each in one["images"]] for one in said] == [[shown], [], [sent], []]

        before = found.updated_at + timedelta(days=1)
        delete = api.services.conversations.delete_unused
        assert not await delete(caller.user_id, talk, before), "it was used since it was found"
        assert not await delete(caller.user_id, "unknown", now())
        assert await delete(caller.user_id, talk, now())
        assert await api.services.db.fetch("SELECT id FROM media") == []
        assert await api.services.db.fetch("SELECT id FROM messages") == []
        with pytest.raises(NotFound):
            await text.begin(caller, TextIn(prompt="x", conversation_id=talk))


async def test_a_picture_that_a_waiting_job_will_use_stays(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.user() as user,
    ):
        used = await upload(user)
        await age(api, "media", "created_at", 31, used)
        assert await old_uploads(api) == {used}
        body = {"prompt": "bluer", "model": SEEDREAM, "input_images": [used]}
        made = await user.post("/generate/image", json=body)
        await api.services.generation_eraser.erase(made.json()["id"])
        assert await old_uploads(api) == set(), "its age begins with its last use"


async def old_uploads(api: Api) -> set[str]:
    found = await store.old_uploads(api.services.db, now() - timedelta(days=30), 9)
    return {each for ids in found.values() for each in ids}


async def test_a_made_picture_that_something_else_needs_stays(
    database: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    async with (
        running_api(tmp_path, sandbox, database_url=url(database)) as api,
        await api.user() as user,
    ):
        db, made = api.services.db, await image(user)
        query = "SELECT id FROM media WHERE generation_id = $1 AND role = 'image'"
        [found] = await db.fetch(query, made["id"])
        shown, before = found["id"], now() - timedelta(days=1)
        body = {"prompt": "bluer", "model": SEEDREAM, "input_images": [shown]}
        later = (await user.post("/generate/image", json=body)).json()["id"]
        await age(api, "generations", "finished_at", 2, made["id"])

        async def stays() -> bool:
            held = await aged.hold(db, made["id"], before)
            assert await aged.found(db, before, 9) == ([made["id"]] if held else [])
            return not held

        assert not await stays(), "a job that is over needs it no more"
        for needed, over in (("phase = 'poll'", "phase = 'done'"), ("favourite = true",) * 2):
            await db.execute(f"UPDATE generations SET {needed} WHERE id = $1", later)
            assert await stays(), needed
            await db.execute(f"UPDATE generations SET {over} WHERE id = $1", later)
        await db.execute("UPDATE generations SET favourite = false WHERE id = $1", later)
        assert not await stays()
        await db.execute(
            """
            INSERT INTO generation_drafts (id, user_id, kind, request_json, body_hash, created_at)
            SELECT 'draft', user_id, 'image', $1::text, 'x', now()
            FROM generations WHERE id = $2""",
            f'{{"input_images": ["{shown}"]}}',
            later,
        )
        assert await stays(), "a draft"
