"""The forms that make images and videos, and the fragments that follow a form while it is filled
in: the options of the chosen model, the price, pictures as they are attached."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import refusal, same_nonce
from admin_web.forms.fields import Invalid, chosen_model, given, idempotency_key, new_nonce, read
from admin_web.forms.last_used import last_used, prefill, remember
from admin_web.forms.options import option_fields, option_values
from admin_web.forms.pictures import (
    UPLOAD_TYPES,
    Attached,
    attached,
    began_with,
    earlier_images,
    from_earlier,
    uploaded,
)
from admin_web.forms.prices import no_models, price
from admin_web.render import RUNNING, fragment, left, page
from admin_web.sessions.caller import all_soon, api, expect_me, is_script, me, soon
from admin_web.words.errors import FormError
from admin_web.words.formats import money
from admin_web.words.language import _
from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas import Kind, MediaKind, Page
from client.schemas.catalog import ModelOut
from client.schemas.generations import GenerationOut, ImageIn, VideoFromImageIn, VideoIn
from client.words.language import N_

pages = Blueprint("making", __name__, url_prefix="/generate")

LATEST = 12
PLACEHOLDERS = {
    "image": N_("A fox in fresh snow, soft morning light"),
    "video": N_("Waves roll onto a beach at night, the camera glides forward"),
    "frames": N_("The fox turns its head and snow begins to fall"),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a form: what an image starts from, or the first and the last frame of a
    video. `from_image`: the form is the one for a video that starts from a picture."""

    first: Sequence[Attached] = ()
    last: Sequence[Attached] = ()
    from_image: bool = False

    @property
    def frame_id(self) -> str:
        """The attached first frame: the one attached last; empty for none."""
        return self.first[-1].id if self.first else ""


@pages.get("/<any(image, video):kind>")
def show(kind: MediaKind) -> ResponseReturnValue:
    """`job`: the generation to show beside the form; `again`: the one to make once more; `image`:
    the picture to start from."""
    expect_me()
    coming = _parts(kind)
    shown = request.args.get("job") or request.args.get("again")
    generation = api().send(calls.generation(shown)) if shown else None
    image = request.args.get("image", "")
    values = {
        **last_used(kind),
        **(prefill(generation) if generation else {}),
        **request.args.to_dict(),
        "image_id": image,
    }
    if kind == "image":
        pictures = Pictures([from_earlier(image)] if image else began_with(generation))
    else:
        pictures = Pictures(
            [] if image else began_with(generation, "first_frame"),
            [] if image else began_with(generation, "last_frame"),
            from_image="image" in request.args
            or request.args.get("from") == "image"
            or (generation is not None and generation.mode == "image_to_video"),
        )
    job = generation if request.args.get("job") else None
    return _page(kind, values, pictures, coming, job=job)


@pages.post("/<any(image, video):kind>")
def submit(kind: MediaKind) -> ResponseReturnValue:
    from_image = kind == "video" and request.form.get("from") == "image"
    pictures = Pictures(from_image=from_image)
    try:
        if kind == "image" or from_image:
            pictures = Pictures(attached(), attached("last") if from_image else (), from_image)
        if request.form.get("action") == "edit":
            return _page(kind, request.form, pictures)
        return _accepted(_make(kind, pictures))
    except (Invalid, ApiError) as refused:
        error, status = refusal(refused)
        nonce = same_nonce(refused)
    if is_script():
        # a question about the cost is no failure: the browser would write one into its console
        return jsonify(error.spoken), 200 if error.code == "confirm_cost" else status
    return _page(kind, request.form, pictures, error=error, status=status, nonce=nonce)


@pages.post("/<any(text, image, video):kind>/options")
def options(kind: Kind) -> ResponseReturnValue:
    model = chosen_model(api().all(calls.models(kind)), request.form.get("model"))
    if model is None:
        abort(404)
    fields = option_fields(model, request.form)
    return fragment("generate/_options.html", model=model, fields=fields, errors={})


@pages.post("/<any(text, image, video):kind>/estimate")
def estimate(kind: Kind) -> ResponseReturnValue:
    model = chosen_model(api().all(calls.models(kind)), request.form.get("model"))
    images, documents = (request.form.getlist(f"{one}_id") for one in ("attached", "document"))
    cost = price(model, request.form, images, documents)
    return fragment("generate/_price.html", price=cost)


@pages.post("/attach")
def attach() -> ResponseReturnValue:
    """Upload the files that were dropped or pasted; the answer is their part of the form."""
    zone = "last" if request.args.get("zone") == "last" else "image"
    return fragment("generate/_attached.html", images=uploaded(), zone=zone)


