"""Pictures by all three routes: real files of the asked size, and the cost of each."""

import base64
import json
from collections.abc import Sequence
from io import BytesIO

import httpx
import pytest
from PIL import Image

from api.provider.openrouter import OpenRouter
from api.provider.types import ImageAsk, ImageData, ImageInput, ImageRoute, ProviderError
from api.provider.wire import image_body
from sandbox.faults import Fault
from sandbox.media import drawn
from tests.api.provider.raw_server import http, raw_server
from tests.plain_http import PLAIN
from tests.sandbox_server import Sandbox

FLUX, MINI = "black-forest-labs/flux.2-klein-4b", "openai/gpt-5-image-mini"
SEEDREAM, GPT, DALLE = "bytedance-seed/seedream-4.5", "openai/gpt-image-2", "openai/dall-e-3"


def opened(image: ImageData) -> Image.Image:
    picture = Image.open(BytesIO(image.data))
    picture.load()
    return picture


def input_image(size: tuple[int, int] = (90, 160), colour: str = "red") -> ImageInput:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return ImageInput("image/png", out.getvalue())


@pytest.mark.parametrize(
    ("ask", "size", "cost"),
    [
        (ImageAsk(FLUX, "chat", "a fox"), (1024, 1024), 14_000),
        (
            ImageAsk(FLUX, "chat", "a fox", aspect_ratio="16:9", image_size="2K", seed=4),
            (2688, 1536),
            14_000,
        ),
        (ImageAsk(FLUX, "chat", "a fox", size="832x1248"), (832, 1248), 14_000),
        (
            ImageAsk(SEEDREAM, "images", "a fox", aspect_ratio="9:16", image_size="1K", seed=1),
            (768, 1344),
            40_000,
        ),
        (ImageAsk(SEEDREAM, "images", "a fox", size="800x600"), (800, 600), 40_000),
        (ImageAsk(GPT, "images", "a fox", size="1536x1024"), (1536, 1024), 50_010),
        (ImageAsk(DALLE, "generations", "a fox"), (1024, 1024), 40_000),
        (ImageAsk(DALLE, "generations", "a fox", size="1792x1024"), (1792, 1024), 80_000),
        (ImageAsk(DALLE, "generations", "a fox", aspect_ratio="9:16"), (1024, 1792), 80_000),
    ],
)
async def test_a_picture_has_the_asked_size_and_the_listed_price(
    provider: OpenRouter, ask: ImageAsk, size: tuple[int, int], cost: int
) -> None:
    result = await provider.image(ask)
    picture = opened(result.images[0])
    seen = (picture.format, picture.size, result.images[0].content_type)
    assert seen == ("PNG", size, "image/png")
    assert result.cost_micro == cost
    assert result.provider_id


async def test_a_chat_model_draws_with_its_own_modalities(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    result = await provider.image(
        ImageAsk(MINI, "chat", "a fox", modalities=("image", "text"), user="u")
    )
    assert "a fox" in result.text
    body = sandbox.calls("chat")[0]["body"]
    assert (body["modalities"], body["user"]) == (["image", "text"], "u")
    with pytest.raises(ProviderError) as caught:
        await provider.image(ImageAsk(FLUX, "chat", "a fox", modalities=("image", "text")))
    assert (caught.value.code, caught.value.status) == ("model_unavailable", 404)


@pytest.mark.parametrize(
    ("model", "route", "calls"),
    [(FLUX, "chat", 3), (SEEDREAM, "images", 1), (DALLE, "generations", 1)],
)
async def test_several_pictures_differ(
    provider: OpenRouter, sandbox: Sandbox, model: str, route: ImageRoute, calls: int
) -> None:
    result = await provider.image(
        ImageAsk(model, route, "a fox", n=3, seed=7 if route == "chat" else None)
    )
    assert len({image.data for image in result.images}) == 3
    found = len(
        [
            call
            for call in sandbox.calls()
            if call["method"] == "POST" and call["path"] != "/_sandbox/reset"
        ]
    )
    assert found == calls
    assert result.cost_micro == 3 * {"chat": 14_000, "images": 40_000, "generations": 40_000}[route]


async def test_of_several_chat_calls_those_that_worked_count(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=502, times=1))
    result = await provider.image(ImageAsk(FLUX, "chat", "a fox", n=3))
    assert (len(result.images), result.cost_micro) == (2, 28_000)


