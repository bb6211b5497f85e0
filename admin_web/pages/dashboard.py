"""The first page: budget, running jobs, latest results, a quick start."""

from collections.abc import Callable

from flask import Blueprint
from flask.typing import ResponseReturnValue

from admin_web.forms.fields import chosen_model, new_nonce
from admin_web.forms.last_used import last_used
from admin_web.forms.options import option_fields
from admin_web.forms.prices import price
from admin_web.render import RUNNING, fragment, page
from admin_web.sessions.caller import all_soon, answer_or, expect_me, soon
from client import calls
from client.schemas import Page
from client.schemas.generations import GenerationOut

pages = Blueprint("dashboard", __name__)


@pages.get("/")
def show() -> ResponseReturnValue:
    """The quick form makes an image as the form of images would: with the model and the options
    used last, at the price beside it."""
    expect_me()
    inbox, newest = soon(calls.inbox(limit=1)), _latest()
    models = all_soon(calls.models("image"))
    values = last_used("image")
    model = chosen_model(models(), values.get("model"))
    cost = price(model, values)
    made = newest().items
    return page(
        "dashboard/show.html",
        jobs=_running(made),
        results=_finished(made),
        waiting=answer_or(lambda: inbox().unread, 0),
        model=model,
        fields=option_fields(model, values) if model else [],
        price=cost,
        nonce=new_nonce(),
    )


def _latest() -> Callable[[], Page[GenerationOut]]:
    return soon(calls.generations(limit=24))


@pages.get("/dashboard/jobs")
def jobs() -> ResponseReturnValue:
    newest = _latest()().items
    return fragment("dashboard/_now.html", jobs=_running(newest), results=_finished(newest))


def _running(newest: list[GenerationOut]) -> list[GenerationOut]:
    return [generation for generation in newest if generation.status in RUNNING]


def _finished(newest: list[GenerationOut]) -> list[GenerationOut]:
    return [generation for generation in newest if generation.status == "completed"][:10]
