"""The person's own data: everything as one file, and deleting the account."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on
from admin_web.forms.acts import refusal, say_and_go
from admin_web.render import page
from admin_web.sessions.caller import api, me, sessions, web_session
from admin_web.words.errors import FormError
from admin_web.words.language import _
from client import calls
from client.errors import ApiError

pages = Blueprint("own_data", __name__, url_prefix="/profile")


@pages.post("/export")
def export() -> ResponseReturnValue:
    """A zip with everything that the person ever made."""
    return passed_on(api().open(calls.export()))


@pages.get("/delete")
def ask_delete(error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    shown = {"to_type": _to_type(), "typed": request.form.get("typed", "")}
    return page("profile/delete.html", status, error=error, **shown)


@pages.post("/delete")
def delete() -> ResponseReturnValue:
    """Asks for the password each time, however lately it was given."""
    if request.form.get("typed", "").strip().casefold() != _to_type().casefold():
        fields = {"typed": _("Type %(word)s here, if you are sure.", word=_to_type())}
        return ask_delete(FormError(_("Nothing is deleted yet."), fields=fields), 422)
    try:
        api().send(calls.reauth(request.form.get("current_password", "")))
        api().send(calls.delete_me())
    except ApiError as error:
        return ask_delete(*refusal(error))
    sessions().sign_out(web_session())
    said = _("Your account is deleted, with everything that was in it.")
    return say_and_go(said, url_for("auth.login"))


def _to_type() -> str:
    return me().email or "delete"
