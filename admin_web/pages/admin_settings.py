"""The privacy of the studio, for admins: whether they see prompts and results of members."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.language import _
from client import calls
from client.schemas.admin import StudioIn, StudioOut

pages = Blueprint("admin_settings", __name__, url_prefix="/admin/settings")


@pages.get("")
def show() -> ResponseReturnValue:
    return admin_page("admin/settings.html", studio=api().send(calls.studio()))


@pages.post("/content")
def show_content() -> ResponseReturnValue:
    def words(studio: StudioOut) -> str:
        if studio.show_content:
            return _(
                "Admins see prompts, images and videos of members now. It is in the audit log."
            )
        return _("Admins see cost and status only now.")

    change = StudioIn(show_content=request.form.get("show_content") == "true")
    return act(calls.change_studio(change), words, url_for("admin_settings.show"))
