"""The provider's own SDK reads the sandbox's answers, and its models accept, strictly, every body
that our client sends."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openrouter import OpenRouter as Sdk
from openrouter import components
from pydantic import BaseModel

from api.provider.openrouter import OpenRouter
from api.provider.types import (
    FileInput,
    ImageAsk,
    ImageInput,
    SpeechAsk,
    TextAsk,
    TextMessage,
    TranscriptionAsk,
    VideoAsk,
)
from api.provider.wire import image_body, speech_body, text_body, transcription_body, video_body
from api.text.choices import SEARCH
from tests.api.media.samples import case, picture
from tests.sandbox_server import Sandbox

PIXEL = ImageInput("image/png", b"png")
REPORT = FileInput("report.pdf", case("documents/report.pdf"), 100)
TEXTS = [
    TextAsk("openai/gpt-5-mini", (TextMessage("user", "tea"),)),
    TextAsk(
        "openai/gpt-5-mini",
        (
            TextMessage("system", "Be brief."),
            TextMessage("user", "What is it?", (PIXEL, PIXEL)),
            TextMessage("assistant", "Tea."),
        ),
        max_tokens=100,
        user="u",
    ),
    TextAsk(
        "openai/gpt-5-mini",
        (TextMessage("user", "How many ships?", (PIXEL,), (REPORT,)),),
        pdf_engine="cloudflare-ai",
        effort="off",
        web=SEARCH,
        fallbacks=("anthropic/claude-haiku-4.5",),
        session="a-conversation",
    ),
]
CHAT_IMAGES = [
    ImageAsk("black-forest-labs/flux.2-klein-4b", "chat", "a fox"),
    ImageAsk(
        "a/b",
        "chat",
        "a fox",
        size="1024x1024",
        image_size="2K",
        seed=7,
        inputs=(PIXEL,),
        modalities=("image", "text"),
        user="u",
    ),
]
IMAGES = [
    ImageAsk("openai/gpt-image-2", "images", "a fox"),
    ImageAsk(
        "a/b",
        "images",
        "a fox",
        n=2,
        aspect_ratio="16:9",
        image_size="2K",
        seed=7,
        inputs=(PIXEL,),
        user="u",
    ),
    ImageAsk("a/b", "images", "a fox", size="1024x1024"),
]
VIDEOS = [
    VideoAsk("google/veo-3.1-lite", "waves"),
    VideoAsk(
        "a/b",
        "waves",
        duration=4,
        resolution="720p",
        aspect_ratio="16:9",
        generate_audio=True,
        seed=7,
        first_frame=PIXEL,
        last_frame=PIXEL,
        callback_url="https://studio.example/webhooks/openrouter/x",
        user="u",
    ),
]
TRANSCRIPTIONS = [
    TranscriptionAsk("a/b", b"sound", "ogg"),
    TranscriptionAsk("a/b", b"sound", "wav", language="de", user="u"),
]
SPEECHES = [SpeechAsk("a/b", "Hello", "alloy"), SpeechAsk("a/b", "Hello", "alloy", user="u")]
BODIES: list[tuple[type[BaseModel], dict[str, Any]]] = [
    *((components.ChatRequest, text_body(ask)) for ask in TEXTS),
    *((components.ChatRequest, image_body(ask)) for ask in CHAT_IMAGES),
    *((components.ImageGenerationRequest, image_body(ask)) for ask in IMAGES),
    *((components.VideoGenerationRequest, video_body(ask)) for ask in VIDEOS),
    *((components.STTRequest, transcription_body(ask)) for ask in TRANSCRIPTIONS),
    *((components.SpeechRequest, speech_body(ask, "pcm")) for ask in SPEECHES),
]


def understood(kind: type[BaseModel], body: dict[str, Any]) -> None:
    """Check that the SDK reads the body with strict types and loses no field: it drops those it
    does not know."""
    read = kind.model_validate_json(json.dumps(body), strict=True)
    told = json.loads(read.model_dump_json(by_alias=True, exclude_unset=True))
    assert told == body


@pytest.mark.parametrize(("kind", "body"), BODIES)
def test_every_body_is_one_of_the_sdks(kind: type[BaseModel], body: dict[str, Any]) -> None:
    understood(kind, body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (components.VideoGenerationRequest, {"model": "a/b", "prompt": "x", "duration_seconds": 4}),
        (components.VideoGenerationRequest, {"model": "a/b", "prompt": "x", "duration": "4"}),
        (components.ImageGenerationRequest, {"model": "a/b", "prompt": "x", "image_size": "2K"}),
        (components.ImageGenerationRequest, {"model": "a/b"}),
        (
            components.ChatRequest,
            {"model": "a/b", "messages": [{"role": "user", "content": "x"}], "prompt": "x"},
        ),
    ],
)
def test_an_unknown_field_of_the_provider_is_noticed(
    kind: type[BaseModel], body: dict[str, Any]
) -> None:
    with pytest.raises((AssertionError, ValueError)):
        understood(kind, body)


@pytest.fixture
async def sdk(sandbox: Sandbox) -> AsyncIterator[Sdk]:
    async with Sdk(api_key="test-key", server_url=sandbox.url) as client:
        yield client


async def test_text(sdk: Sdk) -> None:
    messages: list[Any] = [{"role": "user", "content": "tea"}]
    whole = await sdk.chat.send_async(model="openai/gpt-5-mini", messages=messages)
    assert isinstance(whole, components.ChatResult)
    assert whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.cost
    streamed = await sdk.chat.send_async(model="openai/gpt-5-mini", messages=messages, stream=True)
    async with streamed as events:
        chunks = [chunk async for chunk in events]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None


async def test_a_file(sdk: Sdk) -> None:
    file = {"filename": REPORT.name, "file_data": REPORT.data_url()}
    content = [{"type": "text", "text": "How many?"}, {"type": "file", "file": file}]
    messages: list[Any] = [{"role": "user", "content": content}]
    sent: dict[str, Any] = {"model": "openai/gpt-5-mini", "messages": messages}
    plugins: Any = [{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}]
    free = await sdk.chat.send_async(**sent, plugins=plugins)
    # nobody named an engine, so it is the dear one
    dear = await sdk.chat.send_async(**sent)
    assert isinstance(free, components.ChatResult)
    assert isinstance(dear, components.ChatResult)
    assert "report.pdf" in str(free.choices[0].message.content)
    assert free.usage is not None
    assert dear.usage is not None
    assert isinstance(free.usage.cost, float)
    assert isinstance(dear.usage.cost, float)
    assert dear.usage.cost - free.usage.cost == pytest.approx(0.006, abs=0.0005)


async def test_a_search_and_thinking(sdk: Sdk) -> None:
    tools: Any = [{"type": "openrouter:web_search", "parameters": {"engine": "exa", "max_uses": 1}}]
    messages: list[Any] = [{"role": "user", "content": "What is new?"}]
    sent: dict[str, Any] = {"model": "openai/gpt-5-mini", "messages": messages, "tools": tools}
    whole = await sdk.chat.send_async(**sent, reasoning={"effort": "low"})
    assert isinstance(whole, components.ChatResult)
    assert whole.choices[0].message.reasoning
    assert whole.choices[0].message.reasoning_details
    assert whole.usage is not None
    used = whole.usage.server_tool_use_details
    assert isinstance(used, components.ServerToolUseDetails)
    assert used.web_search_requests == 1
    models = await sdk.models.list_async()
    assert models is not None
    assert any(isinstance(each.reasoning, components.ModelReasoning) for each in models.result.data)


async def test_images(sdk: Sdk) -> None:
    made = await sdk.images.generate_async(model="openai/gpt-image-2", prompt="a fox")
    assert isinstance(made, components.ImageGenerationResponse)
    assert made.data[0].b64_json
    listed = await sdk.images.list_models_async()
    author, _, slug = listed.data[0].id.partition("/")
    endpoints = await sdk.images.list_model_endpoints_async(author=author, slug=slug)
    assert endpoints.endpoints


async def test_videos(sdk: Sdk, sandbox: Sandbox) -> None:
    assert (await sdk.video_generation.list_videos_models_async()).data
    sandbox.break_with(video=0.0)
    job = await sdk.video_generation.generate_async(
        model="google/veo-3.1-lite", prompt="waves", duration=4
    )
    while job.status not in {"completed", "failed"}:
        job = await sdk.video_generation.get_generation_async(job_id=job.id)
    assert job.status == "completed"
    content = await sdk.video_generation.get_video_content_async(job_id=job.id)
    assert b"ftyp" in await content.aread()


# the warning is about a field that the key's answer always has
@pytest.mark.filterwarnings("ignore:.*DEPRECATED.*:DeprecationWarning")
async def test_lists_and_the_key(sdk: Sdk) -> None:
    listed = await sdk.models.list_async(output_modalities="all")
    assert listed is not None
    assert (await sdk.api_keys.get_current_key_metadata_async()).data.label


async def test_the_cost_of_a_generation_can_be_looked_up(sdk: Sdk, provider: OpenRouter) -> None:
    made = await provider.image(
        ImageAsk(
            "openai/gpt-5-image-mini", "chat", "a fox", modalities=("image", "text"), user="ana"
        )
    )
    assert made.provider_id is not None
    told = (await sdk.generations.get_generation_async(id=made.provider_id)).data
    assert round(told.total_cost * 1_000_000) == made.cost_micro


async def test_our_client_sends_what_was_checked_above(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    """The bodies on the wire are compared, for each kind of call."""
    seen = ImageInput("image/png", picture())
    async for _ in provider.text(
        TextAsk(
            "openai/gpt-5-mini", (TextMessage("user", "tea", (seen,)),), max_tokens=50, user="u"
        )
    ):
        pass
    await provider.image(
        ImageAsk("openai/gpt-5-image-mini", "chat", "a fox", modalities=("image", "text"))
    )
    await provider.image(ImageAsk("openai/gpt-image-2", "images", "a fox"))
    await provider.start_video(
        VideoAsk("google/veo-3.1-lite", "waves", duration=4, first_frame=seen)
    )
    sent: dict[str, type[BaseModel]] = {
        "chat": components.ChatRequest,
        "images": components.ImageGenerationRequest,
        "videos.submit": components.VideoGenerationRequest,
    }
    for name, kind in sent.items():
        calls = sandbox.calls(name)
        assert calls
        for call in calls:
            read = kind.model_validate_json(json.dumps(call["body"]), strict=True)
            found = set(json.loads(read.model_dump_json(by_alias=True, exclude_unset=True)))
            assert found == set(call["body"])
