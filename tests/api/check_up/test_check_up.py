"""The check-up: each thing that an installation needs is tried, and what is wrong is named."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.admin.db_health import DbHealth
from api.media.files import REHEARSALS
from api.secrets import ensure_secrets
from sandbox.faults import Fault
from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.fakes.smtp import smtp_server
from tests.sandbox_server import Sandbox
from tests.stack import free_ports


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


def by_subject(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {one["subject"]: one for one in answer.json()["findings"]}


def told(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {subject: one["finding"] for subject, one in found.items()}


async def test_a_healthy_installation_has_nothing_wrong(api: Api) -> None:
    found = by_subject(await (await api.admin()).post("/admin/check-up"))
    assert [name for name, one in found.items() if one["state"] == "bad"] == []
    engine = api.services.db.engine
    assert told(found) | {"backup": ""} == {
        "database": "database_answers",
        "media": "media_works",
        "disk": "disk_has_room",
        "clock": "clock_right" if engine == "postgresql" else "clock_not_compared",
        "provider": "provider_is_sandbox",
        "mail": "mail_off",
        "public_url": "address_unset",
        "backup": "",
    }
    root = api.services.media.files.root
    assert root is not None
    assert [path for path in root.rglob("*") if path.is_file() and REHEARSALS in path.parts] == []
    shell = api.signed(ensure_secrets(api.data_dir).operator_key)
    assert set(by_subject(await shell.post("/internal/check-up"))) == set(found)
    status = (await shell.get("/internal/status")).json()
    assert (status["engine"], status["sandbox"], status["queue"]) == (engine, True, [])


@one_engine
async def test_the_provider_is_asked_for_the_key_its_credit_and_the_time(
    sandbox: Sandbox, database: str, tmp_path: Path
) -> None:
    provider: dict[str, Any] = {"openrouter_api_key": "sk-test", "openrouter_base_url": sandbox.url}
    async with running_api(tmp_path, sandbox, **settings_of(database), **provider) as api:
        admin = await api.admin()
        found = by_subject(await admin.post("/admin/check-up"))
        asked = ("provider", "credit", "clock")
        assert [found[name]["finding"] for name in asked] == [
            "provider_works",
            "credit_without_limit",
            "clock_right",
        ]
        sandbox.break_with(Fault(call="key", kind="status", status=401))
        found = by_subject(await admin.post("/admin/check-up"))
        assert (found["provider"]["state"], found["provider"]["reason"]) == ("bad", "key_refused")
        assert found["clock"]["finding"] == "clock_right"


@one_engine
async def test_a_store_that_cannot_be_written_is_named(api: Api) -> None:
    root = api.services.media.files.root
    assert root is not None
    shutil.rmtree(root)
    root.write_text("a file in the place of the folder")
    found = by_subject(await (await api.admin()).post("/admin/check-up"))
    assert (found["media"]["state"], found["media"]["finding"]) == ("bad", "refused")


@one_engine
@pytest.mark.parametrize(("is_there", "finding"), [(True, "mail_works"), (False, "failed")])
async def test_the_mail_server_is_greeted_and_gets_no_mail(
    sandbox: Sandbox, database: str, tmp_path: Path, is_there: bool, finding: str
) -> None:
    async with (
        smtp_server() as box,
        running_api(
            tmp_path,
            sandbox,
            **settings_of(database),
            smtp_host="127.0.0.1",
            smtp_port=box.port if is_there else free_ports(1)[0],
            smtp_tls="off",
            smtp_from="studio@example.org",
        ) as api,
    ):
        found = by_subject(await (await api.admin()).post("/admin/check-up"))
        assert (found["mail"]["finding"], box.mails) == (finding, [])


@one_engine
async def test_a_public_address_has_to_lead_here(
    sandbox: Sandbox, database: str, tmp_path: Path
) -> None:
    async with running_api(
        tmp_path,
        sandbox,
        **settings_of(database),
        public_url=sandbox.url,
        public_api_url="http://127.0.0.1:1",
    ) as api:
        found = by_subject(await (await api.admin()).post("/admin/check-up"))
        assert (found["public_url"]["finding"], found["public_url"]["params"]["status"]) == (
            "address_of_others",
            404,
        )
        assert found["public_api_url"]["finding"] == "failed"


@one_engine
async def test_a_look_that_breaks_leaves_the_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(DbHealth, "look", broken)
    found = by_subject(await (await api.admin()).post("/admin/check-up"))
    assert found["database"]["params"] == {"said": "RuntimeError"}
    assert found["media"]["finding"] == "media_works"
