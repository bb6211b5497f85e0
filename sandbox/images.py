"""`POST /images`, its lists, and `POST /images/generations` of the sandbox."""

import asyncio
import base64
import re
import time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from starlette.responses import JSONResponse, Response

from sandbox import answers, models
from sandbox.calls import Work, input_image, new_id, usd
from sandbox.faults import Refusal
from sandbox.media import ImageFormat, drawn, nearest_ratio

_PIXELS = re.compile(r"^(\d{2,4})x(\d{2,4})$")
Ratio = Literal[
    "1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:2",
    "5:4", "5:7", "7:5", "8:1",
    "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9", "9:21", "21:9", "auto",
]  # fmt: skip
Resolution = Literal["512", "768", "1K", "1.5K", "2K", "4K"]


class _Url(BaseModel):
    url: str


class _Reference(BaseModel):
    type: Literal["image_url"]
    image_url: _Url


class ImagesRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[StrictInt, Field(ge=1, le=10)] = 1
    resolution: Resolution | None = None
    aspect_ratio: Ratio | None = None
    size: str | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] | None = None
    output_format: Literal["png", "jpeg", "webp", "svg"] | None = None
    output_compression: Annotated[StrictInt, Field(ge=0, le=100)] | None = None
    background: Literal["auto", "transparent", "opaque"] | None = None
    input_references: Annotated[list[_Reference], Field(max_length=16)] = []
    seed: StrictInt | None = None
    stream: bool = False
    provider: dict[str, Any] | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None
    trace: dict[str, Any] | None = None


class GenerationsRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[StrictInt, Field(ge=1, le=10)] = 1
    size: Literal["1024x1024", "1792x1024", "1024x1792"] = "1024x1024"
    quality: Literal["standard", "hd"] = "standard"
    style: Literal["vivid", "natural"] | None = None
    response_format: Literal["b64_json", "url"] = "b64_json"
    user: str | None = None


async def image_models(work: Work) -> Response:
    return JSONResponse(
        {"data": [] if work.hit_by("empty") else [model.listing() for model in models.IMAGE_MODELS]}
    )


async def image_endpoints(work: Work) -> Response:
    model = models.find_image(
        f"{work.request.path_params['author']}/{work.request.path_params['slug']}"
    )
    if model is None:
        raise Refusal(404, "Model not found", {"error_type": "not_found"})
    return JSONResponse(model.endpoints())


async def images(work: Work) -> Response:
    ask = work.parse(ImagesRequest)
    model = models.find_image(ask.model)
    if model is None:
        raise Refusal(400, f"{ask.model} is not a valid model ID")
    _check(ask, model)
    inputs = [
        input_image(item.image_url.url, f"input_references[{number}].image_url.url")
        for number, item in enumerate(ask.input_references)
    ]
    base = next((data for data in inputs if data is not None), None)
    size = _size(ask, model, base)
    form: ImageFormat = (
        "png" if ask.output_format is None or ask.output_format == "svg" else ask.output_format
    )
    data = await _make(
        work,
        ask.model,
        ask.prompt,
        size,
        count=ask.n,
        seed=ask.seed,
        form=form,
        base=base,
        quality=ask.output_compression,
    )
    tokens = answers.tokens(ask.prompt)
    return _result(
        work, ask.model, data, form, tokens, model.cost(len(data), size, tokens, len(inputs))
    )


async def generations(work: Work) -> Response:
    ask = work.parse(GenerationsRequest)
    listed = models.find_image(ask.model)
    if listed is None and ask.model != models.GENERATIONS_MODEL:
        raise Refusal(400, f"{ask.model} is not a valid model ID")
    width, height = (int(side) for side in ask.size.split("x"))
    data = await _make(
        work, ask.model, ask.prompt, (width, height), count=ask.n, seed=None, form="png", base=None
    )
    tokens = answers.tokens(ask.prompt)
    cost = (
        listed.cost(len(data), (width, height), tokens, 0)
        if listed
        else models.GENERATIONS_SIZES[ask.size] * len(data)
    )
    return _result(work, ask.model, data, "png", tokens, cost, as_url=ask.response_format == "url")


def _bad(place: str, value: object) -> Refusal:
    return Refusal(
        400, f"{place}: {value!r} is not supported by this model", {"error_type": "invalid_request"}
    )


