"""Making images: form on one side, the pictures as they come on the other."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from admin_web.forms.fields import Invalid, chosen_model, given, idempotency_key, new_nonce, read
from admin_web.forms.generation import (
    UPLOAD_TYPES,
    Attached,
    accepted,
    attached,
    began_with,
    earlier_images,
    latest_of,
    liked,
    no_models,
    prefill,
    price,
    refused,
    remember,
    takes_images,
    under_way,
)
from admin_web.forms.options import option_fields, option_values
from admin_web.render import page
from admin_web.sessions.caller import api, expect_me, is_script
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.generations import GenerationOut, ImageIn

pages = Blueprint("image", __name__)


@pages.get("/generate/image")
def show() -> ResponseReturnValue:
    expect_me()
    shown = request.args.get("job") or request.args.get("again")
    generation = api().send(calls.generation(shown)) if shown else None
    values = {
        **liked("image"),
        **(prefill(generation) if generation else {}),
        **request.args.to_dict(),
    }
    image = request.args.get("image")
    images = [_earlier(image)] if image else began_with(generation)
    return _page(values, images=images, job=generation if request.args.get("job") else None)


@pages.post("/generate/image")
def submit() -> ResponseReturnValue:
    images: Sequence[Attached] = ()
    try:
        images = attached()
        if request.form.get("action") == "edit":
            return _page(request.form, images=images)
        return accepted(_make(images), "image.show")
    except Invalid as invalid:
        return (
            refused(invalid.error, 422)
            if is_script()
            else _page(request.form, images=images, error=invalid.error, status=422)
        )
    except ApiError as error:
        if error.needs_person:
            raise
        if is_script():
            return refused(in_words(error), error.status)
        nonce = request.form.get("nonce") if error.unanswered else None
        return _page(
            request.form, images=images, error=in_words(error), status=error.status, nonce=nonce
        )


def _make(images: Sequence[Attached]) -> GenerationOut:
    model = chosen_model(api().all(calls.models("image")), request.form.get("model"))
    if model is None:
        raise Invalid(no_models("image"))
    if images and not model.capabilities.max_input_images:
        hint = _("Remove it, or choose a model that can change images.")
        raise Invalid(FormError(_("%(model)s takes no input image.", model=model.name), hint))
    options = option_values(model, request.form)
    ids = [image.id for image in images] or None
    ask = read(
        ImageIn, {**given("prompt", "confirm"), "model": model.id, **options, "input_images": ids}
    )
    generation = api().send(calls.image(ask, idempotency_key(ask)))
    remember("image", model)
    return generation


def _earlier(image_id: str) -> Attached:
    for image in earlier_images():
        if image.id == image_id:
            return Attached(image_id, _("Earlier image"), image.thumbnail_url or image.url)
    return Attached(image_id, _("Earlier image"))


def _page(
    values: Mapping[str, str],
    *,
    images: Sequence[Attached] = (),
    job: GenerationOut | None = None,
    error: FormError | None = None,
    status: int = 200,
    nonce: str | None = None,
) -> ResponseReturnValue:
    latest = latest_of("image")
    models = api().all(calls.models("image"))
    model = chosen_model(models, values.get("model"))
    if (
        images
        and model is not None
        and not model.capabilities.max_input_images
        and request.method == "GET"
    ):
        model = chosen_model(takes_images(models), None) or model
    cost = price(model, values, [image.id for image in images])
    jobs, recent = under_way(latest().items, job)
    return page(
        "generate/image.html",
        status,
        models=models,
        model=model,
        values=values,
        fields=option_fields(model, values) if model else [],
        price=cost,
        images=images,
        jobs=jobs,
        recent=recent,
        error=error or (None if models else no_models("image")),
        nonce=nonce or new_nonce(),
        accept=UPLOAD_TYPES,
    )
