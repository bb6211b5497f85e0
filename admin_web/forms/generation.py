"""What the pages that make images and videos share: uploads, earlier images, the price before
spending, what is remembered."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.fields import Invalid, new_nonce, read
from admin_web.forms.options import option_values
from admin_web.render import RUNNING, fragment, left
from admin_web.sessions.caller import api, is_script, me, soon, web_session
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _, money
from client import calls
from client.errors import ApiError
from client.schemas import PROMPT_MAX, Kind, MediaKind, Page
from client.schemas.catalog import ModelOut
from client.schemas.generations import EstimateIn, GenerationOut, MediaOut
from client.schemas.provider import OPTIONS
from client.schemas.users import PreferencesIn, PreferencesOut

UPLOAD_TYPES = (
    "image/png,image/jpeg,image/webp,image/gif,image/heic,image/heif,image/avif,image/bmp,"
    "image/tiff,.heic,.heif,.avif"
)
"""With names, because few systems know a type for these three."""
PICK_FROM = 12
LATEST = 12


@dataclass(frozen=True, slots=True)
class Attached:
    """An input image: an upload of this form, or an earlier image with its thumbnail."""

    id: str
    name: str
    thumbnail_url: str | None = None

    @property
    def preview(self) -> str:
        """The owner may read a file without a signed link."""
        return self.thumbnail_url or url_for("media.serve", media_id=self.id)


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
    """Images that the form already holds, then the files chosen now. A bad file is an `ApiError` of
    the api's upload. `field`: `image`, or `last` for the picture with which a video ends."""
    prefix = "last" if field == "last" else "attached"
    names = request.form.getlist(f"{prefix}_name")
    removed = set(request.form.getlist("remove"))
    held = zip_longest(request.form.getlist(f"{prefix}_id"), names, fillvalue="")
    kept = [
        Attached(image_id, name or _("Image"))
        for image_id, name in held
        if image_id and image_id not in removed
    ]
    return kept + uploaded(field)


def uploaded(field: str = "image") -> list[Attached]:
    """The files chosen now, given to the api."""
    made = []
    for file in request.files.getlist(field):
        if file.filename:
            image = api().send(
                calls.upload(
                    file.filename, file.read(), file.mimetype or "application/octet-stream"
                )
            )
            made.append(Attached(image.id, f"{file.filename} ({image.width} × {image.height})"))
    return made


def earlier_images(limit: int = PICK_FROM) -> list[MediaOut]:
    """The person's latest finished images, to start from."""
    made = api().send(calls.generations(kind="image", status="completed", limit=limit)).items
    return [image for generation in made for image in generation.images][:limit]


def price(
    model: ModelOut | None, form: Mapping[str, str], input_images: list[str] | None = None
) -> Price:
    """What the api thinks it will cost. Options that cannot be used yet make no error here: the
    form says so when it is sent."""
    if model is None:
        return Price(None)
    values: dict[str, object] = {
        "kind": model.kind,
        "model": model.id,
        **option_values(model, form),
    }
    if model.kind == "text":
        values["prompt"] = (form.get("prompt", "") + form.get("system", ""))[:PROMPT_MAX] or None
    if input_images:
        values["input_images"] = input_images
    try:
        answer = api().send(calls.estimate(read(EstimateIn, values)))
    except Invalid:
        return Price(None, note=_("The price shows when every option fits."))
    except ApiError as error:
        return Price(None, note=in_words(error).message)
    note = "" if answer.cost_usd is not None else _("The price of this cannot be known in advance.")
    return Price(answer.cost_usd, answer.balance_usd, note)


def no_models(kind: str) -> FormError:
    return FormError(
        _("No model for this is available right now."),
        _("Ask an admin to look at the provider's key and the model list."),
        code=kind,
    )


def prefill(generation: GenerationOut) -> dict[str, str]:
    """A form that would ask for the same again."""
    return {**plain(generation.options), "prompt": generation.prompt, "model": generation.model}


def began_with(generation: GenerationOut | None, frame: str | None = None) -> list[Attached]:
    """The images of an earlier request that are still there."""
    inputs = (
        [one.image for one in generation.inputs if one.frame == frame]
        if generation is not None
        else []
    )
    return [
        Attached(image.id, _("Earlier image"), image.thumbnail_url or image.url)
        for image in inputs
        if image is not None
    ]


def plain(options: Mapping[str, str | int | bool]) -> dict[str, str]:
    """Options as a form's values: a switch is `on` or empty."""
    return {
        name: ("on" if value else "") if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }


def takes_images(models: Sequence[ModelOut]) -> list[ModelOut]:
    return [model for model in models if model.capabilities.max_input_images]


# --- what was used last


def liked(kind: MediaKind) -> dict[str, str]:
    """The form as the person left it: the options used last, and the model: the one used last in
    this browser, else the preferred one."""
    kept = preferences()
    options = kept.image_options if kind == "image" else kept.video_options
    return {**plain(options), **liked_model(kind, kept)}


def liked_model(kind: Kind, kept: PreferencesOut) -> dict[str, str]:
    used = web_session().get(f"{kind}_model")
    model = (
        used
        if isinstance(used, str)
        else {"text": kept.text_model, "image": kept.image_model, "video": kept.video_model}[kind]
    )
    return {"model": model} if model else {}


def use_model(kind: Kind, model: str) -> None:
    """Not as the preferred one: that also counts in the chats, where it is chosen on purpose."""
    web_session()[f"{kind}_model"] = model


def preferences() -> PreferencesOut:
    """They only make a form more pleasant: without an answer it starts empty."""
    try:
        return api().send(calls.preferences())
    except ApiError as error:
        if error.needs_person:
            raise
        return PreferencesOut()


def remember(kind: MediaKind, model: ModelOut) -> None:
    """After something was made with it: next time the form starts like this. What belongs to one
    picture only is not kept."""
    options = {
        name: value
        for name, value in option_values(model, request.form).items()
        if OPTIONS[name].remembered
    }
    use_model(kind, model.id)
    with suppress(ApiError):
        api().send(calls.prefer(PreferencesIn.model_validate({f"{kind}_options": options})))


# --- answers


def accepted(generation: GenerationOut, endpoint: str) -> ResponseReturnValue:
    """Its card for our script, which stays on the page; else the page of the form with the card on
    it."""
    if not is_script():
        return redirect(url_for(endpoint, job=generation.id))
    card = fragment("generate/_job.html", generation=generation)
    return jsonify(
        card=card,
        balance=money(left(me())),
        nonce=new_nonce(),
        here=url_for(endpoint, job=generation.id),
    )


def refused(error: FormError, status: int) -> ResponseReturnValue:
    """A question about the cost is no failure: the browser would write one into its console."""
    return jsonify(error.spoken), 200 if error.code == "confirm_cost" else status


def latest_of(kind: MediaKind) -> Callable[[], Page[GenerationOut]]:
    """For `under_way`, asked for meanwhile."""
    return soon(calls.generations(kind=kind, limit=LATEST * 2))


def under_way(
    latest: Sequence[GenerationOut], job: GenerationOut | None
) -> tuple[list[GenerationOut], list[GenerationOut]]:
    """What the page of a form shows beside it: live cards of the job that was just asked for and of
    all that are running, then the latest results."""
    shown = [job] if job is not None else []
    shown += [
        generation
        for generation in latest
        if generation.status in RUNNING and (job is None or generation.id != job.id)
    ]
    done = [
        generation
        for generation in latest
        if generation.status == "completed" and (job is None or generation.id != job.id)
    ]
    return shown, done[:LATEST]
