"""Requests of the operator's shell to the running api: only from this machine, only with its key,
logged, and valid for an hour."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.admin.warnings import Warnings
from api.ids import now
from api.media import missing
from api.secrets import ensure_secrets, renew_bot_key
from tests.api.generations.conftest import settings_of
from tests.api.harness import PASSWORD, Api, running_api
from tests.api.media.samples import picture
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, refresh=False, **settings_of(database)) as running:
        yield running


def shell(api: Api) -> httpx.AsyncClient:
    return api.signed(ensure_secrets(api.data_dir).operator_key)


async def ask(api: Api, path: str, **body: Any) -> dict[str, Any]:
    answer = await shell(api).post(f"/internal/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def role_of(api: Api, email: str) -> str | None:
    row = await api.services.db.fetch_one("SELECT role FROM users WHERE email = $1", email)
    return row["role"] if row else None


async def audited(api: Api) -> list[tuple[str, str | None]]:
    rows = await api.services.db.fetch("SELECT action, actor_id FROM audit ORDER BY id")
    return [(row["action"], row["actor_id"]) for row in rows]


async def test_a_new_admin_chooses_a_password_within_an_hour(api: Api) -> None:
    made = await ask(api, "admins", email="Boss@example.org")
    assert made["state"] == "invite"
    assert (
        timedelta(minutes=59)
        < datetime.fromisoformat(made["expires_at"]) - now()
        <= timedelta(hours=1)
    )
    body = {"email": "boss@example.org", "password": PASSWORD, "invite": made["token"]}
    answer = await api.client.post("/auth/register", json=body)
    assert (answer.status_code, answer.json()["user"]["role"]) == (201, "admin")
    assert (await audited(api))[0] == ("user_invite", None)
    again = await ask(api, "admins", email="boss@example.org", promote=True)
    assert (again["state"], again["token"]) == ("admin", None)


async def test_a_link_that_was_lost_is_replaced(api: Api) -> None:
    first = await ask(api, "admins", email="boss@example.org")
    second = await ask(api, "password-resets", email="boss@example.org")
    assert second["state"] == "invite"
    body = {"email": "boss@example.org", "password": PASSWORD}
    answer = await api.client.post("/auth/register", json={**body, "invite": first["token"]})
    assert answer.status_code == 404
    answer = await api.client.post("/auth/register", json={**body, "invite": second["token"]})
    assert answer.status_code == 201


async def test_an_account_is_promoted_only_when_that_is_said(api: Api) -> None:
    await api.user("ana")
    assert (await ask(api, "admins", email="ana@example.org"))["state"] == "user"
    assert (await role_of(api, "ana@example.org"), await audited(api)) == ("user", [])
    assert (await ask(api, "admins", email="ana@example.org", promote=True))["state"] == "promoted"
    seen = (await role_of(api, "ana@example.org"), await audited(api))
    assert seen == ("admin", [("user_role", None)])


async def test_a_password_is_reset_by_its_owner(api: Api) -> None:
    await api.user("ana")
    made = await ask(api, "password-resets", email="ana@example.org")
    assert made["state"] == "reset"
    assert datetime.fromisoformat(made["expires_at"]) - now() <= timedelta(hours=1)
    assert (
        await api.client.post(
            "/auth/reset", json={"token": made["token"], "password": "quite another passphrase"}
        )
    ).status_code == 204
    good = await api.client.post(
        "/auth/login", json={"email": "ana@example.org", "password": "quite another passphrase"}
    )
    assert good.status_code == 200
    assert (await audited(api))[0] == ("password_reset_link", None)


@pytest.mark.parametrize(
    ("path", "email"),
    [("password-resets", "nobody"), ("password-resets", "off"), ("admins", "off")],
)
async def test_a_reset_or_promotion_of_a_missing_or_disabled_account_is_a_conflict(
    api: Api, path: str, email: str
) -> None:
    await api.user("off")
    await api.services.db.execute(
        "UPDATE users SET status = 'disabled' WHERE email = 'off@example.org'"
    )
    answer = await shell(api).post(
        f"/internal/{path}",
        json={"email": f"{email}@example.org", **({"promote": True} if path == "admins" else {})},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await role_of(api, "off@example.org") == "user"


async def test_a_new_bot_key_is_taken_and_the_one_before_still_works_once(api: Api) -> None:
    keys = [ensure_secrets(api.data_dir).bot_keys["telegram"]]
    for _ in range(2):
        keys.append(renew_bot_key(api.data_dir, "telegram").bot_keys["telegram"])
        assert (await shell(api).post("/internal/bot-keys")).status_code == 204
    answers = [
        (await api.signed(key).post("/bot/deliveries/claim?wait=0")).status_code for key in keys
    ]
    assert answers == [401, 200, 200]
    assert (await api.bot("discord").post("/bot/deliveries/claim?wait=0")).status_code == 200


async def test_files_are_named_and_missing_ones_given_up(api: Api) -> None:
    services, ana = api.services, await api.user("ana")
    uploaded = await ana.post("/uploads", files={"file": ("fox.png", picture(), "image/png")})
    assert uploaded.status_code == 201, uploaded.text
    rows = await services.db.fetch("SELECT key FROM media")
    folder = rows[0]["key"][:2]
    answer = await shell(api).get("/internal/media/named", params={"folder": folder})
    assert answer.json()["keys"] == sorted(
        row["key"] for row in rows if row["key"].startswith(folder)
    )
    assert not await missing.is_settled(services.db, "file:///new disk", 3)
    warnings = api.services.by_type[Warnings]
    assert isinstance(warnings, Warnings)
    board = await warnings.now()
    assert [each.count for each in board if each.code == "files_missing"] == [3]
    assert [await ask(api, "media/missing/forget") for _ in range(2)] == [
        {"files": 3},
        {"files": 0},
    ]
    assert await missing.is_settled(services.db, "file:///new disk", 3)
    query = "SELECT after_json FROM audit WHERE action = 'media_forget'"
    (entry,) = await services.db.fetch(query)
    assert json.loads(entry["after_json"]) == {"count": 3, "from": "shell"}


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("127.0.0.1", 1), 200),
        (("::1", 1), 200),
        (("192.0.2.7", 1), 404),  # what a proxy on this machine says of somebody outside
        (("testclient", 1), 404),
        (None, 404),
    ],
)
async def test_only_this_machine_is_answered(
    api: Api, client: tuple[str, int] | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {ensure_secrets(api.data_dir).operator_key}"}
    transport = httpx.ASGITransport(_From(api.app, client))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=headers
    ) as outside:
        answer = await outside.post("/internal/admins", json={"email": "boss@example.org"})
    assert answer.status_code == status
    if status == 404:
        nowhere = (await api.client.post("/internal/nowhere")).json()
        assert answer.json() | {"request_id": None} == nowhere | {"request_id": None}
        assert await role_of(api, "boss@example.org") is None


async def test_a_network_that_the_operator_named_is_answered(api: Api) -> None:
    headers = {"Authorization": f"Bearer {ensure_secrets(api.data_dir).operator_key}"}
    api.services.settings.operator_networks = "172.16.0.0/12, fd00::/8"
    found = {}
    for host in ("172.18.0.7", "fd00::7", "192.168.0.7", "203.0.113.9"):
        transport = httpx.ASGITransport(_From(api.app, (host, 1)))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as there:
            body = {"email": "nobody@example.org"}
            for each in ({}, headers):
                answer = await there.post("/internal/password-resets", json=body, headers=each)
                found[host, bool(each)] = answer.status_code
    assert found == {
        ("172.18.0.7", False): 404, ("172.18.0.7", True): 409,
        ("fd00::7", False): 404, ("fd00::7", True): 409,
        ("192.168.0.7", False): 404, ("192.168.0.7", True): 404,
        ("203.0.113.9", False): 404, ("203.0.113.9", True): 404,
    }  # fmt: skip


class _From:
    """The app, called from an address of the test's choice."""

    def __init__(self, app: Any, client: tuple[str, int] | None) -> None:
        self._app = app
        self._client = client

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "client": self._client}, receive, send)
