"""The bots' credentials, for admins: which are good, when they were last used, and a new one."""

from flask import Blueprint, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue

from admin_web import shown_once
from admin_web.api_http import ApiError
from admin_web.caller import api
from admin_web.render import page
from admin_web.words import PLATFORMS, in_words
from api.admin.schemas import RotatedOut

pages = Blueprint("admin_bots", __name__, url_prefix="/admin/bots")

SUBJECT = "bots"


@pages.get("")
def show() -> ResponseReturnValue:
    kept = shown_once.take(SUBJECT)
    good = [one for one in api().bot_credentials() if one.revoked_at is None]
    by_platform = {platform: [one for one in good if one.platform == platform] for platform in PLATFORMS}
    return page("admin/bots.html", by_platform=by_platform, platforms=PLATFORMS, made=RotatedOut.model_validate(kept) if kept else None)


@pages.post("/<platform>/rotate")
def rotate(platform: str) -> ResponseReturnValue:
    if platform not in PLATFORMS:
        abort(404)
    try:
        shown_once.keep(SUBJECT, api().rotate_bot_credential(platform))
    except ApiError as error:
        if error.needs_person or error.status == 403:
            raise
        flash(in_words(error).sentence, "error")
    return redirect(url_for("admin_bots.show"))


@pages.post("/keys/<credential_id>/revoke")
def revoke(credential_id: str) -> ResponseReturnValue:
    try:
        api().revoke_bot_credential(credential_id)
    except ApiError as error:
        if error.needs_person or error.status == 403:
            raise
        flash(in_words(error).sentence, "error")
    else:
        flash("That key opens nothing any more.", "success")
    return redirect(url_for("admin_bots.show"))
