"""Bots, for admins: their connections and their keys."""

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.security.admins import admin_page
from admin_web.sessions import shown_once
from admin_web.sessions.caller import all_soon, api
from admin_web.words.errors import PLATFORMS
from admin_web.words.language import _
from client import calls
from client.schemas.admin import RotatedOut

pages = Blueprint("admin_bots", __name__, url_prefix="/admin/bots")

SUBJECT = "bots"


@pages.get("")
def show() -> ResponseReturnValue:
    kept, bots = shown_once.take(SUBJECT), all_soon(calls.bots())
    good = [one for one in api().all(calls.bot_credentials()) if one.revoked_at is None]
    by_platform = {
        platform: [one for one in good if one.platform == platform] for platform in PLATFORMS
    }
    return admin_page(
        "admin/bots.html",
        by_platform=by_platform,
        connected={bot.platform: bot for bot in bots()},
        platforms=PLATFORMS,
        made=RotatedOut.model_validate(kept) if kept else None,
    )


@pages.post("/<platform>/rotate")
def rotate(platform: str) -> ResponseReturnValue:
    if platform not in PLATFORMS:
        abort(404)

    def words(made: RotatedOut) -> str:
        shown_once.keep(SUBJECT, made)
        return _("%(platform)s has a new key.", platform=PLATFORMS[platform])

    return act(calls.rotate_bot_credential(platform), words, url_for("admin_bots.show"))


@pages.post("/keys/<credential_id>/revoke")
def revoke(credential_id: str) -> ResponseReturnValue:
    def words(_gone: None) -> str:
        return _("That key opens nothing any more.")

    return act(calls.revoke_bot_credential(credential_id), words, url_for("admin_bots.show"))
