"""An earlier generation as a request, with changes."""

from api.catalog.model import Model
from api.catalog.options import checked_image_options, checked_video_options
from api.errors import OptionUnsupported
from api.generations.schemas import AgainIn, EstimateIn, ImageIn, VideoFromImageIn, VideoIn
from api.generations.store import Generation, Options

Request = ImageIn | VideoIn
_SIZES = {"size": {"aspect_ratio", "image_size"}, "aspect_ratio": {"size"}, "image_size": {"size"}}


def request_of(row: Generation, body: AgainIn) -> Request:
    """Return the request that makes `row` once more, with changes. Raises `OptionUnsupported` for
    an option of the other kind."""
    changes = body.changes.model_dump(exclude_none=True)
    kind: type[ImageIn] | type[VideoIn] = ImageIn if row.kind == "image" else VideoIn
    if other := set(changes) - set(kind.model_fields):
        raise OptionUnsupported("option_not_of_kind", field=min(other))
    for name in list(changes):
        changes |= {replaced: None for replaced in _SIZES.get(name, ()) if replaced not in changes}
    values = {
        "prompt": row.prompt,
        "model": row.model,
        **row.options,
        **changes,
        "address": body.address,
        "confirm": body.confirm,
    }
    if row.kind == "image":
        return ImageIn(**values, input_images=[one.media_id for one in row.inputs] or None)
    frames = {one.frame: one.media_id for one in row.inputs}
    if not frames:
        return VideoIn(**values)
    return VideoFromImageIn(
        **values, image_id=frames.get("first_frame"), last_image_id=frames.get("last_frame")
    )


def fitting(model: Model, request: Request, asked_for: set[str]) -> Request:
    """Return the request without the options that the model does not take, except those `asked_for`
    now: they are an error when it comes to them."""
    while True:
        try:
            checked_options(model, request)
        except OptionUnsupported as error:
            name = error.field or ""
            stays = {*asked_for, "image_id", "last_image_id", "input_images"}
            if name in stays or getattr(request, name, None) is None:
                return request
            request = request.model_copy(update={name: None})
        else:
            return request


def checked_options(model: Model, request: Request | EstimateIn) -> Options:
    """Return the options that the model will get. Raises `OptionUnsupported`."""
    if isinstance(request, ImageIn) or (
        isinstance(request, EstimateIn) and request.kind == "image"
    ):
        return checked_image_options(model, request)
    return checked_video_options(model, request)
