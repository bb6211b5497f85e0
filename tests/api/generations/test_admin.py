"""Operators list everybody's jobs, resolve unknown outcomes, retry and purge. Each act is audited,
and no race pays twice."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api.generations import store
from api.ids import new_id, now
from sandbox.faults import Fault
from tests.api.generations.test_announcer import ADDRESS, claim, linked
from tests.api.generations.test_jobs import SEEDREAM, finished, money, until
from tests.api.harness import Api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def admin(api: Api) -> httpx.AsyncClient:
    return await api.admin()


async def lost(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, **body: object
) -> dict[str, Any]:
    """Return a video whose submit answer was lost and which waits for the operator."""
    sandbox.break_with(Fault(call="videos.submit", kind="lost", times=1))
    made: dict[str, Any] = (
        await user.post("/generate/video", json={"prompt": "waves", **body})
    ).json()
    await until(api, made["id"], phase="needs_review")
    return made


async def spent_by_all(api: Api) -> str:
    (shared,) = [each for each in await api.services.budget.shared() if each.scope == "global"]
    return f"{shared.spent_usd:.6f}"


async def actions(api: Api) -> list[str]:
    return [
        row["action"]
        for row in await api.services.db.fetch(
            "SELECT action FROM audit WHERE action LIKE 'generation%' ORDER BY id"
        )
    ]


@pytest.mark.parametrize(("outcome", "charged"), [("failed_free", False), ("failed_charged", True)])
async def test_a_lost_video_is_resolved_and_told_once(
    api: Api,
    user: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    sandbox: Sandbox,
    outcome: str,
    charged: bool,
) -> None:
    acting = await linked(api, user)
    made = await lost(api, acting, sandbox, address=ADDRESS)
    claimed = (await api.bot().post("/bot/deliveries/claim?wait=10")).json()
    assert [(one["event"]["code"], one["event"]["facts"]) for one in claimed] == [
        ("needs_review", {"short_id": made["short_id"]})
    ]
    (listed,) = (await admin.get("/admin/generations?needs_review=true")).json()["items"]
    assert (listed["id"], listed["phase"]) == (made["id"], "needs_review")
    body = {"outcome": outcome}
    answers = await asyncio.gather(
        *[admin.post(f"/admin/generations/{made['id']}/resolve", json=body) for _ in range(4)]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    seen = (await user.get(f"/generations/{made['id']}")).json()
    found = (seen["status"], seen["error"]["code"], seen["needs_review"])
    assert found == ("failed", "outcome_unknown", False)
    assert seen["error"]["charged_usd"] == ("0.000000" if charged else None)
    assert await money(user) == ("0.000000", "0.000000"), "it came to nothing"
    assert await spent_by_all(api) == (made["estimate_usd"] if charged else "0.000000")
    (delivery,) = await claim(api)
    assert delivery["event"]["type"] == "generation_failed"
    assert await actions(api) == ["generation_resolve"]


async def test_a_lost_video_is_followed_once_its_id_is_known(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    made = await lost(api, user, sandbox)
    other = await finished(
        api, (await user.post("/generate/video", json={"prompt": "other"})).json()
    )
    row = await store.get(api.services.db, other["id"])
    assert row is not None
    body = {"outcome": "provider_id", "provider_id": row.provider_id}
    assert (
        await admin.post(
            f"/admin/generations/{made['id']}/resolve", json={"outcome": "provider_id"}
        )
    ).status_code == 422
    answer = await admin.post(f"/admin/generations/{made['id']}/resolve", json=body)
    assert answer.status_code == 200
    assert (await finished(api, made))["status"] == "completed"
    assert len(sandbox.calls("videos.submit")) == 2


async def test_a_lost_video_can_be_cancelled_and_is_still_the_operators(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    made = await lost(api, user, sandbox)
    found = (await admin.post(f"/admin/generations/{made['id']}/cancel")).json()["status"]
    assert found == "cancelled"
    assert (await admin.delete(f"/admin/generations/{made['id']}")).status_code == 409
    resolved = (
        await admin.post(
            f"/admin/generations/{made['id']}/resolve", json={"outcome": "failed_free"}
        )
    ).json()
    assert (resolved["status"], resolved["phase"], resolved["error"]) == ("cancelled", "done", None)
    assert await money(user) == ("0.000000", "0.000000")
    assert (await admin.delete(f"/admin/generations/{made['id']}")).status_code == 204
    assert (await user.get(f"/generations/{made['id']}")).status_code == 404
    assert await actions(api) == ["generation_cancel", "generation_resolve", "generation_delete"]


async def test_retries_at_the_same_moment_make_one_new_job(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=403, times=1))
    again = await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    assert again.status_code == 422
    (failed,) = (await admin.get("/admin/generations?status=failed")).json()["items"]
    answers = await asyncio.gather(
        *[admin.post(f"/admin/generations/{failed['id']}/retry") for _ in range(4)]
    )
    assert {answer.status_code for answer in answers} == {202}
    (new,) = {answer.json()["id"] for answer in answers}
    done = await finished(api, answers[0].json())
    seen = (new != failed["id"], done["parent_id"], done["status"])
    assert seen == (True, failed["id"], "completed")
    assert await money(user) == (done["cost_usd"], "0.000000")
    assert (await admin.post(f"/admin/generations/{new}/retry")).status_code == 409, (
        "it is completed"
    )


async def test_a_refund_gives_the_cost_back_to_the_user_once(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    kept, made = [
        (await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})).json()
        for _ in range(2)
    ]
    answers = await asyncio.gather(
        *[
            admin.post(f"/admin/generations/{made['id']}/refund", json={"reason": "blurred"})
            for _ in range(4)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert (await user.get(f"/generations/{made['id']}")).json()["refunded"]
    assert await money(user) == (kept["cost_usd"], "0.000000")
    books = (await admin.get("/admin/budgets")).json()
    spent = {each["scope"]: each["spent_usd"] for each in books["items"]}
    assert (Decimal(spent["global"]), books["audit"]["differences"]) == (
        2 * Decimal(kept["cost_usd"]),
        [],
    ), "the provider was paid for both"
    video = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    assert (await admin.post(f"/admin/generations/{video['id']}/refund")).status_code == 409, (
        "not over"
    )
    (entry,) = await api.services.db.fetch(
        "SELECT after_json FROM audit WHERE action = 'generation_refund'"
    )
    assert json.loads(entry["after_json"])["reason"] == "blurred"


async def test_old_ones_are_purged_and_late_ones_failed(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    kept, old = [
        (await user.post("/generate/image", json={"prompt": "x"})).json() for _ in range(2)
    ]
    await api.services.db.execute(
        "UPDATE generations SET created_at = $2 WHERE id = $1", old["id"], now() - timedelta(days=9)
    )
    assert (
        await admin.post(
            "/admin/generations/purge", json={"older_than_days": 7, "status": "failed"}
        )
    ).json() == {"count": 0}
    await api.services.db.execute(
        "UPDATE generations SET cost_micro = NULL WHERE id = $1", old["id"]
    )
    purge = {"older_than_days": 7}
    answer = (await admin.post("/admin/generations/purge", json=purge)).json()
    assert answer == {"count": 0}, "it ended just now without a cost, and may still be billed"
    await api.services.db.execute(
        "UPDATE generations SET finished_at = $2 WHERE id = $1",
        old["id"],
        now() - timedelta(days=3),
    )
    answer = (await admin.post("/admin/generations/purge", json=purge)).json()
    assert answer == {"count": 1}
    found = [one["id"] for one in (await admin.get("/admin/generations")).json()["items"]]
    assert found == [kept["id"]]
    spent = (await money(user))[0]
    sandbox.break_with(video=600)
    late = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    await until(api, late["id"], phase="poll")
    assert (await admin.post("/admin/generations/timed-out")).json() == {"count": 0}
    await api.services.db.execute(
        "UPDATE generations SET followed_ms = 3600000 WHERE id = $1", late["id"]
    )
    await admin.post("/admin/generations/timed-out")
    assert (await finished(api, late))["error"]["code"] == "timed_out"
    assert await money(user) == (spent, "0.000000")


async def test_jobs_are_sorted_by_cost_and_by_how_long_they_took(
    api: Api, user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    made = [
        (await user.post("/generate/image", json={"prompt": "x"})).json()["id"] for _ in range(4)
    ]
    for generation_id, cost, seconds in zip(made, (7, None, 90, 30), (4, 30, 2, 9), strict=True):
        times = "started_at = $3, finished_at = $4"
        at = now()
        await api.services.db.execute(
            f"UPDATE generations SET cost_micro = $2, {times} WHERE id = $1",
            generation_id,
            cost,
            at,
            at + timedelta(seconds=seconds),
        )

    async def order(query: str) -> list[int]:
        found: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (
                await admin.get(
                    f"/admin/generations?limit=1&{query}&cursor={cursor}".removesuffix("&cursor=")
                )
            ).json()
            found += [made.index(one["id"]) for one in page["items"]]
            cursor = page["next_cursor"]
        return found

    assert await order("sort=oldest") == [0, 1, 2, 3]
    assert await order("sort=cost") == [2, 3, 0]
    assert await order("sort=longest&status=completed") == [1, 3, 0, 2]
    assert await order("sort=cost&until=2026-01-01T00:00:00Z") == []
    long_ago = new_id()
    await api.services.db.execute(
        "UPDATE generations SET id = $2 WHERE id = $1", made[2], f"0190{long_ago[4:]}"
    )
    assert await order("sort=cost") == [3, 0], "of the last seven days"
    assert await order("sort=cost&since=2020-01-01T00:00:00Z") == [], (
        "of the first seven days from then on"
    )


async def test_only_admins_see_and_change_others_jobs(api: Api, user: httpx.AsyncClient) -> None:
    made = (await user.post("/generate/image", json={"prompt": "x"})).json()
    for method, path in [
        ("GET", "/admin/generations"),
        ("GET", f"/admin/generations/{made['id']}"),
        ("POST", f"/admin/generations/{made['id']}/cancel"),
        ("POST", f"/admin/generations/{made['id']}/retry"),
        ("POST", "/admin/generations/timed-out"),
        ("DELETE", f"/admin/generations/{made['id']}"),
    ]:
        assert (await user.request(method, path)).status_code == 403, path
