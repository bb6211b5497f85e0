"""/image and /video: ask for a generation, show its waiting card. The result is pushed later, see `bots.core.delivery`."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from api.generations.schemas import PROMPT_MAX, AddressIn, EstimateIn, GenerationOut, ImageIn, VideoFromImageIn, VideoIn
from api.schemas import MediaKind
from bots.core import texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.http import ApiError
from bots.core.language import N_
from bots.core.options import Mistake, Option, Value, find_model, parse
from bots.core.types import Address, Attachment, Button, Inbound, Reply

M = TypeVar("M", bound=BaseModel)

UPLOAD_BYTES = 20 * 1024 * 1024

_RATIO = r"\d{1,3}:\d{1,3}"
_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4")
_SEED = Option("seed", N_("The same seed gives the same picture again"), ("seed",), "number", "7", least=0, most=2**31 - 1)
_ASPECT = Option("aspect_ratio", N_("Width to height"), ("ar", "aspect", "aspect-ratio"), example="16:9", choices=_RATIOS, pattern=_RATIO)

IMAGE_OPTIONS = (
    Option("model", N_("Which model draws"), ("model", "m"), example="flux", models=("image",)),
    _ASPECT,
    Option("n", N_("How many pictures"), ("n",), "number", "2", least=1, most=10),
    Option("size", N_("Width and height in pixels"), ("size",), example="1024x1024", pattern=r"\d{2,5}x\d{2,5}"),
    Option("image_size", N_("How fine"), ("quality", "image-size"), example="2K", choices=("1K", "2K", "4K"), pattern=r"\d(\.\d)?[Kk]"),
    _SEED,
    Option("negative_prompt", N_("What should not be there"), ("no", "negative"), example='"text, people"'),
)
VIDEO_OPTIONS = (
    Option("model", N_("Which model films"), ("model", "m"), example="veo", models=("video",)),
    _ASPECT,
    Option("duration", N_("Length in seconds"), ("duration", "d"), "number", "8", least=1, most=600),
    Option("resolution", N_("How fine"), ("res", "resolution"), example="720p", choices=("480p", "720p", "1080p"), pattern=r"\d{3,4}p|\dK"),
    Option("generate_audio", N_("With sound"), ("audio", "sound"), "switch"),
    _SEED,
)


async def _image(inbound: Inbound, context: Context) -> Replies:
    prompt, options = await _asked("image", inbound, context)
    if not prompt:
        yield Reply(texts.image_what(), secret=True)
        return
    images = [await _upload(one, context) for one in inbound.attachments]
    fields = {**options, **({"input_images": images} if images else {})}
    ask = _request(ImageIn, {"prompt": prompt, "address": _address(inbound), **fields})
    try:
        made = await context.user.image(ask)
    except ApiError as error:
        yield await _refusal(error, _request(EstimateIn, {"kind": "image", **_priced(fields)}), context)
        return
    yield waiting_card(made)


async def _video(inbound: Inbound, context: Context) -> Replies:
    prompt, options = await _asked("video", inbound, context)
    if not prompt:
        yield Reply(texts.video_what(), secret=True)
        return
    fields = {"prompt": prompt, "address": _address(inbound), **options}
    try:
        if inbound.attachments:
            image_id = await _upload(inbound.attachments[0], context)
            made = await context.user.video_from_image(_request(VideoFromImageIn, {"image_id": image_id, **fields}))
        else:
            made = await context.user.video(_request(VideoIn, fields))
    except ApiError as error:
        yield await _refusal(error, _request(EstimateIn, {"kind": "video", **_priced(options)}), context)
        return
    yield waiting_card(made)


def waiting_card(made: GenerationOut) -> Reply:
    """What is shown until the result arrives."""
    cancel = Button(texts.cancel_button(), CANCEL_ACTION, made.short_id, "danger")
    return Reply(texts.accepted(made), buttons=((cancel,),), card=made.id)


CANCEL_ACTION = "cancel"


async def _asked(kind: MediaKind, inbound: Inbound, context: Context) -> tuple[str, dict[str, Value]]:
    """The prompt and the options by the api's names, the model as its id."""
    parsed = parse(inbound.text, inbound.options, IMAGE_OPTIONS if kind == "image" else VIDEO_OPTIONS)
    if len(parsed.prompt) > PROMPT_MAX:
        raise Mistake(texts.prompt_too_long(len(parsed.prompt), PROMPT_MAX))
    options = dict(parsed.options)
    if "model" in options and parsed.prompt:
        options["model"] = find_model(str(options["model"]), await context.user.models(kind))
    return parsed.prompt, options


async def _upload(image: Attachment, context: Context) -> str:
    """The id of the attached image on the api."""
    if not image.content_type.startswith("image/"):
        raise Mistake(texts.no_image_attached())
    if image.size > UPLOAD_BYTES:
        raise ApiError("too_large", image.name)
    return (await context.user.upload(image.name, image.content_type, await image.read())).id


async def _refusal(error: ApiError, ask: EstimateIn, context: Context) -> Reply:
    """With the budget used up people want to know the price and what is left; every other error goes on as it is."""
    if error.code != "budget_exceeded":
        raise error
    estimate = await context.user.estimate(ask)
    return Reply(texts.over_budget(estimate.cost_usd, estimate.balance_usd), secret=True)


def _priced(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name in EstimateIn.model_fields}


def _address(inbound: Inbound) -> AddressIn:
    where: Address = inbound.address
    return AddressIn(
        platform=where.platform,
        chat_id=where.chat_id,
        thread_id=where.thread_id,
        message_id=where.message_id,
        user_name=inbound.sender.name[:120],
        private=where.private,
    )


def _request(model: type[M], fields: Mapping[str, object]) -> M:
    """Raises `Mistake` for what the options let through and the api's type does not."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Mistake(texts.bad_field(str(first["loc"][-1]), first["msg"])) from error


IMAGE = Command(
    "image",
    N_("Make a picture"),
    _image,
    argument="prompt",
    argument_description=N_("What it should show"),
    argument_required=True,
    options=IMAGE_OPTIONS,
    image=True,
    slow=True,
)
VIDEO = Command(
    "video",
    N_("Make a video, from words or from an image"),
    _video,
    argument="prompt",
    argument_description=N_("What it should show"),
    argument_required=True,
    options=VIDEO_OPTIONS,
    image=True,
    slow=True,
)
