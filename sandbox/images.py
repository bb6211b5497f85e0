"""`POST /images` with its lists, and `POST /images/generations`."""

import asyncio
import base64
import re
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from starlette.responses import JSONResponse, Response

from sandbox import answers
from sandbox.calls import ImageUrl, IncomingCall, input_image
from sandbox.faults import ErrorAnswer, invalid
from sandbox.media import ImageFormat, drawn, nearest_ratio
from sandbox.models import MODELS, ImageModel
from sandbox.prices import image_cost
from sandbox.simulation import new_id, usd
from sandbox.sizes import CHAT_RATIOS, TIERS, image_size, shape

_PIXELS = re.compile(r"^(\d{2,4})x(\d{2,4})$")
Ratio = Literal[
    "1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:2",
    "5:4", "5:7", "7:5", "8:1", "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9", "9:21", "21:9",
    "auto",
]  # fmt: skip
Resolution = Literal["512", "768", "1K", "1.5K", "2K", "4K"]


class ReferenceImage(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl


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
    input_references: Annotated[list[ReferenceImage], Field(max_length=16)] = []
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


async def image_models(call: IncomingCall) -> Response:
    rows = [] if call.hit_by("empty") else MODELS.image_models
    return JSONResponse({"data": [row.listing() for row in rows]})


async def image_endpoints(call: IncomingCall) -> Response:
    path = call.request.path_params
    found = MODELS.endpoints(f"{path['author']}/{path['slug']}")
    if found is None:
        raise ErrorAnswer(404, "Model not found", {"error_type": "not_found"})
    return JSONResponse(found.listing())


async def images(call: IncomingCall) -> Response:
    ask = call.parse(ImagesRequest)
    model = MODELS.image(ask.model)
    if model is None:
        raise ErrorAnswer(400, f"{ask.model} is not a valid model ID")
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
    quality = 90 if ask.output_compression is None else ask.output_compression
    draw = partial(
        drawn, ask.prompt, size, form, seed=ask.seed, note=ask.model, base=base, quality=quality
    )
    made = await _make(call, draw, ask.n)
    return _result(call, ask, made, form, _listed_cost(ask, size, len(inputs)))


async def generations(call: IncomingCall) -> Response:
    ask = call.parse(GenerationsRequest)
    unlisted = MODELS.unlisted_images.get(ask.model)
    if unlisted is None and MODELS.image(ask.model) is None:
        raise ErrorAnswer(400, f"{ask.model} is not a valid model ID")
    width, height = (int(side) for side in ask.size.split("x"))
    draw = partial(drawn, ask.prompt, (width, height), "png", seed=None, note=ask.model)
    made = await _make(call, draw, ask.n)
    cost = (
        _listed_cost(ask, (width, height), 0)
        if unlisted is None
        else Decimal(unlisted[ask.size]) * ask.n
    )
    return _result(call, ask, made, "png", cost, as_url=ask.response_format == "url")


def _listed_cost(
    ask: ImagesRequest | GenerationsRequest, size: tuple[int, int], inputs: int
) -> Decimal:
    found = MODELS.endpoints(ask.model)
    assert found is not None
    return image_cost(found.endpoints[0], ask.n, size, answers.tokens(ask.prompt), inputs)


def _unsupported(place: str, value: object) -> ErrorAnswer:
    return invalid(f"{place}: {value!r} is not supported by this model")


def _check(ask: ImagesRequest, model: ImageModel) -> None:
    if ask.n > model.most("n", 1):
        raise _unsupported("n", ask.n)
    for name in ("quality", "output_format", "background"):
        value, known = getattr(ask, name), model.choices(name)
        if value is not None and known is not None and value not in known:
            raise _unsupported(name, value)
    if len(ask.input_references) > model.most("input_references", 0):
        raise _unsupported("input_references", len(ask.input_references))
    if ask.background == "transparent" and ask.output_format == "jpeg":
        raise _unsupported("background", "transparent")


def _size(ask: ImagesRequest, model: ImageModel, base: bytes | None) -> tuple[int, int]:
    """Return the pixels. A shape or size that the model lacks becomes its nearest one."""
    tier, pixels = ask.resolution, _PIXELS.match(ask.size or "")
    if pixels is not None:
        return _pixel_size(ask, model, int(pixels[1]), int(pixels[2]))
    if ask.size is not None and (ask.size not in TIERS or tier not in {None, ask.size}):
        raise _unsupported("size", ask.size)
    wanted = shape(ask.aspect_ratio or nearest_ratio(base, CHAT_RATIOS) or "1:1")

    def nearest(offered: list[str]) -> str:
        return min(offered, key=lambda one: abs(shape(one.replace("x", ":")) - wanted))

    sizes = model.choices("size")
    if sizes:
        wide, high = nearest(sizes).split("x")
        return int(wide), int(high)
    return image_size(nearest(model.choices("aspect_ratio") or ["1:1"]), tier or ask.size or "1K")


def _pixel_size(ask: ImagesRequest, model: ImageModel, width: int, height: int) -> tuple[int, int]:
    sizes = model.choices("size")
    if (sizes and ask.size not in sizes) or not (256 <= width <= 4096 and 256 <= height <= 4096):
        raise _unsupported("size", ask.size)
    if ask.resolution is not None or (
        ask.aspect_ratio is not None and abs(shape(ask.aspect_ratio) - width / height) > 0.03
    ):
        raise invalid("size: disagrees with resolution or aspect_ratio")
    return width, height


async def _make(call: IncomingCall, draw: Callable[..., bytes], count: int) -> list[bytes]:
    pause = asyncio.create_task(asyncio.sleep(call.simulation.behaviour.timing.image))
    made = await asyncio.gather(
        *(call.simulation.draw(draw, number=number) for number in range(count))
    )
    await pause
    return made


def _result(
    call: IncomingCall,
    ask: ImagesRequest | GenerationsRequest,
    made: list[bytes],
    form: ImageFormat,
    cost: Decimal,
    *,
    as_url: bool = False,
) -> Response:
    if call.hit_by("empty"):
        return JSONResponse({"created": int(time.time()), "data": []})
    dollars, tokens = usd(cost), answers.tokens(ask.prompt)
    call.record.cost_usd = dollars
    generation_id = new_id()
    call.simulation.remember(
        generation_id,
        {"model": ask.model, "api_type": "image", "usage": dollars, "total_cost": dollars},
    )
    items = [
        {"url": f"data:image/{form};base64,{text}"}
        if as_url
        else {"b64_json": text, "media_type": f"image/{form}"}
        for text in (base64.b64encode(data).decode() for data in made)
    ]
    counts = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    usage = {**counts, "cost": dollars, "is_byok": False}
    return JSONResponse(
        {"created": int(time.time()), "data": items, "usage": usage},
        headers={"X-Generation-Id": generation_id},
    )
