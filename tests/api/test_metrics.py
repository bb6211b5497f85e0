"""Metrics for a monitor: counts of the process and the state of the database, for this machine or
an admin."""

import platform
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.db import Db
from api.metrics import MODELS_MOST, Metrics
from api.provider.types import Usage
from api.version import VERSION
from sandbox.faults import Fault
from telemetry.metrics import OTHER
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

Samples = dict[tuple[str, str], float]


@pytest.fixture
async def api(sandbox: Sandbox, duckdb_path: Path, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, database_url=f"duckdb://{duckdb_path}") as running:
        yield running


async def read(client: httpx.AsyncClient) -> Samples:
    """Return the values by name and label values."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {
        (each.name, " ".join(each.labels.values())): each.value
        for family in families
        for each in family.samples
    }


async def test_it_counts_what_was_answered_and_asked(api: Api, sandbox: Sandbox) -> None:
    admin, ana = await api.admin(), await api.user()
    fox = (await ana.post("/generate/image", json={"prompt": "a fox"})).json()
    await ana.get(f"/generations/{fox['id']}")
    await ana.get("/generations/nothing")
    await ana.get("/no/such/page")
    sandbox.break_with(Fault(call="chat", kind="status", status=402))
    assert (await ana.post("/generate/text", json={"prompt": "why?"})).status_code == 502
    found = await read(admin)
    assert found["allucanget_http_requests_total", "GET /generations/{generation_id} 200"] == 1
    assert found["allucanget_http_requests_total", "GET /generations/{generation_id} 404"] == 1
    assert found["allucanget_http_requests_total", "GET unknown 404"] == 1
    assert found["allucanget_http_request_seconds_count", "POST /generate/image"] == 1
    assert not any(fox["id"] in labels for _, labels in found)
    assert (
        found["allucanget_provider_calls_total", "chat openai/gpt-5-mini provider_out_of_credit"]
        == 1
    )
    assert found["allucanget_provider_calls_total", "images  ok"] > 0


async def test_it_says_how_the_studio_stands(api: Api) -> None:
    admin, ana = await api.admin(), await api.user()
    assert (await ana.post("/generate/image", json={"prompt": "a fox"})).status_code == 200
    async with api.services.db.transaction() as sql:
        await api.services.outbox.notify(
            sql, platform="telegram", chat_id="1", code="linked", facts={}
        )
    await api.services.db.execute(
        "UPDATE generations SET phase = 'needs_review', status = 'processing'"
    )
    await api.bot("discord").post("/bot/deliveries/claim?wait=0")
    found = await read(admin)
    assert found["allucanget_jobs", "image needs_review"] == 1
    assert found["allucanget_deliveries", "telegram pending"] == 1
    assert found["allucanget_bot_connected", "discord"] == 1
    assert found["allucanget_bot_connected", "telegram"] == 0
    assert found["allucanget_warnings", "needs_review"] == 1
    assert found["allucanget_spent_usd", "global"] > 0
    await api.services.db.execute("UPDATE generations SET phase = 'done', status = 'failed'")
    assert ("allucanget_warnings", "needs_review") not in await read(admin)


async def test_it_counts_tokens_and_looks_at_database_disk_and_backups(api: Api) -> None:
    admin, ana = await api.admin(), await api.user()
    assert (await ana.post("/generate/text", json={"prompt": "why?"})).status_code == 200
    assert "allucanget_backup_age_seconds" not in {name for name, _ in await read(admin)}
    assert (await admin.post("/admin/backups")).status_code in {200, 201}
    found = await read(admin)
    spoken = {labels: value for (name, labels), value in found.items() if "tokens_total" in name}
    assert spoken["prompt openai/gpt-5-mini"] > 0
    assert spoken["completion openai/gpt-5-mini"] > 0
    assert 0 <= found["allucanget_backup_age_seconds", "database"] < 60
    assert found["allucanget_disk_free_bytes", "tightest"] > 1_000_000
    assert found["allucanget_db_load", "waiting"] == 0
    for what in ("read", "write", "transaction"):
        assert found["allucanget_db_statement_seconds_count", what] > 0
    assert found["process_resident_memory_bytes", ""] > 1_000_000
    assert found["process_open_fds", ""] > 1
    assert found["allucanget_build_info", f"{platform.python_version()} {VERSION}"] == 1
    assert ("allucanget_event_loop_lag_seconds", "") in found


def test_hundreds_of_models_are_a_few_time_series() -> None:
    metrics = Metrics()
    for number in range(MODELS_MOST * 3):
        with metrics.call("/chat/completions", f"maker/model-{number}"):
            metrics.used(f"maker/model-{number}", Usage(1, 1, 1))
    with metrics.call("/models?all", ""):
        pass
    called = metrics.registry.get_sample_value
    labels = {"about": "chat", "model": OTHER, "outcome": "ok"}
    assert called("allucanget_provider_calls_total", labels) == MODELS_MOST * 2
    (family,) = (each for each in metrics.registry.collect() if each.name == "allucanget_tokens")
    assert len({sample.labels["model"] for sample in family.samples}) == MODELS_MOST + 1


async def test_pool_of_postgresql_is_shown(db: Db) -> None:
    assert set(db.load) == ({"waiting"} if db.engine == "duckdb" else {"used", "idle", "most"})


async def test_only_this_machine_and_admins_read_it(api: Api) -> None:
    async def status(address: str, **headers: str) -> int:
        transport = httpx.ASGITransport(api.app, client=(address, 1))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api", headers=headers
        ) as client:
            return (await client.get("/metrics")).status_code

    found = [await status(address) for address in ("127.0.0.1", "::1", "192.0.2.1", "10.0.0.1", "")]
    assert found == [200, 200, 401, 401, 401]
    # a proxy on this machine serves other machines
    assert await status("127.0.0.1", **{"X-Forwarded-For": "127.0.0.1"}) == 401
    async with await api.admin() as admin, await api.user() as ana:
        token, anas = (client.headers["authorization"] for client in (admin, ana))
        assert await status("192.0.2.1", authorization=token) == 200
        assert await status("192.0.2.1", authorization=anas) == 403
