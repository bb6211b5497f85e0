"""The live lists read as models: kinds, image routes, capabilities, prices."""

from decimal import Decimal

import pytest

from api.provider import model_lists
from api.provider.openrouter import OpenRouter
from api.provider.schemas import PriceItem
from api.provider.types import ModelInfo, ProviderError
from api.provider.wire import Unreadable
from sandbox.faults import CallKind, Fault
from sandbox.models import MODELS
from tests.sandbox_server import Sandbox


async def _models(provider: OpenRouter) -> dict[tuple[str, str], ModelInfo]:
    found = await provider.models()
    by_key: dict[tuple[str, str], ModelInfo] = {(model.kind, model.id): model for model in found}
    assert len(by_key) == len(found)
    return by_key


async def test_the_route_comes_from_the_lists(provider: OpenRouter) -> None:
    models = await _models(provider)
    images = {
        model.id: (model.route, model.modalities)
        for (kind, _), model in models.items()
        if kind == "image"
    }
    assert images == {
        "black-forest-labs/flux.2-klein-4b": ("chat", ("image",)),
        "openai/gpt-5-image-mini": ("chat", ("image", "text")),
        "bytedance-seed/seedream-4.5": ("images", ("image",)),
        "openai/gpt-image-2": ("images", ("image",)),
        "black-forest-labs/flux.2-pro": ("images", ("image",)),
        "google/gemini-3.1-flash-image": ("images", ("image",)),
    }
    assert ("text", "openai/gpt-5-image-mini") in models
    assert all(model.route is None for (kind, _), model in models.items() if kind != "image")


async def test_capabilities_and_prices(provider: OpenRouter) -> None:
    models = await _models(provider)
    text = models["text", "google/gemini-2.5-flash"]
    seen = (text.capabilities.context_length, text.capabilities.max_output_tokens)
    assert seen == (1_048_576, 65_535)
    assert text.capabilities.max_input_images > 0
    assert PriceItem(billable="completion", unit="token", usd=Decimal("0.0000025")) in (
        text.price or ()
    )
    assert (
        models["text", "meta-llama/llama-3.3-70b-instruct:free"].capabilities.max_input_images == 0
    )
    seedream = models["image", "bytedance-seed/seedream-4.5"].capabilities
    found = (seedream.max_n, seedream.max_input_images, seedream.image_sizes, seedream.seed)
    assert found == (6, 10, ("1K", "2K", "4K"), True)
    gpt = models["image", "openai/gpt-image-2"]
    shown = (gpt.capabilities.aspect_ratios, gpt.capabilities.seed, gpt.capabilities.max_n)
    assert shown == ((), False, 10)
    assert PriceItem(billable="output_image", unit="image", usd=Decimal("0.05")) in (
        gpt.price or ()
    )
    flux = models["image", "black-forest-labs/flux.2-klein-4b"]
    assert "16:9" in flux.capabilities.aspect_ratios
    assert PriceItem(billable="image_output", unit="image", usd=Decimal("0.014")) in (
        flux.price or ()
    )
    veo = models["video", "google/veo-3.1-lite"]
    assert veo.capabilities.durations == (4, 6, 8)
    assert veo.capabilities.frame_images == ("first_frame", "last_frame")
    assert PriceItem(
        billable="duration_seconds_with_audio_720p", unit="sku", usd=Decimal("0.05")
    ) in (veo.price or ())


@pytest.mark.parametrize("call", ["models", "images.models", "videos.models"])
async def test_a_list_that_cannot_be_had_is_an_error(
    provider: OpenRouter, sandbox: Sandbox, call: CallKind
) -> None:
    for kind in ("status", "garbage"):
        sandbox.break_with(Fault.model_validate({"call": call, "kind": kind}))
        with pytest.raises(ProviderError):
            await provider.models()


async def test_a_missing_price_page_costs_only_that_price(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    listed = await provider.models()
    pages = sum(call["path"].endswith("/endpoints") for call in sandbox.calls())
    assert pages == len(MODELS.image_models)
    entry = {"id": "a/b", "name": "B", "supported_parameters": {"n": {"type": "range", "max": 3}}}
    assert model_lists.image_model(entry, None).price is None
    assert model_lists.image_model(entry, None).capabilities.max_n == 3
    assert all(model.price is not None for model in listed)


@pytest.mark.parametrize(
    ("entry", "price"),
    [
        ({"pricing": {"prompt": "-1", "completion": "-1"}}, None),
        ({"pricing": {"prompt": "abc"}}, None),
        ({"pricing": None}, None),
        ({}, None),
        ({"pricing": {"prompt": "0", "completion": 0}}, (Decimal(0), Decimal(0))),
    ],
)
def test_odd_prices(entry: dict[str, object], price: tuple[Decimal, ...] | None) -> None:
    whole = {"id": "a/b", "architecture": {"output_modalities": ["text"]}, **entry}
    (model,) = model_lists.chat_models([whole], frozenset())
    assert (None if model.price is None else tuple(item.usd for item in model.price)) == price


def test_odd_entries_are_left_out_or_read_with_care() -> None:
    assert model_lists.entries({"data": [{"id": 3}, "x", {"id": "a/b"}, {}]}) == [{"id": "a/b"}]
    no_lists: tuple[object, ...] = ({"data": "x"}, [])
    for no_list in no_lists:
        with pytest.raises(Unreadable):
            model_lists.entries(no_list)
    assert model_lists.chat_models([{"id": "a/b", "architecture": None}], frozenset()) == []
    video = model_lists.video_model(
        {"id": "a/b", "supported_durations": None, "pricing_skus": {"cents_per_image_input": "0.2"}}
    )
    assert (video.capabilities.durations, video.name) == ((), "a/b")
    assert video.price == (
        PriceItem(billable="cents_per_image_input", unit="sku", usd=Decimal("0.2")),
    )


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("black-forest-labs/flux.2-klein-4b", "chat"),
        ("openai/GPT-5-Image-Mini", "chat"),
        ("openai/dall-e-3", "generations"),
        ("somebody/else", "generations"),
    ],
)
def test_without_lists_the_route_is_guessed(model: str, route: str) -> None:
    assert OpenRouter("http://127.0.0.1:9/api/v1", "k").guess_route(model) == route


async def test_reachable_proves_the_key(provider: OpenRouter, sandbox: Sandbox) -> None:
    await provider.reachable()
    sandbox.break_with(Fault(call="key", kind="status", status=401))
    with pytest.raises(ProviderError) as caught:
        await provider.reachable()
    assert caught.value.reason == "key_refused"


async def test_the_app_is_named(provider: OpenRouter) -> None:
    headers = provider._client.headers
    assert headers["http-referer"] == "https://studio.example"
    assert headers["x-openrouter-title"] == "All You Can GET AI"
    assert provider.is_sandbox
