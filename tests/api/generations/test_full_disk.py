"""With too little disk space nothing is paid for, and the price says so beforehand; people can
still sign in and see their results."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.errors import StorageFull
from api.media.disk_space import FLOOR, DiskSpace
from tests.api.generations.conftest import settings_of
from tests.api.generations.test_jobs import SEEDREAM, finished, money
from tests.api.harness import PASSWORD, Api, running_api
from tests.api.media.samples import picture
from tests.sandbox_server import Sandbox

NEVER = 1_000_000
"""In MB: no disk of these machines has so much left."""
CHEAP_VIDEO = {"prompt": "waves", "model": "kwaivgi/kling-v3.0-std", "duration": 3}


def paid_calls(sandbox: Sandbox) -> int:
    return len([call for call in sandbox.calls() if call["method"] == "POST"])


def user_of(api: Api, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Return a client of the same person for another api."""
    return api.signed(client.headers["authorization"].removeprefix("Bearer "))


async def test_nothing_is_paid_for_below_the_floor(tmp_path: Path, sandbox: Sandbox) -> None:
    async with running_api(tmp_path, sandbox) as api:
        admin, user = await api.admin(), await api.user()
        made = (await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})).json()
        before = paid_calls(sandbox)
    async with running_api(tmp_path, sandbox, disk_floor_mb=NEVER) as api:
        refused: dict[str, Any] = {
            "/generate/image": {"json": {"prompt": "x", "model": SEEDREAM}},
            "/generate/video": {"json": CHEAP_VIDEO},
            "/generate/text": {"json": {"prompt": "x"}},
            "/generate/estimate": {"json": {"kind": "image"}},
            "/uploads": {"files": {"file": ("x.png", picture(), "image/png")}},
        }
        for path, sent in refused.items():
            answer = await user_of(api, user).post(path, **sent)
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full"), path
        assert (paid_calls(sandbox), (await money(user_of(api, user)))[1]) == (before, "0.000000")
        ready = await api.client.get("/readyz")
        disk = ready.json()["checks"]["disk"]
        seen = (ready.status_code, disk["ok"], "below 1000000 MB" in disk["detail"])
        assert seen == (200, False, True)
        answer = await api.client.post(
            "/auth/login", json={"email": "ana@example.org", "password": PASSWORD}
        )
        assert answer.status_code == 200
        again = api.signed(answer.json()["access_token"])
        found = [each["id"] for each in (await again.get("/generations")).json()["items"]]
        assert found == [made["id"]]
        assert (await again.get(made["images"][0]["url"])).status_code == 200
        warnings = (await user_of(api, admin).get("/admin/warnings")).json()["items"]
        assert [
            (each["code"], each["facts"]["floor_mb"])
            for each in warnings
            if "floor_mb" in each["facts"]
        ] == [("storage_full", "1000000")]


async def test_a_job_that_waits_is_not_sent_below_the_floor(
    tmp_path: Path, sandbox: Sandbox, postgres_url: str
) -> None:
    async with running_api(tmp_path, sandbox, worker="off", **settings_of(postgres_url)) as api:
        user = await api.user()
        asked = await user.post(
            "/generate/image",
            json={"prompt": "x", "model": SEEDREAM},
            headers={"Prefer": "respond-async"},
        )
        assert asked.status_code == 202, asked.text
    async with running_api(
        tmp_path, sandbox, disk_floor_mb=NEVER, **settings_of(postgres_url)
    ) as api:
        failed = await finished(api, asked.json())
        assert (failed["status"], failed["error"]["code"]) == ("failed", "storage_full")
        assert await money(user_of(api, user)) == ("0.000000", "0.000000")
        assert paid_calls(sandbox) == 0


async def test_the_floor_is_the_operators_or_fits_the_disk(tmp_path: Path) -> None:
    none, own, chosen = [
        DiskSpace([tmp_path / "not there yet", tmp_path], floor)
        for floor in (0, NEVER * 1_000_000, None)
    ]
    assert (await none.tightest()).floor == 0
    await none.require()
    with pytest.raises(StorageFull):
        await own.require()
    assert 0 < (await chosen.tightest()).floor <= FLOOR
