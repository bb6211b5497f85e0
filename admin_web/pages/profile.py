"""The person's own account: name, e-mail, password, language, preferences, linked chats."""

from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

from flask import Blueprint, abort, request, session, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import refusal, say_and_go
from admin_web.forms.fields import Invalid, given, read
from admin_web.forms.last_used import preferences
from admin_web.render import page
from admin_web.sessions.caller import all_soon, answer_or, api, expect_me, me, soon
from admin_web.words.errors import FormError, differing
from admin_web.words.formats import amount
from admin_web.words.language import _, zone
from client import calls
from client.errors import ApiError
from client.schemas import Kind
from client.schemas.users import PreferencesIn, ProfileIn
from client.words.language import LANGUAGES, N_

pages = Blueprint("profile", __name__)

FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "about": (("display_name", "language"), N_("Saved.")),
    "email": (("email", "current_password"), N_("Your e-mail address is changed.")),
    "password": (("current_password", "new_password"), N_("Your password is changed.")),
    "making": (("confirm_above_usd",), N_("Saved.")),
}
MODELS: tuple[Kind, ...] = ("text", "image", "video", "transcription", "speech")
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


@pages.post("/profile/<form>")
def save(form: str) -> ResponseReturnValue:
    if form not in FORMS:
        abort(404)
    names, done = FORMS[form]
    try:
        password, repeat = (request.form.get(name, "") for name in ("new_password", "repeat"))
        if form == "password" and password != repeat:
            raise Invalid(differing(_("The two new passwords differ.")))
        _save(form, names)
    except (Invalid, ApiError) as error:
        return show(request.form, form, *refusal(error))
    return say_and_go(_(done), url_for("profile.show", _anchor=form))


def _save(form: str, names: tuple[str, ...]) -> None:
    if form == "making":
        limit = request.form.get("confirm_above_usd", "").strip().replace(",", ".")
        # null takes it back, so it has to be sent
        change = read(ProfileIn, {"confirm_above_usd": limit or None})
        api().send(calls.update_me(change))
        chosen: dict[str, object] = {
            f"{kind}_model": request.form.get(f"{kind}_model") or None for kind in MODELS
        }
        for switch in ("spoiler", "web_search"):
            chosen[switch] = request.form.get(switch) == "on"
        chosen["effort"] = request.form.get("effort") or None
        api().send(calls.prefer(read(PreferencesIn, chosen)))
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
    secret = {name for name in names if name.endswith("password")}
    passwords = {name: request.form[name] for name in secret if request.form.get(name)}
    return {**given(*(name for name in names if name not in secret)), **passwords}


@pages.get("/profile")
def show(
    values: Mapping[str, str] | None = None,
    form: str = "",
    error: FormError | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    expect_me()
    links, listed = all_soon(calls.links()), {kind: all_soon(calls.models(kind)) for kind in MODELS}
    days = soon(calls.kept())
    kept, person = preferences(), me()
    limit = person.confirm_above_usd
    shown = {
        "display_name": person.display_name,
        "email": person.email or "",
        "language": person.language,
        "time_zone": kept.time_zone or "",
        "confirm_above_usd": "" if limit is None else amount(limit),
        "spoiler": "on" if kept.spoiler else "",
        "web_search": "on" if kept.web_search else "",
        "effort": kept.effort or "",
        **{f"{kind}_model": str(getattr(kept, f"{kind}_model") or "") for kind in MODELS},
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
        days=answer_or(days, None),
        languages=LANGUAGES,
        zones=_zones(),
        browser_zone=str(zone()),
        models={kind: models() for kind, models in listed.items()},
    )


@cache
def _zones() -> tuple[str, ...]:
    """Kept, because the names are read from the disk."""
    return tuple(sorted(name for name in available_timezones() if name.startswith(AREAS)))
