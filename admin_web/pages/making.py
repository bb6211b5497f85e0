"""Fragments that follow a form while it is filled in: the options of the chosen model, the price,
files as they are attached."""

from typing import cast

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from admin_web.forms.fields import chosen_model
from admin_web.forms.generation import price, uploaded
from admin_web.forms.options import option_fields
from admin_web.render import fragment
from admin_web.sessions.caller import api
from client import calls
from client.schemas import Kind

pages = Blueprint("making", __name__)

KINDS = {"text", "image", "video"}


@pages.post("/generate/<kind>/options")
def options(kind: str) -> ResponseReturnValue:
    model = chosen_model(api().all(calls.models(_kind(kind))), request.form.get("model"))
    if model is None:
        abort(404)
    return fragment(
        "generate/_options.html", model=model, fields=option_fields(model, request.form), errors={}
    )


@pages.post("/generate/<kind>/estimate")
def estimate(kind: str) -> ResponseReturnValue:
    model = chosen_model(api().all(calls.models(_kind(kind))), request.form.get("model"))
    return fragment(
        "generate/_price.html",
        price=price(model, request.form, request.form.getlist("attached_id")),
    )


@pages.post("/generate/attach")
def attach() -> ResponseReturnValue:
    """Files that were dropped or pasted; what a form shows of them."""
    return fragment(
        "generate/_attached.html",
        images=uploaded(),
        zone="last" if request.args.get("zone") == "last" else "image",
    )


def _kind(kind: str) -> Kind:
    if kind not in KINDS:
        abort(404)
    return cast("Kind", kind)
