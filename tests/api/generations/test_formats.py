"""Results in other formats than asked for are kept, measured as they are shown, and described alike
everywhere."""

import io

import httpx
import pytest
from PIL import Image

from sandbox import chat, videos
from tests.api.generations.test_jobs import finished
from tests.api.harness import Api
from tests.api.media.samples import case, turned_picture
from tests.sandbox_server import Sandbox


@pytest.fixture
def database(postgres_url: str) -> str:
    return postgres_url


IMAGES = {
    "jpeg-mpf/mpo.jpg": ("image/jpeg", 256, 192),
    "other-formats/ok.heic": ("image/jpeg", 256, 192),
    "other-formats/ok.avif": ("image/jpeg", 256, 192),
    "other-formats/ok.tiff": ("image/png", 256, 192),
    "other-formats/anim.gif": ("image/gif", 160, 120),
    "big-photos/k41.jpg": ("image/jpeg", 6400, 6400),
    "on its side": ("image/jpeg", 48, 64),
}
VIDEOS = {
    "video-fetch/vp9.webm": (320, 180),
    "video-fetch/ok.mkv": (320, 180),
    "other-formats/anim.gif": (160, 120),
    "video-fetch/freefirst.mp4": (320, 180),
    "video-geometry/rot90.mp4": (180, 320),
    "video-geometry/sar.mp4": (427, 480),
}


async def test_an_image_of_any_format_is_made(
    api: Api, user: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (content_type, width, height) in IMAGES.items():
        data = turned_picture() if name == "on its side" else case(name)
        monkeypatch.setattr(chat, "drawn", lambda *_, data=data, **__: data)
        answer = await user.post("/generate/image", json={"prompt": "a fox"})
        assert answer.status_code == 200, (name, answer.text)
        (made,) = answer.json()["images"]
        assert (made["content_type"], made["width"], made["height"]) == (
            content_type,
            width,
            height,
        ), name
        small = Image.open(io.BytesIO((await api.client.get(made["thumbnail_url"])).content))
        assert small.width / small.height == pytest.approx(width / height, abs=0.02), name
        if name == "other-formats/ok.heic":
            again = await user.post(
                "/generate/image", json={"prompt": "at night", "input_images": [made["id"]]}
            )
            assert again.status_code == 200, again.text


async def test_a_video_of_any_container_is_made(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, (name, size) in enumerate(VIDEOS.items(), start=1):
        data = case(name)
        monkeypatch.setattr(videos, "film", lambda *_, data=data: data)
        done = await finished(
            api, (await user.post("/generate/video", json={"prompt": "waves"})).json()
        )
        assert done["status"] == "completed", (name, done)
        video = done["video"]
        assert (video["content_type"], video["width"], video["height"]) == ("video/mp4", *size), (
            name
        )
        assert [call["kind"] for call in sandbox.calls()].count("videos.content") == count, (
            "fetched once each"
        )
