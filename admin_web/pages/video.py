"""Making videos: from text, or from an image (a file, an address, an earlier image)."""

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
    under_way,
)
from admin_web.forms.options import option_fields, option_values
from admin_web.render import page
from admin_web.sessions.caller import api, expect_me, is_script
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.catalog import ModelOut
from client.schemas.generations import GenerationOut, VideoFromImageIn, VideoIn

pages = Blueprint("video", __name__)


@pages.get("/generate/video")
def show() -> ResponseReturnValue:
    expect_me()
    shown = request.args.get("job") or request.args.get("again")
    generation = api().send(calls.generation(shown)) if shown else None
    values = {
        **liked("video"),
        **(prefill(generation) if generation else {}),
        **request.args.to_dict(),
    }
    was_from_image = generation is not None and generation.mode == "image_to_video"
    from_image = "image" in request.args or request.args.get("from") == "image" or was_from_image
    image = request.args.get("image", "")
    return _page(
        {**values, "image_id": image},
        from_image=from_image,
        images=[] if image else began_with(generation, "first_frame"),
        last=[] if image else began_with(generation, "last_frame"),
        job=generation if request.args.get("job") else None,
    )


@pages.post("/generate/video")
def submit() -> ResponseReturnValue:
    from_image = request.form.get("from") == "image"
    images: Sequence[Attached] = ()
    last: Sequence[Attached] = ()
    try:
        if from_image:
            images, last = attached(), attached("last")
        if request.form.get("action") == "edit":
            return _page(request.form, from_image=from_image, images=images, last=last)
        return accepted(_make_from_image(images, last) if from_image else _make(), "video.show")
    except Invalid as invalid:
        if is_script():
            return refused(invalid.error, 422)
        return _page(
            request.form,
            from_image=from_image,
            images=images,
            last=last,
            error=invalid.error,
            status=422,
        )
    except ApiError as error:
        if error.needs_person:
            raise
        if is_script():
            return refused(in_words(error), error.status)
        nonce = request.form.get("nonce") if error.unanswered else None
        wrong = in_words(error)
        return _page(
            request.form,
            from_image=from_image,
            images=images,
            last=last,
            error=wrong,
            status=error.status,
            nonce=nonce,
        )


def _make() -> GenerationOut:
    model = _model()
    ask = read(
        VideoIn,
        {**given("prompt", "confirm"), "model": model.id, **option_values(model, request.form)},
    )
    generation = api().send(calls.video(ask, idempotency_key(ask)))
    remember("video", model)
    return generation


def _make_from_image(images: Sequence[Attached], last: Sequence[Attached]) -> GenerationOut:
    """A chosen file wins over an address, an address over an earlier image: what took more effort
    was meant. A last frame that is left over from another model is left out."""
    source: dict[str, object] = (
        {"image_id": images[-1].id} if images else given("image_url") or given("image_id")
    )
    if not source:
        words = {"image": _("A file, an address, or one of your images.")}
        raise Invalid(FormError(_("Choose the image that the video starts from."), fields=words))
    model = _model()
    if "last_frame" in model.capabilities.frame_images:
        source |= {"last_image_id": last[-1].id} if last else given("last_image_id")
    ask = read(
        VideoFromImageIn,
        {
            **given("prompt", "confirm"),
            **source,
            "model": model.id,
            **option_values(model, request.form),
        },
    )
    generation = api().send(calls.video_from_image(ask, idempotency_key(ask)))
    remember("video", model)
    return generation


def _model() -> ModelOut:
    model = chosen_model(api().all(calls.models("video")), request.form.get("model"))
    if model is None:
        raise Invalid(no_models("video"))
    return model


def _page(
    values: Mapping[str, str],
    *,
    from_image: bool,
    images: Sequence[Attached] = (),
    last: Sequence[Attached] = (),
    job: GenerationOut | None = None,
    error: FormError | None = None,
    status: int = 200,
    nonce: str | None = None,
) -> ResponseReturnValue:
    latest = latest_of("video")
    models = api().all(calls.models("video"))
    if from_image:
        models = [model for model in models if model.capabilities.frame_images] or models
    model = chosen_model(models, values.get("model"))
    cost = price(model, values)
    jobs, recent = under_way(latest().items, job)
    return page(
        "generate/video.html",
        status,
        models=models,
        model=model,
        values=values,
        fields=option_fields(model, values) if model else [],
        price=cost,
        from_image=from_image,
        images=images,
        last=last,
        earlier=earlier_images() if from_image else [],
        jobs=jobs,
        recent=recent,
        error=error or (None if models else no_models("video")),
        nonce=nonce or new_nonce(),
        accept=UPLOAD_TYPES,
    )
