"""/image, /video, /edit and /animate: ask for a generation and show its waiting card.

The result is pushed later by `bots.core.delivery_pump`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from bots.core import texts
from bots.core.cards import in_rows, waiting_card
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.sources import ImageSource, source
from bots.core.options import Mistake, Option, Parsed, Value, find_model, fitting_models, parse
from bots.core.types import Ask, Button, Inbound, Reply
from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas import PROMPT_MAX, Kind, MediaKind, generations
from client.schemas.catalog import ModelOut
from client.schemas.generations import AgainIn, EstimateIn, GenerationOut
from client.schemas.provider import OPTIONS as SPECS
from client.words.language import N_

M = TypeVar("M", bound=BaseModel)

ASK_VALUE_BYTES = 50
"""The room of a form beside its action."""
NOTHING_TO_ADD = {"-", "–", "—", "."}
"""Answers of people who are asked for words and have none."""
NUMBERS_IN_A_ROW = 5
MOTION = "Natural, gentle motion."

QUALITIES = ("auto", "low", "medium", "high")
_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4")


def _option(
    name: str,
    description: str,
    flags: tuple[str, ...],
    example: str = "",
    pattern: str | None = None,
    choices: tuple[str, ...] = (),
) -> Option:
    spec = SPECS[name]
    least, most = (spec.least, spec.most) if spec.type == "number" else (None, None)
    return Option(name, description, flags, spec.type, example, choices, least, most, pattern)


_SEED = _option("seed", N_("The same seed gives the same picture again"), ("seed",), "7")
_ASPECT = _option(
    "aspect_ratio",
    N_("Width to height"),
    ("ar", "aspect", "aspect-ratio"),
    "16:9",
    r"\d{1,3}:\d{1,3}",
    _RATIOS,
)

IMAGE_OPTIONS = (
    Option("model", N_("Which model draws"), ("model", "m"), example="flux", models=("image",)),
    _ASPECT,
    _option("n", N_("How many pictures"), ("n",), "2"),
    _option("size", N_("Width and height in pixels"), ("size",), "1024x1024", r"\d{2,5}x\d{2,5}"),
    _option(
        "image_size",
        N_("How fine"),
        ("res", "image-size"),
        "2K",
        r"\d(\.\d)?[Kk]|\d{3,4}",
        ("1K", "2K", "4K"),
    ),
    _option(
        "quality",
        N_("How much work the model puts in"),
        ("quality",),
        "high",
        r"[A-Za-z]{2,10}",
        QUALITIES,
    ),
    _SEED,
    _option(
        "negative_prompt", N_("What should not be there"), ("no", "negative"), '"text, people"'
    ),
)
VIDEO_OPTIONS = (
    Option("model", N_("Which model films"), ("model", "m"), example="veo", models=("video",)),
    _ASPECT,
    _option("duration", N_("Length in seconds"), ("duration", "d"), "8"),
    _option(
        "resolution",
        N_("How fine"),
        ("res", "resolution"),
        "720p",
        r"\d{3,4}p|\dK",
        ("480p", "720p", "1080p"),
    ),
    _option("generate_audio", N_("With sound"), ("audio", "sound")),
    _SEED,
)
OPTIONS: dict[MediaKind, tuple[Option, ...]] = {"image": IMAGE_OPTIONS, "video": VIDEO_OPTIONS}


async def _make(inbound: Inbound, context: Context, kind: MediaKind) -> Replies:
    """/image or /video; each has the name of its kind."""
    given, text = await source(inbound, context)
    parsed = _parsed(text, inbound, kind)
    make = make_image if kind == "image" else _make_video
    if parsed.prompt:
        yield await make(inbound, context, given, parsed)
    else:
        what = texts.image_what() if kind == "image" else texts.video_what()
        yield _asking(kind, what, given, parsed)


async def _edit(inbound: Inbound, context: Context) -> Replies:
    given, text = await source(inbound, context)
    if given is None:
        raise Mistake(texts.edit_which(context.limits.picture))
    kind: MediaKind = "image" if given.images else "video"
    parsed = _parsed(text, inbound, kind)
    if not parsed.prompt and (which := which_picture(EDIT.name, given, inbound)) is not None:
        yield which
    elif not parsed.prompt:
        before = given.made.prompt if given.made is not None and kind == "video" else ""
        fresh = inbound.pressed is not None
        yield _asking(EDIT.name, texts.edit_what(kind), given, parsed, default=before, fresh=fresh)
    elif kind == "image":
        yield await make_image(inbound, context, given, parsed)
    else:  # no model changes a finished video: it is filmed anew, with other words
        assert given.made is not None
        yield await remade(inbound, context, given.made.id, given.made.kind, parsed)


async def _animate(inbound: Inbound, context: Context) -> Replies:
    given, text = await source(inbound, context)
    if given is None or not given.images:
        raise Mistake(texts.animate_which(context.limits.picture))
    parsed = _parsed(text, inbound, "video")
    if not parsed.prompt and (which := which_picture(ANIMATE.name, given, inbound)) is not None:
        yield which
        return
    before = given.made.prompt if given.made is not None else ""
    if not parsed.prompt and inbound.pressed is not None:
        yield _asking(ANIMATE.name, texts.animate_what(), given, parsed, default=before, fresh=True)
        return
    if not parsed.prompt or parsed.prompt in NOTHING_TO_ADD:
        parsed = Parsed(before or MOTION, parsed.options)
    yield await _make_video(inbound, context, given, parsed)


def which_picture(
    action: str, given: ImageSource, inbound: Inbound, *, all_button: str = ""
) -> Reply | None:
    """A button for each picture of a result with several. None: it is clear which one is meant."""
    if given.made is None or given.place is not None or len(given.images) < 2:
        return None
    made, count = given.made, len(given.images)
    each = [Button(f"{place}", action, f"{made.id}/{place}") for place in range(1, count + 1)]
    together = ((Button(all_button, action, f"{made.id}/0"),),) if all_button else ()
    buttons = (*in_rows(each, NUMBERS_IN_A_ROW), *together)
    fresh = inbound.pressed is not None
    return Reply(texts.which_picture(made, count), buttons=buttons, fresh=fresh)


def _asking(
    action: str,
    sentence: str,
    given: ImageSource | None,
    parsed: Parsed,
    *,
    default: str = "",
    fresh: bool = False,
) -> Reply:
    """The question for the missing words. Known options travel with it, as far as there is room."""
    known = [] if given is None else [given.reference]
    for name, value in parsed.options.items():
        flag = next(one.flags[0] for one in (*IMAGE_OPTIONS, *VIDEO_OPTIONS) if one.name == name)
        if isinstance(value, bool):
            known.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            known.append(f"--{flag} {value}")
    while known and len(" ".join(known).encode()) > ASK_VALUE_BYTES:
        known.pop()
    return Reply(sentence, ask=Ask(action, " ".join(known), sentence, default), fresh=fresh)


async def make_image(
    inbound: Inbound, context: Context, given: ImageSource | None, parsed: Parsed
) -> Reply:
    options = await _with_model("image", context, given, parsed)
    fields: dict[str, object] = {**options}
    if given is not None and given.images:
        # of a result with several pictures the first, otherwise all that the person sent along
        fields["input_images"] = list(given.images if given.made is None else given.images[:1])
    said = {"prompt": parsed.prompt, "address": address(inbound), **fields}
    call = calls.image(_request(generations.ImageIn, said), context.user.key)
    return await _made(call, inbound, context, "image", fields)


async def _make_video(
    inbound: Inbound, context: Context, given: ImageSource | None, parsed: Parsed
) -> Reply:
    options = await _with_model("video", context, given, parsed)
    fields = {"prompt": parsed.prompt, "address": address(inbound), **options}
    if given is not None and given.images:
        said = {"image_id": given.images[0], **fields}
        ask = _request(generations.VideoFromImageIn, said)
        call = calls.video_from_image(ask, context.user.key)
    else:
        call = calls.video(_request(generations.VideoIn, fields), context.user.key)
    return await _made(call, inbound, context, "video", options)


async def remade(
    inbound: Inbound, context: Context, generation_id: str, kind: MediaKind, parsed: Parsed
) -> Reply:
    """An earlier request once more, with changes."""
    options = await _named_model(kind, context, parsed)
    prompt = {"prompt": parsed.prompt} if parsed.prompt else {}
    changes = _request(generations.Changes, {**prompt, **options})
    ask = AgainIn(changes=changes, address=address(inbound))
    call = calls.again(generation_id, ask, context.user.key)
    return await _made(call, inbound, context, kind, None)


async def _made(
    call: Call[GenerationOut],
    inbound: Inbound,
    context: Context,
    kind: MediaKind,
    fields: Mapping[str, object] | None,
) -> Reply:
    """The waiting card. When the budget is used up, people are told the price and the rest of it;
    every other error goes on as it is. `fields` determine the price; None: they are not known
    here."""
    fresh = inbound.pressed is not None
    try:
        return waiting_card(await context.user.send(call), fresh=fresh)
    except ApiError as error:
        if error.code != "budget_exceeded":
            raise
    known = {
        name: value for name, value in (fields or {}).items() if name in EstimateIn.model_fields
    }
    ask = _request(EstimateIn, {"kind": kind, **known})
    estimate = await context.user.send(calls.estimate(ask))
    cost = None if fields is None else estimate.cost_usd
    return Reply(texts.over_budget(cost, estimate.balance_usd), secret=True, fresh=fresh)


def _parsed(text: str, inbound: Inbound, kind: MediaKind) -> Parsed:
    parsed = parse(text, inbound.options, OPTIONS[kind])
    if len(parsed.prompt) > PROMPT_MAX:
        raise Mistake(texts.prompt_too_long(len(parsed.prompt), PROMPT_MAX))
    return parsed


async def _named_model(kind: MediaKind, context: Context, parsed: Parsed) -> dict[str, Value]:
    """The options with the model by its id."""
    if "model" not in parsed.options:
        return parsed.options
    model = await named_model(str(parsed.options["model"]), kind, context)
    return {**parsed.options, "model": model}


async def named_model(said: str, kind: Kind, context: Context) -> str:
    """The id of a model of that kind; among several, of one that does only this. Raises
    `Mistake`."""
    models = await context.user.all(calls.models(kind))
    elsewhere: set[str] = set()
    if len(fitting_models(said, models)) > 1:
        for other in (one for one in get_args(Kind) if one != kind):
            elsewhere |= {model.id for model in await context.user.all(calls.models(other))}
    return find_model(said, models, elsewhere)


async def _with_model(
    kind: MediaKind, context: Context, given: ImageSource | None, parsed: Parsed
) -> dict[str, Value]:
    """The model for a picture, when none is named: the picture's own, the preferred one, or any
    that can use it."""
    options = await _named_model(kind, context, parsed)
    if "model" in options or given is None or not given.images:
        return options
    models, preferred = await asyncio.gather(
        context.user.all(calls.models(kind)), context.user.send(calls.preferences())
    )
    own = given.made.model if given.made is not None else None
    wanted = [own, getattr(preferred, f"{kind}_model")]
    able = first_able(models, wanted, takes_images if kind == "image" else films_images)
    return options if able is None else {**options, "model": able}


def first_able(
    models: Sequence[ModelOut], wanted: Sequence[str | None], able: Callable[[ModelOut], bool]
) -> str | None:
    """The id of the first model that is able: of the wanted ones, then the default, then any."""
    by_id = {one.id: one for one in models}
    first = [by_id[one] for one in wanted if one in by_id]
    ordered = [*first, *sorted(models, key=lambda one: not one.default)]
    return next((one.id for one in ordered if able(one)), None)


def takes_images(model: ModelOut) -> bool:
    return model.capabilities.max_input_images > 0


def films_images(model: ModelOut) -> bool:
    return "first_frame" in model.capabilities.frame_images


def address(inbound: Inbound) -> generations.AddressIn:
    where = inbound.address
    return generations.AddressIn(
        platform=where.platform,
        chat_id=where.chat_id,
        thread_id=where.thread_id,
        message_id=where.message_id,
        card_message_id=where.answer_id,
        user_name=inbound.sender.name[:120],
        private=where.private,
    )


def _request(model: type[M], fields: Mapping[str, object]) -> M:
    """The request in the API's type. Raises `Mistake` for values that the options let through and
    that type does not."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][-1]) if first["loc"] else ""
        raise Mistake(texts.bad_field(field, first["msg"])) from error


_making = partial(Command, image=True, slow=True, asks=True)
_WHAT = N_("What it should show")
IMAGE = _making(
    "image",
    N_("Make a picture"),
    partial(_make, kind="image"),
    argument="prompt",
    argument_description=_WHAT,
    argument_required=True,
    options=IMAGE_OPTIONS,
)
VIDEO = _making(
    "video",
    N_("Make a video, from words or from an image"),
    partial(_make, kind="video"),
    argument="prompt",
    argument_description=_WHAT,
    argument_required=True,
    options=VIDEO_OPTIONS,
)
EDIT = _making(
    "edit",
    N_("Change a picture: answer one with this, or attach it"),
    _edit,
    argument="change",
    argument_description=N_("What should be different"),
    argument_required=True,
    options=IMAGE_OPTIONS,
    on_message=N_("Edit"),
)
ANIMATE = _making(
    "animate",
    N_("Make a video of a picture: answer one with this, or attach it"),
    _animate,
    argument="motion",
    argument_description=N_("What should happen in it"),
    options=VIDEO_OPTIONS,
    on_message=N_("Animate"),
)