def _make(kind: MediaKind, pictures: Pictures) -> GenerationOut:
    model = chosen_model(api().all(calls.models(kind)), request.form.get("model"))
    if model is None:
        raise Invalid(no_models(kind))
    fields = {
        **given("prompt", "confirm"),
        "model": model.id,
        **option_values(model, request.form),
    }
    call: Call[GenerationOut]
    if kind == "image":
        image = read(ImageIn, {**fields, "input_images": _inputs(model, pictures)})
        call = calls.image(image, idempotency_key(image))
    elif pictures.from_image:
        animated = read(VideoFromImageIn, {**fields, **_frames(model, pictures)})
        call = calls.video_from_image(animated, idempotency_key(animated))
    else:
        video = read(VideoIn, fields)
        call = calls.video(video, idempotency_key(video))
    generation = api().send(call)
    remember(kind, model)
    return generation


def _inputs(model: ModelOut, pictures: Pictures) -> list[str] | None:
    if pictures.first and not model.capabilities.max_input_images:
        hint = _("Remove it, or choose a model that can change images.")
        raise Invalid(FormError(_("%(model)s takes no input image.", model=model.name), hint))
    return [image.id for image in pictures.first] or None


def _frames(model: ModelOut, pictures: Pictures) -> dict[str, object]:
    """A chosen file wins over an address, an address over an earlier image: the greater effort was
    meant. A last frame that is left over from another model is left out."""
    frames: dict[str, object] = (
        {"image_id": pictures.frame_id}
        if pictures.frame_id
        else given("image_url") or given("image_id")
    )
    if not frames:
        words = {"image": _("A file, an address, or one of your images.")}
        raise Invalid(FormError(_("Choose the image that the video starts from."), fields=words))
    if "last_frame" in model.capabilities.frame_images:
        last = pictures.last
        frames |= {"last_image_id": last[-1].id} if last else given("last_image_id")
    return frames


def _accepted(generation: GenerationOut) -> ResponseReturnValue:
    """Its card for our script, which stays on the page; else the page of the form with the card on
    it."""
    here = url_for("making.show", kind=generation.kind, job=generation.id)
    if not is_script():
        return redirect(here)
    card = fragment("generate/_job.html", generation=generation)
    return jsonify(card=card, balance=money(left(me())), nonce=new_nonce(), here=here)


@dataclass(frozen=True, slots=True)
class _MediaParts:
    """Parts of the page that have been asked for."""

    models: Callable[[], list[ModelOut]]
    latest: Callable[[], Page[GenerationOut]]


def _parts(kind: MediaKind) -> _MediaParts:
    latest = soon(calls.generations(kind=kind, limit=LATEST * 2))
    return _MediaParts(all_soon(calls.models(kind)), latest)


def _page(
    kind: MediaKind,
    values: Mapping[str, str],
    pictures: Pictures,
    coming: _MediaParts | None = None,
    *,
    job: GenerationOut | None = None,
    error: FormError | None = None,
    status: int = 200,
    nonce: str | None = None,
) -> ResponseReturnValue:
    placeholder = PLACEHOLDERS["frames" if pictures.from_image else kind]
    coming = coming or _parts(kind)
    models = coming.models()
    model = _model_for(kind, models, values, pictures)
    inputs = [image.id for image in pictures.first] if kind == "image" else None
    cost = price(model, values, inputs)
    return page(
        "generate/media.html",
        status,
        kind=kind,
        placeholder=_(placeholder),
        models=_starting(models) if pictures.from_image else models,
        model=model,
        values=values,
        fields=option_fields(model, values) if model else [],
        price=cost,
        from_image=pictures.from_image,
        images=pictures.first,
        last=pictures.last,
        earlier=earlier_images() if pictures.from_image else [],
        error=error or (None if models else no_models(kind)),
        nonce=nonce or new_nonce(),
        accept=UPLOAD_TYPES,
        **_beside(coming.latest().items, job),
    )


def _model_for(
    kind: MediaKind, models: list[ModelOut], values: Mapping[str, str], pictures: Pictures
) -> ModelOut | None:
    """The model that the form shows. With a picture to start from, one that can use it."""
    if pictures.from_image:
        return chosen_model(_starting(models), values.get("model"))
    model = chosen_model(models, values.get("model"))
    able = [one for one in models if one.capabilities.max_input_images]
    if kind == "image" and pictures.first and model not in able and request.method == "GET":
        return chosen_model(able, None) or model
    return model


def _starting(models: list[ModelOut]) -> list[ModelOut]:
    """The models that make a video from an image; all where none can."""
    return [model for model in models if model.capabilities.frame_images] or models


def _beside(latest: Sequence[GenerationOut], job: GenerationOut | None) -> dict[str, Any]:
    """The results beside a form: live cards of the job that was just asked for and of all that are
    running, then the latest results."""
    others = [one for one in latest if job is None or one.id != job.id]
    running = [one for one in others if one.status in RUNNING]
    done = [one for one in others if one.status == "completed"]
    return {"jobs": [*([job] if job else []), *running], "recent": done[:LATEST]}
