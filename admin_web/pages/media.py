"""The files of results."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on, wanted
from admin_web.sessions.caller import api
from client import calls

pages = Blueprint("media", __name__)


@pages.get("/media/<media_id>")
def serve(media_id: str) -> ResponseReturnValue:
    return passed_on(api().open(calls.media(media_id, *wanted())))
