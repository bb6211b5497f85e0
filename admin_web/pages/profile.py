"""The person's own account: name, e-mail, password, language, linked chats."""

from collections.abc import Mapping

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.api_http import ApiError
from admin_web.caller import api, me
from admin_web.forms import Invalid, given, read
from admin_web.language import LANGUAGES, N_, _
from admin_web.render import page
from admin_web.words import FormError, in_words
from api.users.schemas import ProfileIn

pages = Blueprint("profile", __name__)

FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "about": (("display_name", "language"), N_("Saved.")),
    "email": (("email", "current_password"), N_("Your e-mail address is changed.")),
    "password": (("current_password", "new_password"), N_("Your password is changed.")),
}


@pages.get("/profile")
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/profile/<form>")
def save(form: str) -> ResponseReturnValue:
    if form not in FORMS:
        abort(404)
    names, done = FORMS[form]
    try:
        if form == "password" and request.form.get("new_password", "") != request.form.get("repeat", ""):
            raise Invalid(FormError(_("The two new passwords differ."), fields={"repeat": _("Type the same password again.")}))
        api().update_me(read(ProfileIn, _values(names)))
    except Invalid as invalid:
        return _page(request.form, form, invalid.error, 422)
    except ApiError as error:
        if error.needs_person:
            raise
        return _page(request.form, form, in_words(error), error.status)
    flash(_(done), "success")
    return redirect(url_for("profile.show"))


def _values(names: tuple[str, ...]) -> Mapping[str, object]:
    """Passwords as they were typed: a space at the end belongs to them."""
    passwords = {name: request.form[name] for name in names if name.endswith("password") and request.form.get(name)}
    return {**given(*(name for name in names if not name.endswith("password"))), **passwords}


def _page(
    values: Mapping[str, str] | None = None, form: str = "", error: FormError | None = None, status: int = 200
) -> ResponseReturnValue:
    person = me()
    shown = {"display_name": person.display_name, "email": person.email or "", "language": person.language}
    if values is not None:
        shown |= {name: values[name] for name in shown if name in values}
    languages = {"auto": _("Automatic"), **LANGUAGES}
    return page("profile/show.html", status, values=shown, form=form, error=error, links=api().links(), languages=languages)