async def test_an_unclear_failure_goes_before_the_other_failed_chat_calls(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(
        Fault(call="chat", kind="lost", times=1), Fault(call="chat", kind="status", status=402)
    )
    with pytest.raises(ProviderError) as caught:
        await provider.image(ImageAsk(FLUX, "chat", "a fox", n=3))
    assert caught.value.outcome == "unknown"


async def test_prompt_and_seed_decide_the_picture(provider: OpenRouter) -> None:
    async def data(prompt: str, seed: int) -> bytes:
        return (await provider.image(ImageAsk(FLUX, "chat", prompt, seed=seed))).images[0].data

    first = await data("a fox", 1)
    drawn.cache_clear()
    assert first == await data("a fox", 1)
    assert first != await data("a fox", 2)
    assert first != await data("a cat", 1)


@pytest.mark.parametrize(("model", "route"), [(FLUX, "chat"), (SEEDREAM, "images")])
async def test_an_edit_starts_from_its_input_and_keeps_its_shape(
    provider: OpenRouter, model: str, route: ImageRoute
) -> None:
    ask = ImageAsk(model, route, "make it warm", inputs=(input_image(colour="red"),))
    red, blue = [
        opened((await provider.image(each)).images[0])
        for each in (ask, ImageAsk(model, route, ask.prompt, inputs=(input_image(colour="blue"),)))
    ]
    assert red.height > red.width
    assert red.convert("RGB").getpixel((100, 400)) != blue.convert("RGB").getpixel((100, 400))


@pytest.mark.parametrize(("form", "name"), [("webp", "WEBP"), ("jpeg", "JPEG"), ("png", "PNG")])
async def test_formats_of_the_images_call(sandbox: Sandbox, form: str, name: str) -> None:
    body = {"model": GPT, "prompt": "a fox", "output_format": form}
    async with httpx.AsyncClient(verify=PLAIN) as client:
        answer = await client.post(
            f"{sandbox.url}/images", json=body, headers={"Authorization": "Bearer k"}
        )
    item = answer.json()["data"][0]
    assert Image.open(BytesIO(base64.b64decode(item["b64_json"]))).format == name
    assert item["media_type"] == f"image/{form}"


ROUTES: Sequence[tuple[str, ImageAsk]] = (
    ("chat", ImageAsk(FLUX, "chat", "a fox")),
    ("images", ImageAsk(SEEDREAM, "images", "a fox", size="256x256")),
    ("generations", ImageAsk(DALLE, "generations", "a fox")),
)


@pytest.mark.parametrize(("call", "ask"), ROUTES)
@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        ("lost", "unknown", "connection_lost"),
        ("cut", "unknown", "connection_lost"),
        ("garbage", "unknown", "unreadable_answer"),
        ("error_in_200", "refused", "provider_failed"),
        ("empty", "refused", "no_image"),
    ],
)
async def test_a_broken_answer_says_what_it_proves(
    provider: OpenRouter,
    sandbox: Sandbox,
    call: str,
    ask: ImageAsk,
    kind: str,
    outcome: str,
    reason: str,
) -> None:
    sandbox.break_with(Fault.model_validate({"call": call, "kind": kind}))
    with pytest.raises(ProviderError) as caught:
        await provider.image(ask)
    seen = (caught.value.code, caught.value.outcome, caught.value.reason)
    assert seen == ("provider_unavailable", outcome, reason)


async def _answered(body: str, route: ImageRoute) -> ImageData:
    async with raw_server(http(body)) as raw:
        client = OpenRouter(raw.url, "k")
        try:
            return (await client.image(ImageAsk("a/b", route, "x"))).images[0]
        finally:
            await client.close()


async def test_a_data_url_is_taken() -> None:
    text = base64.b64encode(input_image().data).decode()
    for body in (
        f'{{"data":[{{"url":"data:image/png;base64,{text}"}}]}}',
        f'{{"data":[{{"b64_json":"{text}"}}]}}',
    ):
        assert await _answered(body, "generations") == ImageData("image/png", input_image().data)


async def test_words_instead_of_a_picture_are_passed_on() -> None:
    with pytest.raises(ProviderError) as caught:
        await _answered(
            '{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"I may '
            'not draw that."}}]}',
            "chat",
        )
    assert (caught.value.code, caught.value.reason) == ("content_refused", "words_only")
    assert caught.value.said == "I may not draw that."


@pytest.mark.parametrize(
    "choice",
    [
        {
            "finish_reason": "stop",
            "native_finish_reason": "IMAGE_SAFETY",
            "message": {"role": "assistant", "content": ""},
        },
        {
            "finish_reason": "error",
            "native_finish_reason": "PROHIBITED_CONTENT",
            "message": {"content": None},
            "error": {"code": 502},
        },
        {"finish_reason": "content_filter", "message": {"role": "assistant", "content": "Sorry."}},
        {
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": None, "refusal": "I can't."},
        },
    ],
)
async def test_a_safety_refusal_in_whatever_field_is_one_and_is_not_asked_again(
    choice: dict[str, object],
) -> None:
    with pytest.raises(ProviderError) as caught:
        await _answered(json.dumps({"choices": [choice], "usage": {"cost": 0.01}}), "chat")
    seen = (caught.value.reason, caught.value.retryable, caught.value.cost_micro)
    assert seen == ("safety", False, 10_000)


@pytest.mark.parametrize("route", ["images", "chat", "generations"])
def test_a_negative_prompt_is_sent_in_words_and_the_quality_in_the_routes_field(
    route: ImageRoute,
) -> None:
    body = image_body(
        ImageAsk(model="m", route=route, prompt="a fox", quality="high", avoid="dogs, text")
    )
    assert json.dumps("a fox\n\nDo not show any of this: dogs, text") in json.dumps(body)
    wanted = {
        "images": body.get("quality"),
        "chat": (body.get("image_config") or {}).get("quality"),
        "generations": "high",
    }
    assert wanted[route] == "high"
    assert "negative_prompt" not in json.dumps(body)