def _check(ask: ImagesRequest, model: models.ImageModel) -> None:
    most = model.parameters.get("n", {"max": 1})["max"]
    if ask.n > most:
        raise _bad("n", ask.n)
    for name in ("quality", "output_format", "background"):
        value = getattr(ask, name)
        known = model.parameters.get(name)
        if value is not None and known is not None and value not in known["values"]:
            raise _bad(name, value)
    if len(ask.input_references) > model.parameters.get("input_references", {"max": 0})["max"]:
        raise _bad("input_references", len(ask.input_references))
    if ask.background == "transparent" and ask.output_format == "jpeg":
        raise _bad("background", "transparent")


def _size(ask: ImagesRequest, model: models.ImageModel, base: bytes | None) -> tuple[int, int]:
    """Pixels; what a provider does not have is clamped to the nearest that it has."""
    tier, pixels = ask.resolution, _PIXELS.match(ask.size or "")
    if pixels is not None:
        return _pixel_size(ask, model, int(pixels[1]), int(pixels[2]))
    if ask.size is not None and (ask.size not in models.TIERS or tier not in {None, ask.size}):
        raise _bad("size", ask.size)
    sizes = model.parameters.get("size", {}).get("values")
    ratio = ask.aspect_ratio or nearest_ratio(base, models.CHAT_RATIOS) or "1:1"
    if sizes:
        wanted = _shape(ratio)
        best = min(sizes, key=lambda size: abs(_shape(size.replace("x", ":")) - wanted))
        return int(best.split("x")[0]), int(best.split("x")[1])
    offered = model.parameters["aspect_ratio"]["values"]
    nearest = (
        ratio
        if ratio in offered
        else min(offered, key=lambda known: abs(_shape(known) - _shape(ratio)))
    )
    return models.image_size(
        nearest, tier or (ask.size if ask.size in models.TIERS else None) or "1K"
    )


def _pixel_size(
    ask: ImagesRequest, model: models.ImageModel, width: int, height: int
) -> tuple[int, int]:
    sizes = model.parameters.get("size", {}).get("values")
    if (sizes and ask.size not in sizes) or not (256 <= width <= 4096 and 256 <= height <= 4096):
        raise _bad("size", ask.size)
    if ask.resolution is not None or (
        ask.aspect_ratio is not None and abs(_shape(ask.aspect_ratio) - width / height) > 0.03
    ):
        raise Refusal(
            400,
            "size: disagrees with resolution or aspect_ratio",
            {"error_type": "invalid_request"},
        )
    return width, height


def _shape(ratio: str) -> float:
    if ratio == "auto":
        return 1.0
    wide, high = ratio.split(":")
    return float(wide) / float(high)


async def _make(
    work: Work,
    model: str,
    prompt: str,
    size: tuple[int, int],
    *,
    count: int,
    seed: int | None,
    form: ImageFormat,
    base: bytes | None,
    quality: int | None = None,
) -> list[bytes]:
    def one(number: int) -> bytes:
        return drawn(
            prompt,
            size,
            form,
            seed=seed,
            number=number,
            note=model,
            base=base,
            quality=90 if quality is None else quality,
        )

    pause = asyncio.create_task(asyncio.sleep(work.studio.faults.timing.image))
    made = await asyncio.gather(*(work.studio.draw(one, number) for number in range(count)))
    await pause
    return made


def _result(
    work: Work,
    model: str,
    data: list[bytes],
    form: ImageFormat,
    tokens: int,
    cost: Decimal,
    *,
    as_url: bool = False,
) -> Response:
    if work.hit_by("empty"):
        return JSONResponse({"created": int(time.time()), "data": []})
    work.call.cost_usd = usd(cost)
    generation_id = new_id()
    work.studio.remember(
        generation_id,
        {"model": model, "api_type": "image", "usage": usd(cost), "total_cost": usd(cost)},
    )
    encoded = [base64.b64encode(item).decode() for item in data]
    items = [
        {"url": f"data:image/{form};base64,{text}"}
        if as_url
        else {"b64_json": text, "media_type": f"image/{form}"}
        for text in encoded
    ]
    usage = {
        "prompt_tokens": tokens,
        "completion_tokens": 0,
        "total_tokens": tokens,
        "cost": usd(cost),
        "is_byok": False,
    }
    return JSONResponse(
        {"created": int(time.time()), "data": items, "usage": usage},
        headers={"X-Generation-Id": generation_id},
    )
