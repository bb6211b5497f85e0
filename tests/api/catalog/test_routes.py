"""`GET /models` over the sandbox's lists."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox) as running:
        yield running


async def test_models_are_listed_by_kind_in_pages(api: Api) -> None:
    assert (await api.client.get("/models")).status_code == 401
    async with await api.user() as user:
        everything = (await user.get("/models")).json()["items"]
        assert {item["kind"] for item in everything} == {
            "text",
            "image",
            "video",
            "transcription",
            "speech",
        }
        images = (await user.get("/models", params={"kind": "image"})).json()["items"]
        assert images == [item for item in everything if item["kind"] == "image"]
        assert (
            [item["id"] for item in images if item["default"]]
            == [images[0]["id"]]
            == ["black-forest-labs/flux.2-klein-4b"]
        )
        assert images[0]["price"]["summary"] == "about $0.014 an image"
        assert "1:1" in images[0]["capabilities"]["aspect_ratios"]
        seen = await all_pages(user)
        assert seen == everything
        for wrong in ({"kind": "sound"}, {"limit": 0}, {"cursor": "nothing"}):
            assert (await user.get("/models", params=wrong)).status_code == 422


async def all_pages(user: httpx.AsyncClient) -> list[object]:
    seen: list[object] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await user.get("/models", params={"limit": "4", **cursor})).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}
