"""The first page: budget, running jobs, latest results, a quick start."""

from collections.abc import Callable

from flask import Blueprint
from flask.typing import ResponseReturnValue

from admin_web.api_http import ApiError
from admin_web.caller import api, expect_me, soon
from admin_web.render import RUNNING, fragment, page
from api.deliveries.schemas import InboxOut
from api.generations.schemas import GenerationOut

pages = Blueprint("dashboard", __name__)


@pages.get("/")
def show() -> ResponseReturnValue:
    expect_me()
    inbox = soon(lambda api: api.inbox(limit=1))
    newest = api().generations(limit=24).items
    return page("dashboard/show.html", jobs=_running(newest), results=_finished(newest), waiting=_waiting(inbox))


@pages.get("/dashboard/jobs")
def jobs() -> ResponseReturnValue:
    newest = api().generations(limit=24).items
    return fragment("dashboard/_now.html", jobs=_running(newest), results=_finished(newest))


def _waiting(inbox: Callable[[], InboxOut]) -> int:
    """How many results wait that no chat took. They are told about only where that can be asked."""
    try:
        return inbox().unread
    except ApiError as error:
        if error.needs_person:
            raise
        return 0


def _running(newest: list[GenerationOut]) -> list[GenerationOut]:
    return [generation for generation in newest if generation.status in RUNNING]


def _finished(newest: list[GenerationOut]) -> list[GenerationOut]:
    return [generation for generation in newest if generation.status == "completed"][:10]
