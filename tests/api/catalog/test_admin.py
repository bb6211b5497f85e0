"""Admins switch models off, price them, keep them for a role, and add models by hand."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import ids
from sandbox.faults import Fault
from tests.api.harness import Api, forget_days, running_api
from tests.sandbox_server import Sandbox

KLEIN = "black-forest-labs/flux.2-klein-4b"
MINI = "openai/gpt-5-mini"


@pytest.fixture
async def api(tmp_path: Path, sandbox: Sandbox, duckdb_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}") as running:
        yield running


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.admin() as client:
        yield client


@pytest.fixture
async def ana(api: Api, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.user("ana") as client:
        yield client


async def changed(admin: httpx.AsyncClient, model: str, **body: Any) -> dict[str, Any]:
    answer = await admin.put(f"/admin/models/{model}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def offered(client: httpx.AsyncClient, kind: str) -> list[str]:
    return [
        item["id"] for item in (await client.get("/models", params={"kind": kind})).json()["items"]
    ]


async def priced(client: httpx.AsyncClient, kind: str, **body: Any) -> httpx.Response:
    return await client.post("/generate/estimate", json={"kind": kind, "prompt": "x", **body})


async def test_only_admins_and_no_bots(
    api: Api, admin: httpx.AsyncClient, ana: httpx.AsyncClient
) -> None:
    async with await api.acting(admin) as acting:
        for client in (ana, acting):
            for path in ("/admin/models", f"/admin/models/{KLEIN}", "/admin/budgets"):
                assert (await client.get(path)).status_code == 403
            answer = await client.put(f"/admin/models/{KLEIN}", json={"enabled": False})
            assert answer.status_code == 403
            answer = await client.post("/admin/models", json={"id": "a/b", "kind": "text"})
            assert answer.status_code == 403
            assert (await client.post("/admin/models/refresh")).status_code == 403


async def test_all_models_in_pages(api: Api, admin: httpx.AsyncClient) -> None:
    await changed(admin, KLEIN, enabled=False)

    async def pages(**wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = (
                await admin.get("/admin/models", params={"limit": "2", **wanted, **cursor})
            ).json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    seen = await pages()
    names = [item["name"].lower() for item in await pages(sort="name")]
    assert (names, len(names)) == (sorted(names), len(seen))
    await changed(admin, KLEIN, price_override_usd="9")
    dearest, cheapest = [await pages(kind="image", sort=sort) for sort in ("dearest", "cheapest")]
    assert (dearest[0]["id"], len(cheapest)) == (KLEIN, len(dearest))
    known = [item["price_known"] for item in cheapest]
    assert known == sorted(known, reverse=True), "those whose price nobody knows come last"
    assert [item["id"] for item in cheapest if item["price_known"]][-1] == KLEIN
    assert (await admin.get("/admin/models?cursor=image:nobody/nothing")).status_code == 422
    for model, days, used in ((MINI, 0, 2), (KLEIN, 6, 3), (dearest[1]["id"], 7, 9)):
        for _ in range(used):
            await api.services.db.execute(
                "INSERT INTO ledger (id, user_id, month, hold_id, subject, kind, model, "
                "amount_micro, created_at) VALUES ($1, 'x', '2026-01', '', '', $2, $3, 5, $4)",
                ids.new_id(),
                "text" if model == MINI else "image",
                model,
                ids.now() - timedelta(days=days),
            )
    await forget_days(api.services.db)
    api.services.spending._used = None
    most = await pages(sort="used")
    assert [(item["id"], item["used"]) for item in most[:2]] == [(KLEIN, 3), (MINI, 2)], (
        "those of a week"
    )
    assert [item["used"] for item in most[2:]] == [0] * (len(seen) - 2)
    listed = [(item["kind"], item["id"]) for item in seen]
    assert listed == sorted({(item["kind"], item["id"]) for item in seen})
    assert {item["id"]: item["enabled"] for item in seen}[KLEIN] is False
    images = (await admin.get("/admin/models", params={"kind": "image", "q": "KLEIN"})).json()[
        "items"
    ]
    assert [item["id"] for item in images] == [KLEIN]


async def test_a_default_that_is_switched_off_heals(
    admin: httpx.AsyncClient, ana: httpx.AsyncClient
) -> None:
    assert (await changed(admin, KLEIN, enabled=False))["default"] is False
    models = (await ana.get("/models", params={"kind": "image"})).json()["items"]
    assert KLEIN not in [item["id"] for item in models]
    assert [item["default"] for item in models] == [True] + [False] * (len(models) - 1)
    refused = await priced(ana, "image", model=KLEIN)
    assert (refused.status_code, refused.json()["code"]) == (422, "model_unavailable")
    assert (await admin.put(f"/admin/models/{KLEIN}", json={"default": True})).status_code == 409
    assert (await changed(admin, KLEIN, enabled=True, default=True))["default"] is True
    assert (await offered(ana, "image"))[0] == KLEIN
    assert (await admin.put(f"/admin/models/{KLEIN}", json={"default": False})).status_code == 422


async def test_a_price_of_the_operators_own(
    admin: httpx.AsyncClient, ana: httpx.AsyncClient
) -> None:
    before = (await priced(ana, "image", model=KLEIN)).json()["cost_usd"]
    found = (await changed(admin, KLEIN, price_override_usd="0.25"))["price_override_usd"]
    assert found == "0.250000"
    assert (await priced(ana, "image", model=KLEIN, n=2)).json()["cost_usd"] == "0.500000"
    assert (await changed(admin, KLEIN, enabled=True))["price_override_usd"] == "0.250000"
    assert (await changed(admin, KLEIN, price_override_usd=None))["price_override_usd"] is None
    assert (await priced(ana, "image", model=KLEIN)).json()["cost_usd"] == before
    refused: list[dict[str, Any]] = [
        {"price_override_usd": "-1"},
        {"roles": []},
        {"roles": ["guest"]},
        {"colour": "red"},
    ]
    for wrong in refused:
        assert (await admin.put(f"/admin/models/{KLEIN}", json=wrong)).status_code == 422


async def test_a_model_may_be_kept_for_a_role(
    admin: httpx.AsyncClient, ana: httpx.AsyncClient
) -> None:
    """This includes the default, which everybody else then has replaced."""
    await changed(admin, MINI, roles=["admin"])
    assert (await offered(admin, "text"))[0] == MINI
    models = (await ana.get("/models", params={"kind": "text"})).json()["items"]
    assert MINI not in [item["id"] for item in models]
    assert models[0]["default"] is True
    for asked in (
        await ana.post("/generate/text", json={"prompt": "x", "model": MINI}),
        await priced(ana, "text", model=MINI),
    ):
        assert (asked.status_code, asked.json()["code"]) == (422, "model_unavailable")
    answer = (await ana.post("/generate/text", json={"prompt": "x"})).json()["model"]
    assert answer == models[0]["id"]
    assert (await admin.post("/generate/text", json={"prompt": "x"})).json()["model"] == MINI
    for kind, path in (("image", "/generate/image"), ("video", "/generate/video")):
        first = (await offered(admin, kind))[0]
        await changed(admin, first, roles=["admin"])
        refused = await ana.post(path, json={"prompt": "x", "model": first})
        assert refused.status_code == 422, refused.text
    assert (await changed(admin, MINI, roles=None))["roles"] is None
    assert (await offered(ana, "text"))[0] == MINI


async def test_a_model_of_two_kinds_has_to_be_told_apart(admin: httpx.AsyncClient) -> None:
    items = (await admin.get("/admin/models")).json()["items"]
    both = next(
        item["id"] for item in items if sum(other["id"] == item["id"] for other in items) > 1
    )
    assert (await admin.get(f"/admin/models/{both}")).status_code == 422
    answer = await admin.put(
        f"/admin/models/{both}", params={"kind": "image"}, json={"enabled": False}
    )
    assert (answer.json()["kind"], answer.json()["enabled"]) == ("image", False)
    assert (await admin.get(f"/admin/models/{both}", params={"kind": "text"})).json()[
        "enabled"
    ] is True
    assert (await admin.get("/admin/models/no/such")).status_code == 404


async def test_a_model_that_no_list_has(
    admin: httpx.AsyncClient, ana: httpx.AsyncClient, api: Api
) -> None:
    new = {"id": "own/painter", "kind": "image"}
    made = await admin.post("/admin/models", json=new)
    seen = (made.status_code, made.json()["by_hand"], made.json()["price_known"])
    assert seen == (201, True, False)
    refused = await ana.post("/generate/image", json={"prompt": "x", "model": "own/painter"})
    assert (refused.status_code, refused.json()["code"]) == (409, "price_unknown")
    assert (await changed(admin, "own/painter", price_override_usd="0.03", default=True))[
        "price_known"
    ] is True
    await api.services.catalog.refresh()
    assert (await offered(ana, "image"))[0] == "own/painter"
    assert (await admin.post("/admin/models", json=new)).status_code == 409
    answer = await admin.post("/admin/models", json={"id": "no slash", "kind": "image"})
    assert answer.status_code == 422


async def test_a_vanished_model_can_be_kept_by_hand(
    admin: httpx.AsyncClient, ana: httpx.AsyncClient, api: Api
) -> None:
    await api.services.db.execute("UPDATE models SET listed = FALSE WHERE id = $1", MINI)
    assert (await admin.get(f"/admin/models/{MINI}")).json()["vanished"] is True
    assert (await admin.put(f"/admin/models/{MINI}", json={"default": True})).status_code == 409
    made = (
        await admin.post(
            "/admin/models", json={"id": MINI, "kind": "text", "price_override_usd": "0.01"}
        )
    ).json()
    assert (made["vanished"], made["by_hand"]) == (False, True)
    assert MINI in await offered(ana, "text")


async def test_refreshing_now_and_what_is_written_down(
    admin: httpx.AsyncClient, api: Api, sandbox: Sandbox
) -> None:
    assert (await admin.post("/admin/models/refresh")).json()["count"] > 10
    sandbox.break_with(Fault(call="models", kind="status", status=500))
    failed = await admin.post("/admin/models/refresh")
    assert (failed.status_code, failed.json()["code"]) == (502, "provider_unavailable")
    await changed(admin, KLEIN, enabled=False)
    await admin.post("/admin/models", json={"id": "own/painter", "kind": "image"})
    rows = await api.services.db.fetch(
        "SELECT action, subject FROM audit WHERE action LIKE 'model%' ORDER BY id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("models_refreshed", "models"),
        ("model_changed", KLEIN),
        ("model_added", "own/painter"),
    ]
