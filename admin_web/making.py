"""What the pages that make images and videos share: uploads, earlier images, the price before spending."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

from flask import request

from admin_web.api_http import ApiError
from admin_web.caller import api
from admin_web.forms import Invalid, read
from admin_web.options import option_values
from admin_web.words import FormError, in_words
from api.catalog.schemas import ModelOut
from api.generations.schemas import EstimateIn, GenerationOut, MediaOut

UPLOAD_TYPES = "image/png,image/jpeg,image/webp"
PICK_FROM = 12


@dataclass(frozen=True, slots=True)
class Attached:
    """An input image: an upload of this form, or an earlier image with its thumbnail."""

    id: str
    name: str
    thumbnail_url: str | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """`cost` is None when it cannot be known; `note` then says why."""

    cost: Decimal | None
    balance: Decimal | None = None
    note: str = ""

    @property
    def too_much(self) -> bool:
        return self.cost is not None and self.balance is not None and self.cost > self.balance


def attached(field: str = "image") -> list[Attached]:
    """Images that the form already holds, then the files chosen now. A bad file is an `ApiError` of the api's upload."""
    names = request.form.getlist("attached_name")
    removed = set(request.form.getlist("remove"))
    held = zip_longest(request.form.getlist("attached_id"), names, fillvalue="")
    kept = [Attached(image_id, name or "Image") for image_id, name in held if image_id and image_id not in removed]
    for file in request.files.getlist(field):
        if file.filename:
            uploaded = api().upload(file.filename, file.read(), file.mimetype or "application/octet-stream")
            kept.append(Attached(uploaded.id, f"{file.filename} ({uploaded.width} × {uploaded.height})"))
    return kept


def earlier_images(limit: int = PICK_FROM) -> list[MediaOut]:
    """The person's latest finished images, to start from."""
    made = api().generations(kind="image", status="completed", limit=limit).items
    return [image for generation in made for image in generation.images][:limit]


def price(model: ModelOut | None, form: Mapping[str, str], input_images: list[str] | None = None) -> Price:
    """What the api thinks it will cost. Options that cannot be used yet make no error here: the form says so when it is sent."""
    if model is None:
        return Price(None)
    values: dict[str, object] = {"kind": model.kind, "model": model.id, **option_values(model, form)}
    for name in ("seed", "negative_prompt"):
        values.pop(name, None)
    if model.kind == "text":
        values["prompt"] = form.get("prompt") or None
    if input_images:
        values["input_images"] = input_images
    try:
        answer = api().estimate(read(EstimateIn, values))
    except Invalid:
        return Price(None, note="The price shows when every option fits.")
    except ApiError as error:
        return Price(None, note=in_words(error).message)
    note = "" if answer.cost_usd is not None else "The price of this cannot be known in advance."
    return Price(answer.cost_usd, answer.balance_usd, note)


def no_models(kind: str) -> FormError:
    return FormError(f"No {kind} model is available right now.", "Ask an admin to look at the provider's key and the model list.")


def prefill(generation: GenerationOut) -> dict[str, str]:
    """A form that would ask for the same again."""
    values = {name: _plain(value) for name, value in generation.options.items()}
    return {**values, "prompt": generation.prompt, "model": generation.model}


def _plain(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    return str(value)
