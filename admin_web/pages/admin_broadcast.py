"""Broadcasts to every linked chat, for admins: preview, sending and progress."""

from typing import cast

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act, refusal
from admin_web.forms.fields import Invalid, idempotency_key, new_nonce, read
from admin_web.forms.filters import cursor, one_of
from admin_web.render import fragment
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.errors import PLATFORMS, FormError
from admin_web.words.language import _, ngettext
from client import calls
from client.errors import ApiError
from client.schemas import Platform
from client.schemas.admin import BroadcastIn, BroadcastOut

pages = Blueprint("admin_broadcast", __name__, url_prefix="/admin/broadcast")


@pages.get("/sent")
def sent() -> ResponseReturnValue:
    return fragment("admin/_broadcasts.html", **_sent())


@pages.post("/preview")
def preview() -> ResponseReturnValue:
    """Show the message as its readers will see it, and their number; nothing is sent."""
    try:
        body = _asked()
        planned = api().send(calls.plan_broadcast(body.text, _platforms()))
    except (Invalid, ApiError) as error:
        return show(*refusal(error))
    return show(planned=planned)


@pages.post("/send")
def send() -> ResponseReturnValue:
    try:
        body = _asked()
    except Invalid as invalid:
        return show(invalid.error, 422)

    def words(made: BroadcastOut) -> str:
        return ngettext(
            "It is on its way to %(n)s chat.", "It is on its way to %(n)s chats.", made.chats
        )

    return act(calls.broadcast(body, idempotency_key(body)), words, url_for("admin_broadcast.show"))


@pages.post("/<broadcast_id>/stop")
def stop(broadcast_id: str) -> ResponseReturnValue:
    def words(made: BroadcastOut) -> str:
        return ngettext(
            "It is stopped: %(n)s chat does not get it.",
            "It is stopped: %(n)s chats do not get it.",
            made.unsent,
        )

    return act(calls.stop_broadcast(broadcast_id), words, url_for("admin_broadcast.show"))


def _asked() -> BroadcastIn:
    text = request.form.get("text", "").replace("\r\n", "\n").strip()
    if not _platforms():
        missing = _("Choose at least one kind of chat.")
        raise Invalid(FormError(missing, fields={"platforms": missing}))
    return read(BroadcastIn, {"text": text, "platforms": _platforms()})


def _platforms() -> list[Platform]:
    chosen = request.form.getlist("platforms")
    return [cast("Platform", platform) for platform in PLATFORMS if platform in chosen]


@pages.get("")
def show(
    error: FormError | None = None, status: int = 200, planned: BroadcastOut | None = None
) -> ResponseReturnValue:
    shown = {
        "chosen": _platforms() if request.method == "POST" else list(PLATFORMS),
        "typed": request.form.get("text", ""),
        "nonce": request.form.get("nonce") or new_nonce(),
        "platforms": PLATFORMS,
        **_sent(),
    }
    return admin_page("admin/broadcast.html", status, error=error, planned=planned, **shown)


def _sent() -> dict[str, object]:
    sort = one_of({"oldest"}, "sort")
    found = api().send(calls.broadcasts(cursor=cursor(), sort=sort, limit=10))
    return {"found": found, "cursor": cursor(), "sort": sort}
