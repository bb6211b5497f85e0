"""The model and the options with which a form starts: those used last, the preferred ones, or those
of an earlier result."""

from collections.abc import Mapping
from contextlib import suppress

from flask import request

from admin_web.forms.options import option_values
from admin_web.sessions.caller import answer_or, api, web_session
from client import calls
from client.errors import ApiError
from client.schemas import Kind, MediaKind
from client.schemas.catalog import ModelOut
from client.schemas.generations import GenerationOut
from client.schemas.provider import OPTIONS
from client.schemas.users import PreferencesIn, PreferencesOut


def last_used(kind: MediaKind) -> dict[str, str]:
    """The form as the person left it: the options used last, and the model."""
    kept = preferences()
    options = kept.image_options if kind == "image" else kept.video_options
    return {**_plain(options), **last_model(kind, kept)}


def last_model(kind: Kind, kept: PreferencesOut) -> dict[str, str]:
    """The model used last in this browser, else the preferred one."""
    used = web_session().get(f"{kind}_model")
    model = used if isinstance(used, str) else getattr(kept, f"{kind}_model")
    return {"model": model} if model else {}


def use_model(kind: Kind, model: str) -> None:
    """Not as the preferred one: that also counts in the chats, where it is chosen on purpose."""
    web_session()[f"{kind}_model"] = model


def preferences() -> PreferencesOut:
    """They only make a form more pleasant: without an answer it starts empty."""
    return answer_or(lambda: api().send(calls.preferences()), PreferencesOut())


def remember(kind: MediaKind, model: ModelOut) -> None:
    """After something was made with it: next time the form starts like this, except for options
    that belong to one request."""
    values = option_values(model, request.form).items()
    options = {name: value for name, value in values if OPTIONS[name].remembered}
    use_model(kind, model.id)
    with suppress(ApiError):
        api().send(calls.prefer(PreferencesIn.model_validate({f"{kind}_options": options})))


def prefill(generation: GenerationOut) -> dict[str, str]:
    """A form that would ask for the same again."""
    return {**_plain(generation.options), "prompt": generation.prompt, "model": generation.model}


def _plain(options: Mapping[str, str | int | bool]) -> dict[str, str]:
    """Options as a form's values: a switch is `on` or empty."""
    return {
        name: ("on" if value else "") if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }
