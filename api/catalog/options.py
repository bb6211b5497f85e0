"""The options of a request, checked against the model before any money moves, with the model's
defaults for those that are left out."""

import re
from collections.abc import Sequence

from api.catalog.model import Model
from api.errors import InvalidRequest, OptionUnsupported
from api.generations import schemas
from api.provider.schemas import OPTIONS
from api.schemas import Between, MediaKind

Options = dict[str, str | int | bool]

VIDEO_SECONDS = 5
"""Asked for when nothing is said and the model has it; else its shortest from 4 seconds on."""


def checked_image_options(model: Model, body: schemas.ImageIn | schemas.EstimateIn) -> Options:
    """Return the options that the model will get. Raises `OptionUnsupported` with the field and the
    values that are allowed."""
    inputs = len(body.input_images or ())
    check_inputs(model, inputs)
    if body.size is not None and (body.aspect_ratio is not None or body.image_size is not None):
        raise InvalidRequest("two_sizes", field="size")
    options = _given(model, body, "image")
    options.setdefault("n", 1)
    if body.size is None:
        _image_defaults(options, model, edits=inputs > 0)
    return options


def checked_video_options(
    model: Model, body: schemas.VideoIn | schemas.EstimateIn, *, from_image: bool = False
) -> Options:
    """Return the checked options of a video. `from_image`: the first frame is given; a
    `VideoFromImageIn` says so by itself."""
    can = model.info.capabilities
    from_image = from_image or isinstance(body, schemas.VideoFromImageIn)
    if isinstance(body, schemas.EstimateIn):
        from_image = from_image or bool(body.input_images or body.image_id)
    if from_image and "first_frame" not in can.frame_images:
        raise _unsupported(model, "image_id")
    if (
        isinstance(body, schemas.VideoFromImageIn | schemas.EstimateIn)
        and body.last_image_id is not None
        and "last_frame" not in can.frame_images
    ):
        raise _unsupported(model, "last_image_id")
    options = _given(model, body, "video")
    if can.durations:
        options.setdefault("duration", _seconds(can.durations))
    if can.resolutions:
        options.setdefault(
            "resolution", "720p" if "720p" in can.resolutions else min(can.resolutions, key=_pixels)
        )
    # an image brings its own shape: only the model can know how it treats another one
    if can.aspect_ratios and not from_image:
        options.setdefault(
            "aspect_ratio", "16:9" if "16:9" in can.aspect_ratios else can.aspect_ratios[0]
        )
    if can.generate_audio:
        options.setdefault("generate_audio", True)
    return options


def _given(
    model: Model, body: schemas.ImageOptions | schemas.VideoOptions, kind: MediaKind
) -> Options:
    """Return the options of the request, in the model's own spelling (`2k` is `2K`)."""
    options: Options = {}
    for spec in OPTIONS.values():
        wanted = getattr(body, spec.name) if kind in spec.kinds else None
        if wanted is None:
            continue
        offered = getattr(model.info.capabilities, spec.offered) if spec.offered else bool(wanted)
        if isinstance(offered, tuple):
            options[spec.name] = _spelled(model, spec.name, wanted, offered)
        elif spec.name == "n" and wanted > offered:
            raise _unsupported(model, "n", Between(least=1, most=offered))
        elif offered:
            options[spec.name] = wanted
        elif spec.name == "seed" or wanted:
            raise _unsupported(model, spec.name)
    return options


def check_inputs(model: Model, count: int, field: str = "input_images") -> None:
    """Raise `OptionUnsupported` for more images than the model looks at."""
    most = model.info.capabilities.max_input_images
    if count > most:
        raise _unsupported(model, field, Between(least=0, most=most) if most else ())


def _spelled(model: Model, name: str, wanted: str | int, offered: Sequence[str | int]) -> str | int:
    found = next((value for value in offered if str(value).lower() == str(wanted).lower()), None)
    if found is None:
        raise _unsupported(model, name, offered)
    return found


def _unsupported(
    model: Model, name: str, allowed: Sequence[str | int] | Between = ()
) -> OptionUnsupported:
    return OptionUnsupported(
        "option_value" if allowed else "option_unknown",
        field=name,
        model=model.name,
        allowed=allowed if isinstance(allowed, Between) else [str(value) for value in allowed],
    )


def _image_defaults(options: Options, model: Model, *, edits: bool) -> None:
    can = model.info.capabilities
    if can.image_sizes:
        options.setdefault(
            "image_size", "1K" if "1K" in can.image_sizes else min(can.image_sizes, key=_pixels)
        )
    # an edit keeps the shape of its input, unless told otherwise
    if "1:1" in can.aspect_ratios and not edits:
        options.setdefault("aspect_ratio", "1:1")
    elif can.sizes and not can.aspect_ratios and not can.image_sizes and not edits:
        options["size"] = "1024x1024" if "1024x1024" in can.sizes else can.sizes[0]


def _seconds(durations: Sequence[int]) -> int:
    if VIDEO_SECONDS in durations:
        return VIDEO_SECONDS
    return min((seconds for seconds in durations if seconds >= 4), default=max(durations))


def _pixels(tier: str) -> float:
    """For comparing tiers: `720p` is 720, `2K` is 2048."""
    number = re.match(r"[\d.]+", tier)
    value = float(number[0]) if number else float("inf")
    return value * 1024 if tier.upper().endswith("K") else value
