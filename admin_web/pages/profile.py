"""The person's own account: name, e-mail, password, language, preferences, linked chats."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import cast
from zoneinfo import available_timezones

from flask import Blueprint, abort, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import refusal
from admin_web.forms.fields import Invalid, given, read
from admin_web.forms.last_used import preferences
from admin_web.render import page
from admin_web.sessions.caller import all_soon, api, expect_me, me
from admin_web.words.errors import FormError
from admin_web.words.formats import amount
from admin_web.words.language import _, zone
from client import calls
from client.errors import ApiError
from client.schemas import Kind
from client.schemas.catalog import ModelOut
from client.schemas.users import PreferencesIn, ProfileIn
from client.words.language import LANGUAGES, N_

pages = Blueprint("profile", __name__)

FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "about": (("display_name", "language"), N_("Saved.")),
    "email": (("email", "current_password"), N_("Your e-mail address is changed.")),
    "password": (("current_password", "new_password"), N_("Your password is changed.")),
    "making": (("confirm_above_usd",), N_("Saved.")),
}
MODELS: tuple[Kind, ...] = ("text", "image", "video")
AREAS = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)


@pages.get("/profile")
def show() -> ResponseReturnValue:
    expect_me()
    return _page()


@pages.post("/profile/<form>")
def save(form: str) -> ResponseReturnValue:
    if form not in FORMS:
        abort(404)
    names, done = FORMS[form]
    try:
        if form == "password" and request.form.get("new_password", "") != request.form.get(
            "repeat", ""
        ):
            raise Invalid(
                FormError(
                    _("The two new passwords differ."),
                    fields={"repeat": _("Type the same password again.")},
                )
            )
        _save(form, names)
    except (Invalid, ApiError) as error:
        return _page(request.form, form, *refusal(error))
    flash(_(done), "success")
    return redirect(url_for("profile.show", _anchor=form))


def _save(form: str, names: tuple[str, ...]) -> None:
    if form == "making":
        limit = request.form.get("confirm_above_usd", "").strip().replace(",", ".")
        # null takes it back, so it has to be sent
        change = read(ProfileIn, {"confirm_above_usd": limit or None})
        api().send(calls.update_me(change))
        chosen = {f"{kind}_model": request.form.get(f"{kind}_model") or None for kind in MODELS}
        api().send(
            calls.prefer(
                read(PreferencesIn, {**chosen, "spoiler": request.form.get("spoiler") == "on"})
            )
        )
        for kind in MODELS:
            session.pop(f"{kind}_model", None)
        return
    if form == "about":
        name = request.form.get("time_zone", "")
        api().send(calls.prefer(read(PreferencesIn, {"time_zone": name or None})))
        session["time_zone"] = name
    person = api().send(calls.update_me(read(ProfileIn, _values(names))))
    session["language"] = person.language


def _values(names: tuple[str, ...]) -> Mapping[str, object]:
    """Return the typed values. Passwords stay as they are: a space at the end belongs to them."""
    passwords = {
        name: request.form[name]
        for name in names
        if name.endswith("password") and request.form.get(name)
    }
    return {**given(*(name for name in names if not name.endswith("password"))), **passwords}


def _page(
    values: Mapping[str, str] | None = None,
    form: str = "",
    error: FormError | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    links, listed = all_soon(calls.links()), {kind: _models(kind) for kind in MODELS}
    person, kept = me(), preferences()
    shown = {
        "display_name": person.display_name,
        "email": person.email or "",
        "language": person.language,
        "time_zone": kept.time_zone or "",
        "confirm_above_usd": ""
        if person.confirm_above_usd is None
        else amount(person.confirm_above_usd),
        "spoiler": "on" if kept.spoiler else "",
        **{
            f"{kind}_model": cast("str | None", getattr(kept, f"{kind}_model")) or ""
            for kind in MODELS
        },
    }
    if values is not None:
        shown |= {name: values.get(name, "") for name in shown if name in values}
    return page(
        "profile/show.html",
        status,
        values=shown,
        form=form,
        error=error,
        links=links(),
        languages=LANGUAGES,
        zones=_zones(),
        browser_zone=str(zone()),
        models={kind: models() for kind, models in listed.items()},
    )


def _models(kind: Kind) -> Callable[[], list[ModelOut]]:
    return all_soon(calls.models(kind))


@cache
def _zones() -> tuple[str, ...]:
    """Kept, because the names are read from the disk."""
    return tuple(sorted(name for name in available_timezones() if name.startswith(AREAS)))
