"""Linking a chat: a code from this page, entered in a private chat and confirmed on both sides."""

import io
from typing import cast

import segno
from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import say_and_go
from admin_web.render import fragment, page
from admin_web.sessions.caller import api, web_session
from admin_web.words.errors import PLATFORMS, in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas import Platform
from client.schemas.links import CodeOut

pages = Blueprint("links", __name__)


@pages.post("/profile/links")
def start() -> ResponseReturnValue:
    platform = request.form.get("platform", "")
    if platform not in PLATFORMS:
        abort(400)
    try:
        if platform != "terminal" and platform not in api().send(calls.connected_bots()).connected:
            said = _(
                "The %(platform)s bot is not running, so no chat could take a code. Please tell "
                "the person who runs this site.",
                platform=PLATFORMS[platform],
            )
            return say_and_go(said, _chats(), "error")
        code = api().send(calls.new_link_code(cast("Platform", platform)))
    except ApiError as error:
        if error.needs_person:
            raise
        return say_and_go(in_words(error).sentence, _chats(), "error")
    # the api shows the code once; the session keeps it sealed for the five minutes in which the
    # page may be reloaded
    web_session()["link_code"] = code.model_dump(mode="json")
    return redirect(url_for("links.show", code_id=code.id))


@pages.get("/profile/links/<code_id>")
def show(code_id: str) -> ResponseReturnValue:
    return page("profile/link.html", **_shown(code_id))


@pages.get("/profile/links/<code_id>/state")
def state(code_id: str) -> ResponseReturnValue:
    return fragment("profile/_link_state.html", **_shown(code_id))


@pages.get("/profile/links/<code_id>/qr.svg")
def qr(code_id: str) -> ResponseReturnValue:
    code = _held(code_id)
    if code is None or code.deep_link is None:
        abort(404)
    picture = io.BytesIO()
    segno.make(code.deep_link, error="m").save(
        picture, kind="svg", scale=6, border=3, light="#fff", svgclass=None, lineclass=None
    )
    return Response(picture.getvalue(), content_type="image/svg+xml")


@pages.post("/profile/links/<code_id>/confirm")
def confirm(code_id: str) -> ResponseReturnValue:
    try:
        api().send(calls.confirm_link(code_id))
    except ApiError as error:
        if error.needs_person:
            raise
        there = url_for("links.show", code_id=code_id)
        return say_and_go(in_words(error).sentence, there, "error")
    web_session().pop("link_code", None)
    said = _(
        "The chat is linked. What you make there and here is now in one gallery, on one budget."
    )
    return say_and_go(said, _chats())


@pages.post("/profile/links/<platform>/<platform_user_id>/unlink")
def unlink(platform: str, platform_user_id: str) -> ResponseReturnValue:
    api().send(calls.unlink(platform, platform_user_id))
    name = PLATFORMS.get(platform, platform)
    said = _("Unlinked from %(platform)s. It can no longer spend your budget.", platform=name)
    return say_and_go(said, _chats(), "info")


def _chats() -> str:
    return url_for("profile.show", _anchor="chats")


def _shown(code_id: str) -> dict[str, object]:
    state = api().send(calls.link_code(code_id))
    return {"state": state, "code": _held(code_id), "platforms": PLATFORMS}


def _held(code_id: str) -> CodeOut | None:
    held = web_session().get("link_code")
    if not isinstance(held, dict) or held.get("id") != code_id:
        return None
    return CodeOut.model_validate(held)
