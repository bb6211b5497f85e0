"""Making images: form on one side, the picture as it comes on the other."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.api_http import ApiDown, ApiError
from admin_web.caller import api
from admin_web.forms import Invalid, chosen_model, given, idempotency_key, new_nonce, read
from admin_web.making import UPLOAD_TYPES, Attached, attached, earlier_images, no_models, prefill, price
from admin_web.options import option_fields, option_values
from admin_web.render import page
from admin_web.words import FormError, in_words
from api.generations.schemas import GenerationOut, ImageIn

pages = Blueprint("image", __name__)


@pages.get("/generate/image")
def show() -> ResponseReturnValue:
    shown = request.args.get("job") or request.args.get("again")
    generation = api().generation(shown) if shown else None
    values = {**(prefill(generation) if generation else {}), **request.args.to_dict()}
    image = request.args.get("image")
    images = [_earlier(image)] if image else []
    return _page(values, images=images, generation=generation if request.args.get("job") else None)


@pages.post("/generate/image")
def submit() -> ResponseReturnValue:
    images: Sequence[Attached] = ()
    try:
        images = attached()
        if request.form.get("action") == "edit":
            return _page(request.form, images=images)
        model = chosen_model(api().models("image"), request.form.get("model"))
        if model is None:
            raise Invalid(no_models("image"))
        if images and not model.capabilities.max_input_images:
            raise Invalid(FormError(f"{model.name} takes no input image.", "Remove it, or choose a model that can change images."))
        ask = read(
            ImageIn,
            {
                **given("prompt", "confirm"),
                "model": model.id,
                **option_values(model, request.form),
                "input_images": [image.id for image in images] or None,
            },
        )
        generation = api().image(ask, idempotency_key(ask))
    except Invalid as invalid:
        return _page(request.form, images=images, error=invalid.error, status=422)
    except ApiError as error:
        if error.needs_person:
            raise
        nonce = request.form.get("nonce") if isinstance(error, ApiDown) else None
        return _page(request.form, images=images, error=in_words(error), status=error.status, nonce=nonce)
    return redirect(url_for("image.show", job=generation.id))


def _earlier(image_id: str) -> Attached:
    for image in earlier_images():
        if image.id == image_id:
            return Attached(image_id, "Earlier image", image.thumbnail_url or image.url)
    return Attached(image_id, "Earlier image")


def _page(
    values: Mapping[str, str],
    *,
    images: Sequence[Attached] = (),
    generation: GenerationOut | None = None,
    error: FormError | None = None,
    status: int = 200,
    nonce: str | None = None,
) -> ResponseReturnValue:
    models = api().models("image")
    model = chosen_model(models, values.get("model"))
    recent = api().generations(kind="image", status="completed", limit=6).items if generation is None else []
    return page(
        "generate/image.html",
        status,
        models=models,
        model=model,
        values=values,
        fields=option_fields(model, values) if model else [],
        price=price(model, values, [image.id for image in images]),
        images=images,
        generation=generation,
        recent=recent,
        error=error or (None if models else no_models("image")),
        nonce=nonce or new_nonce(),
        accept=UPLOAD_TYPES,
    )
