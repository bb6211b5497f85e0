"""Places for admins: groups, channels and servers in which a bot is used, and their settings."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act, refusal, say_and_go
from admin_web.forms.fields import Invalid, read, typed
from admin_web.forms.filters import cursor
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.errors import FormError
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.places import Named, PlaceDetailOut, PlaceIn

pages = Blueprint("admin_places", __name__, url_prefix="/admin/places")

KINDS = ("text", "image", "video")
HOURS = ("since", "until", "time_zone")


@pages.get("")
def show() -> ResponseReturnValue:
    found = api().send(calls.places(cursor=cursor(), limit=50))
    return admin_page("admin/places.html", found=found, cursor=cursor())


@pages.get("/<place_id>")
def one(place_id: str, error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    place = api().send(calls.place(place_id))
    return admin_page("admin/place.html", status, place=place, kinds=KINDS, error=error)


@pages.post("/<place_id>")
def change(place_id: str) -> ResponseReturnValue:
    try:
        body = _sent(api().send(calls.place(place_id)))
        api().send(calls.set_place(place_id, body))
    except (Invalid, ApiError) as error:
        return one(place_id, *refusal(error))
    saved = _("Saved. It counts from the next request in this place on.")
    return say_and_go(saved, url_for("admin_places.one", place_id=place_id))


@pages.post("/<place_id>/forget")
def forget(place_id: str) -> ResponseReturnValue:
    return act(
        calls.forget_place(place_id),
        lambda _none: _("The place and its settings are forgotten."),
        url_for("admin_places.one", place_id=place_id),
        url_for("admin_places.show"),
    )


def _sent(place: PlaceDetailOut) -> PlaceIn:
    """Return the whole form. Channels and roles are chosen among those that are known."""
    settings = place.settings
    hours = {name: typed(f"quiet_{name}") for name in HOURS}
    is_quiet = hours["since"] or hours["until"]
    channels = {one.id: one for one in (*place.chats, *settings.channels)}
    made = request.form.getlist("kinds")
    return read(
        PlaceIn,
        {
            "audience": typed("audience"),
            "guests_allowed": "guests_allowed" in request.form,
            "monthly_usd": typed("monthly_usd") or None,
            "daily_usd": typed("daily_usd") or None,
            "kinds_off": [
                *(kind for kind in KINDS if kind not in made),
                *(kind for kind in settings.kinds_off if kind not in KINDS),
            ],
            "models": _lines("models"),
            "spoiler": "spoiler" in request.form,
            "safe": "safe" in request.form,
            "blocked_words": _lines("blocked_words"),
            "quiet": hours if is_quiet else None,
            "language": typed("language") or None,
            "channels": _chosen("channels", channels),
            "roles": _chosen("roles", {one.id: one for one in settings.roles}),
        },
    )


def _lines(name: str) -> list[str]:
    return [line.strip() for line in request.form.get(name, "").splitlines() if line.strip()]


def _chosen(name: str, known: dict[str, Named]) -> list[Named]:
    return [known[each] for each in request.form.getlist(name) if each in known]
