"""Pictures in every shape in which answers hold them: good ones beside bad ones, and those given
only as an address."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from api.media.fetcher import ImageFetcher
from api.provider import bodies, pictures
from api.provider.failures import Paid, of_response
from api.provider.openrouter import OpenRouter
from api.provider.pictures import Drawn, Hosted
from api.provider.types import Fetch, ImageAsk, ImageData, ImageResult, ImageRoute, ProviderError
from api.provider.wire import mapping
from api.schemas import Reason
from tests.api.media.test_fetcher import answer, running_site
from tests.api.provider.raw_server import http, raw_server
from tests.rules.source import ROOT

CASES = ROOT / "tests" / "cases"
SHAPES = sorted(
    path for path in (CASES / "image-shapes").glob("*.json") if "hosted" not in path.name
)
READ: dict[str, Callable[[dict[str, object]], Drawn]] = {
    "images": pictures.of_images,
    "chat": pictures.of_chat,
}


def route_of(path: Path) -> str:
    return path.name.split(".")[1]


def drawn(text: str, route: str) -> Drawn:
    return READ[route](mapping(bodies.loaded(text.encode())))


def size_of(image: object) -> tuple[int, int]:
    assert isinstance(image, ImageData)
    opened = Image.open(BytesIO(image.data))
    opened.load()
    assert image.content_type == f"image/{(opened.format or '').lower()}"
    return opened.size


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.name)
def test_the_bytes_are_taken_in_whatever_shape_they_are_there(path: Path) -> None:
    found = drawn(path.read_text(), route_of(path))
    assert [size_of(image) for image in found.found] == [(256, 192)]
    assert found.missing == ()
    assert found.cost_micro == (None if "images_field" in path.name else 40_000)
    assert "base64" not in found.text


def events(*parts: object, last: str = "[DONE]") -> str:
    said = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
    return f": OPENROUTER PROCESSING\n\nevent: message\ndata: ping\n\n{said}data: {last}\n\n"


def test_events_although_none_were_asked_for_are_read_as_one_answer() -> None:
    whole = json.loads((CASES / "image-shapes/mime_upper.chat.json").read_text())
    message = whole["choices"][0]["message"]
    said = events(
        {
            "id": "gen-1",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Here "}}],
        },
        {
            "id": "gen-1",
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "it is", "images": message["images"]},
                    "finish_reason": None,
                }
            ],
        },
        {
            "id": "gen-1",
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
        },
        {"id": "gen-1", "choices": [], "usage": {"cost": 0.04}},
    )
    found = drawn("\ufeff" + said, "chat")
    assert [size_of(image) for image in found.found] == [(256, 192)]
    assert (found.cost_micro, found.provider_id, found.text) == (40_000, "gen-1", "Here it is")


def test_events_of_the_images_call_are_read_without_the_previews() -> None:
    text = json.loads((CASES / "image-shapes/b64_nopad.images.json").read_text())["data"][0][
        "b64_json"
    ]
    said = events(
        {"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0},
        {
            "type": "image_generation.completed",
            "b64_json": text,
            "media_type": "image/png",
            "usage": {"cost": 0.04},
        },
    )
    found = drawn(said, "images")
    assert ([size_of(image) for image in found.found], found.cost_micro) == ([(256, 192)], 40_000)


@pytest.mark.parametrize(
    ("name", "count", "missing", "cost"),
    [
        ("partial_bad", 1, ("no_image",), 80_000),
        ("partial_filtered", 1, ("safety",), 40_000),
        ("partial_corrupt", 2, (), 80_000),  # damaged bytes are found later, when they are kept
    ],
)
def test_a_bad_one_of_several_does_not_cost_the_good_one(
    name: str, count: int, missing: tuple[Reason, ...], cost: int
) -> None:
    found = drawn((CASES / f"partial-images/{name}.images.json").read_text(), "images")
    assert (len(found.found), found.missing, found.cost_micro) == (count, missing, cost)


@pytest.mark.parametrize(
    ("data", "reason", "code"),
    [
        (
            [
                {"b64_json": "!"},
                {"error": {"code": "content_policy_violation", "message": "filtered"}},
            ],
            "safety",
            "content_refused",
        ),
        ([{"b64_json": "!"}, {}], "unusable_image", "provider_unavailable"),
        ([{"b64_json": None}, None, 7], "no_image", "provider_unavailable"),
        ([], "no_image", "provider_unavailable"),
    ],
)
async def test_an_answer_without_a_picture_says_why_and_what_it_cost(
    data: list[object], reason: str, code: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        await asked(json.dumps({"data": data, "usage": {"cost": 0.08}}), "images")
    seen = (caught.value.reason, caught.value.code, caught.value.cost_micro)
    assert seen == (reason, code, 80_000)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        '{"usage": {"cost": 0.08}}',
        '{"data": "x", "usage": {"cost": 0.08}}',
        '{"data": {}, "usage": {"cost": 0.08}}',
    ],
)
async def test_a_bill_is_read_also_where_the_rest_cannot_be(body: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await asked(body, "images")
    assert caught.value.cost_micro == 80_000


async def asked(body: str, route: ImageRoute, fetch: Fetch | None = None) -> ImageResult:
    async with raw_server(http(body)) as raw:
        client = OpenRouter(raw.url, "secret-key", fetch=fetch)
        try:
            return await client.image(ImageAsk("a/b", route, "x"))
        finally:
            await client.close()


@pytest.mark.parametrize(
    "path", sorted((CASES / "image-shapes").glob("hosted*.json")), ids=lambda path: path.name
)
async def test_a_picture_behind_an_address_is_fetched_without_the_key(
    tmp_path: Path, path: Path
) -> None:
    route: ImageRoute = "images" if route_of(path) == "images" else "chat"
    picture = BytesIO()
    Image.new("RGB", (30, 20), "teal").save(picture, "PNG")
    async with running_site(tmp_path) as site:
        site.answer = answer(picture.getvalue())
        body = path.read_text().replace("http://127.0.0.1:39719/hosted/ok.png", site.url())
        result = await asked(body, route, site.fetcher().stream)
        assert [size_of(image) for image in result.images] == [(30, 20)]
        assert b"secret-key" not in site.requests[0]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:39719/ok.png", "https://169.254.169.254/x.png", "https://localhost/x.png"],
)
async def test_an_address_that_leads_nowhere_good_is_not_asked_and_not_paid_again(url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await asked(json.dumps({"data": [{"url": url}]}), "images", ImageFetcher().stream)
    seen = (caught.value.reason, caught.value.retryable, caught.value.made)
    assert seen == ("not_fetched", False, True)


def test_an_address_and_the_bytes_of_a_picture_are_told_apart() -> None:
    found = drawn(
        '{"data": [{"url": "https://cdn.example/a.png"}, {"b64_json": "aGk="}]}', "images"
    )
    assert found.found == (
        Hosted("https://cdn.example/a.png"),
        ImageData("application/octet-stream", b"hi"),
    )


def test_an_error_whose_code_is_a_word_is_understood() -> None:
    body = b'{"error": {"code": "content_policy_violation", "message": "no"}}'
    assert of_response(400, httpx.Headers(), body, Paid.AT_ONCE).reason == "safety"
