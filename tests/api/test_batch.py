"""`POST /batch`: each question is answered as if it had come alone."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.schemas import BATCH_MAX
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

pytestmark = one_engine


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def asked(who: httpx.AsyncClient, *paths: str) -> list[tuple[int, dict[str, object]]]:
    answer = await who.post("/batch", json={"paths": paths})
    assert answer.status_code == 200, answer.text
    return [(one["status"], json.loads(one["body"])) for one in answer.json()["answers"]]


async def test_answers_are_those_of_single_requests_in_their_order(api: Api) -> None:
    ana = await api.user()
    paths = ["/users/me", "/models?kind=image&limit=2", "/generations?q=a%26b%20c", "/users/me"]
    alone = [await ana.get(path) for path in paths]
    assert await asked(ana, *paths) == [(each.status_code, each.json()) for each in alone]


async def test_each_question_has_the_rights_of_its_caller_alone(api: Api) -> None:
    admin, ana = await api.admin(), await api.user()
    paths = ["/admin/stats", "/users/me", "/generations/00000000-0000-7000-8000-000000000000"]
    assert [status for status, _ in await asked(admin, *paths)] == [200, 200, 404]
    found = await asked(ana, *paths)
    assert [status for status, _ in found] == [403, 200, 404]
    assert found[0][1] == (await ana.get("/admin/stats")).json() | {
        "request_id": found[0][1]["request_id"]
    }
    acting = await api.acting(ana)
    assert [status for status, _ in await asked(acting, "/users/me", "/auth/sessions")] == [
        200,
        403,
    ]


async def test_nobody_asks_without_a_session_or_with_an_ended_one(api: Api) -> None:
    ana = await api.user()
    assert (await api.client.post("/batch", json={"paths": ["/healthz"]})).status_code == 401
    await ana.post("/auth/logout")
    assert (await ana.post("/batch", json={"paths": ["/healthz"]})).status_code == 401


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["/users/me"] * (BATCH_MAX + 1),
        ["users/me"],
        ["http://127.0.0.1/users/me"],
        ["/users/me\r\nx: y"],
        ["/users/ä"],
    ],
)
async def test_only_addresses_of_this_api_are_taken(api: Api, paths: list[str]) -> None:
    ana = await api.user()
    assert (await ana.post("/batch", json={"paths": paths})).status_code == 422


async def test_files_streams_and_writes_are_no_questions(api: Api) -> None:
    admin = await api.admin()
    paths = ["/admin/audit.csv", "/metrics", "/users/me/export", "/batch", "/nowhere", "//users/me"]
    found = [status for status, _ in await asked(admin, *paths)]
    assert found == [422, 422, 422, 405, 404, 404]


async def test_a_question_that_breaks_spoils_no_other(api: Api) -> None:
    ana = await api.user()

    await api.services.db.execute("ALTER TABLE links RENAME TO gone_links")
    found = await asked(ana, "/links", "/users/me")
    assert [status for status, _ in found] == [500, 200]
    assert found[0][1]["code"] == "internal_error"
