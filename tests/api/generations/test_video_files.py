"""Finished videos whose file is no plain MP4: converted, fetched again, or failed at once with the
reason."""

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from api import background
from api.db import DbUnavailable, Sql
from api.errors import StorageFull
from api.generations import transitions
from api.generations.making import steps
from api.generations.states import Phase
from api.generations.store import Generation
from api.media.files import MediaStore
from sandbox.faults import Fault
from tests.api.generations.test_admin import spent_by_all
from tests.api.generations.test_jobs import finished, money
from tests.api.harness import Api
from tests.rules.source import ROOT
from tests.sandbox_server import Sandbox

FILES = ROOT / "tests" / "cases"


@pytest.fixture
def database(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FETCH_FIRST", 0.01)


def instead(data: bytes, *, times: int | None = None, status: int = 200, **headers: str) -> Fault:
    value = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    return Fault(
        call="videos.content",
        kind="instead",
        status=status,
        value=value,
        metadata=headers,
        times=times,
    )


@pytest.mark.parametrize(
    "name", ["video-fetch/ok.mkv", "video-fetch/vp9.webm", "other-formats/anim.gif"]
)
async def test_another_kind_of_file_is_made_into_one_that_plays(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, name: str
) -> None:
    sandbox.break_with(instead((FILES / name).read_bytes()))
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert made["status"] == "completed", made["error"]
    file = await api.client.get(made["video"]["url"])
    with av.open(io.BytesIO(file.content), "r") as container:
        assert next(container.decode(video=0)).width == made["video"]["width"]
    assert len(sandbox.calls("videos.content")) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (instead(bytes(range(256)) * 40), "unusable_video"),
        (instead(b"", status=302, Location="https://169.254.169.254/latest"), "not_fetched"),
        (Fault(call="videos.content", kind="status", status=410), "not_fetched"),
    ],
)
async def test_a_failure_that_no_other_try_can_mend_is_told_at_once(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, fault: Fault, reason: str
) -> None:
    sandbox.break_with(fault)
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    seen = (made["status"], made["error"]["reason"], made["error"]["charged_usd"])
    assert seen == ("failed", reason, "0.000000")
    assert len(sandbox.calls("videos.content")) == 1
    assert (await money(user))[0] == "0.000000"
    assert await spent_by_all(api) == made["cost_usd"] != "0.000000"


async def test_a_file_that_ends_in_the_middle_is_fetched_again(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """A file that begins with an empty box is kept as it is."""
    whole = (FILES / "video-fetch/freefirst.mp4").read_bytes()
    sandbox.break_with(instead(whole[: len(whole) // 2], times=2), instead(whole))
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert made["status"] == "completed", made["error"]
    assert (await api.client.get(made["video"]["url"])).content == whole
    assert len(sandbox.calls("videos.content")) == 3


async def test_a_file_that_always_ends_in_the_middle_says_so(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "FETCH_TRIES_MAX", 3)
    whole = (FILES / "video-fetch/freefirst.mp4").read_bytes()
    sandbox.break_with(instead(whole[: len(whole) // 2]))
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert (made["error"]["reason"], len(sandbox.calls("videos.content"))) == ("cut_short", 3)


async def test_a_database_that_is_away_while_a_video_is_fetched_loses_it_not(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, away = transitions.advance, 2

    async def sometimes(sql: Sql, row: Generation, phase: Phase, **to: Any) -> bool:
        nonlocal away
        if phase == "fetch" and away:
            away -= 1
            raise DbUnavailable("failing over")
        return await advance(sql, row, phase, **to)

    monkeypatch.setattr(transitions, "advance", sometimes)
    monkeypatch.setattr(background, "AGAIN_FIRST", 0.01)
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert (made["status"], away) == ("completed", 0), made["error"]
    assert len(sandbox.calls("videos.content")) == 1


async def test_a_thumbnail_that_cannot_be_kept_costs_no_video(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is stored more slowly than the thumbnail fails."""
    put = MediaStore.put

    async def put_no_thumbnail(self: MediaStore, content: bytes | Path, key: str) -> None:
        if key.endswith(".webp"):
            raise StorageFull("storage_full")
        await asyncio.sleep(0.05)
        await put(self, content, key)

    monkeypatch.setattr(MediaStore, "put", put_no_thumbnail)
    made = await finished(
        api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
    )
    assert made["status"] == "completed", made["error"]
    assert made["video"]["thumbnail_url"] is None
    assert (await api.client.get(made["video"]["url"])).status_code == 200
    assert len(sandbox.calls("videos.content")) == 1
