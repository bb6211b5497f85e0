"""What holds for every route: ids, problem documents, limits, and nothing that the inside would let out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.harness import Api, running_api
from tests.auth.world import one_engine
from tests.generations.conftest import sandbox, settings_of, shared_sandbox
from tests.sandbox_server import Sandbox

__all__ = ["sandbox", "shared_sandbox"]


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def test_ready_names_what_the_api_needs(api: Api) -> None:
    ready = (await api.client.get("/readyz")).json()
    assert ready["ready"]
    names = {"database", "media", "provider", "background"}
    assert {name: check["ok"] for name, check in ready["checks"].items()} == dict.fromkeys(names, True)
    assert ready["setup_needed"]
    await api.admin()
    assert not (await api.client.get("/readyz")).json()["setup_needed"]


@one_engine
async def test_every_answer_has_an_id(api: Api) -> None:
    first, second = await api.client.get("/healthz"), await api.client.get("/nowhere")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert (second.status_code, second.json()["code"]) == (404, "not_found")
    assert second.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/generations?q=%00", "/generations/%00", "/users?q=%00"])
async def test_a_nul_in_an_address_is_refused_on_both_engines(api: Api, path: str) -> None:
    admin = await api.admin()
    answer = await admin.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@one_engine
async def test_a_body_is_read_only_up_to_a_limit(api: Api) -> None:
    admin = await api.admin()
    answer = await admin.post(
        "/generate/text", content=b'{"prompt": "' + b"x" * 1_100_000 + b'"}', headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@one_engine
async def test_a_refused_body_is_never_echoed(api: Api) -> None:
    secret = "the password nobody may see"
    answer = await api.client.post("/auth/login", json={"email": "a@b.c", "password": secret, "extra": secret})
    assert answer.status_code == 422
    assert secret not in answer.text
    assert [field["field"] for field in answer.json()["fields"]] == ["extra"]


@one_engine
async def test_the_docs_load_nothing_from_elsewhere(api: Api) -> None:
    page = (await api.client.get("/docs")).text
    assert "http" not in page.replace("http-equiv", "")
    for path in ("/static/swagger/swagger-ui-bundle.js", "/static/swagger/swagger-ui.css", "/openapi.json"):
        assert (await api.client.get(path)).status_code == 200, path
