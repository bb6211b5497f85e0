"""A result for others to see: links that end, the public page behind them, and the person's own
chats."""

from flask import Blueprint, abort, jsonify, make_response, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on, wanted
from admin_web.forms.acts import say_and_go
from admin_web.forms.fields import Invalid, idempotency_key, new_nonce, read
from admin_web.render import fragment
from admin_web.sessions.caller import all_soon, anonymous, api, is_script
from admin_web.words.errors import PLATFORMS
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.deliveries import SendIn
from client.schemas.generations import GenerationOut, ShareOut
from client.schemas.links import LinkOut
from client.words.language import N_

pages = Blueprint("sharing", __name__)

UNAUTHORIZED = 401
HOURS = {24: N_("for a day"), 7 * 24: N_("for a week"), 30 * 24: N_("for a month")}


@pages.post("/generations/<generation_id>/share")
def share(generation_id: str) -> ResponseReturnValue:
    hours = request.form.get("hours", type=int)
    if hours not in HOURS:
        abort(400)
    api().send(calls.share(generation_id, hours))
    said = _("The link is made. Whoever has it sees this result until it ends.")
    return _back(generation_id, said)


@pages.post("/generations/<generation_id>/shares/<share_id>/end")
def unshare(generation_id: str, share_id: str) -> ResponseReturnValue:
    api().send(calls.unshare(generation_id, share_id))
    return _back(generation_id, _("The link does not work any more."))


@pages.post("/generations/<generation_id>/send")
def send(generation_id: str) -> ResponseReturnValue:
    platform, _slash, person = request.form.get("chat", "").partition("/")
    try:
        ask = read(SendIn, {"platform": platform, "platform_user_id": person or None})
    except Invalid:
        abort(400)
    sent = api().send(calls.send_to_chat(generation_id, ask, idempotency_key(ask)))
    name = PLATFORMS.get(sent.platform, sent.platform)
    return _back(
        generation_id, _("On its way to %(chat)s in %(platform)s.", chat=sent.chat, platform=name)
    )


@pages.get("/shared/<token>")
def shared(token: str) -> ResponseReturnValue:
    """For anybody who has the link."""
    try:
        found = anonymous().send(calls.shared(token))
    except ApiError as error:
        if error.status != 404 or error.unanswered:
            raise
        return make_response(fragment("shared.html", found=None), 404)
    response = make_response(fragment("shared.html", found=found))
    # a link is for those it was given to, not for search engines
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@pages.get("/shared/media/<media_id>")
def media(media_id: str) -> ResponseReturnValue:
    """A file of a shared result, which the api gives out for the signature in its address."""
    try:
        return passed_on(anonymous().open(calls.media(media_id, *wanted())))
    except ApiError as error:
        if error.status != UNAUTHORIZED or error.unanswered:
            raise
        # the page was open for too long: opened again it has fresh addresses
        abort(404)


def facts(generation: GenerationOut) -> dict[str, object]:
    """Return the values with which the page of a finished result offers it to others."""
    links: list[LinkOut] = []
    shares: list[ShareOut] = []
    if generation.status == "completed":
        known = all_soon(calls.shares(generation.id))
        links, shares = api().all(calls.links()), known()
    return {"links": links, "shares": shares, "share_hours": HOURS, "share_address": address_of}


def address_of(share: ShareOut) -> str:
    return share.url or url_for("sharing.shared", token=share.token, _external=True)


def _back(generation_id: str, said: str) -> ResponseReturnValue:
    if is_script():
        generation = api().send(calls.generation(generation_id))
        shown = {"generation": generation, "nonce": new_nonce(), **facts(generation)}
        return jsonify(toast=said, html=fragment("generations/_share.html", **shown))
    there = url_for("generations.show", generation_id=generation_id, _anchor="share")
    return say_and_go(said, there)
