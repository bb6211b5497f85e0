"""A member's preferences: stored, checked, used when no model is named, and skipped while the model
is not available."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.auth.account_services import one_engine
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

KLEIN = "black-forest-labs/flux.2-klein-4b"
SEEDREAM = "bytedance-seed/seedream-4.5"
MINI = "openai/gpt-5-mini"


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, **settings_of(database)) as running:
        yield running


async def prefers(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.put("/users/me/preferences", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (await client.get("/users/me/preferences")).json() == found
    return found


async def estimated(client: httpx.AsyncClient, kind: str = "image") -> Any:
    return (await client.post("/generate/estimate", json={"kind": kind, "prompt": "x"})).json()[
        "model"
    ]


async def test_a_preferred_model_is_used_until_it_cannot_be(api: Api) -> None:
    admin, ana, ben = await api.admin(), await api.user("ana"), await api.user("ben")
    usual = await estimated(ana)
    other = SEEDREAM if usual == KLEIN else KLEIN
    assert (await prefers(ana, image_model=other))["image_model"] == other
    assert await estimated(ana) == other
    assert await estimated(ben) == usual
    async with await api.acting(ana) as acting:
        made = (await acting.post("/generate/image", json={"prompt": "a fox"})).json()
    assert made["model"] == other
    named = (await ana.post("/generate/image", json={"prompt": "a fox", "model": usual})).json()
    assert named["model"] == usual

    assert (await admin.put(f"/admin/models/{other}", json={"enabled": False})).status_code == 200
    assert await estimated(ana) == usual
    assert (await ana.get("/users/me/preferences")).json()["image_model"] is None
    answer = await admin.put(f"/admin/models/{other}", json={"enabled": True, "roles": ["admin"]})
    assert answer.status_code == 200
    assert await estimated(ana) == usual
    assert (await admin.put(f"/admin/models/{other}", json={"roles": None})).status_code == 200
    assert await estimated(ana) == other  # the preference counts again once the model is back
    assert (await prefers(ana, image_model=None))["image_model"] is None
    assert await estimated(ana) == usual

    text = await prefers(ben, text_model="gpt 5 mini")
    assert text["text_model"] == MINI  # found by its words, kept by its id
    assert (await ben.post("/generate/text", json={"prompt": "hello"})).json()["model"] == MINI


async def test_preferences_that_are_not_given_stay_also_when_two_change_at_once(api: Api) -> None:
    ana = await api.user()
    assert await prefers(ana) == {
        "text_model": None,
        "text_system": None,
        "image_model": None,
        "video_model": None,
        "transcription_model": None,
        "speech_model": None,
        "image_options": {},
        "video_options": {},
        "web_search": False,
        "effort": None,
        "spoiler": False,
        "voice": None,
        "voice_answers": False,
        "time_zone": None,
        "digest": None,
    }
    await prefers(ana, time_zone="Europe/Berlin")
    bodies = (
        {"spoiler": True},
        {"image_options": {"n": 2, "aspect_ratio": "16:9"}},
        {"video_options": {"generate_audio": False}},
    )
    answers = await asyncio.gather(
        *(ana.put("/users/me/preferences", json=body) for body in bodies)
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    found = (await ana.get("/users/me/preferences")).json()
    assert (found["spoiler"], found["time_zone"]) == (True, "Europe/Berlin")
    assert found["image_options"] == {"n": 2, "aspect_ratio": "16:9"}
    assert found["video_options"] == {"generate_audio": False}


@one_engine
async def test_impossible_preferences_are_refused(api: Api) -> None:
    ana = await api.user()
    for body, field in (
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "Europe"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"image_options": {"n" * 50: 1}}, "image_options"),
        ({"image_options": {f"a{'b' * number}": 1 for number in range(21)}}, "image_options"),
        ({"colour": "red"}, "colour"),
    ):
        answer = await ana.put("/users/me/preferences", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["fields"][0]["field"].startswith(field)
    unknown = await ana.put("/users/me/preferences", json={"video_model": KLEIN})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "model_unavailable")
