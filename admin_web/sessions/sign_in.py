"""Signing in: the session of this browser, and the token by which the api knows the browser
again."""

from contextlib import suppress
from typing import cast

from flask import Response, current_app, flash, redirect, request, session

from admin_web.sessions.caller import api, leave, safe_next, sessions, web_session
from admin_web.sessions.flask_session import as_tokens
from admin_web.settings import WebSettings
from admin_web.words.language import _, speak
from client import calls
from client.errors import ApiError
from client.schemas.auth import TokensOut

DEVICE_SECONDS = 180 * 86_400
"""As long as the api remembers a device."""


def known_device() -> str | None:
    """Return the token that the last sign-in left in this browser. With it, a stranger's guesses at
    the account do not lock its owner out."""
    return request.cookies.get(_name())


def enter(tokens: TokensOut, welcome: str = "") -> Response:
    """Sign in and lead to the page that the person wanted. `welcome`: a message for a new
    person."""
    leave()
    sessions().sign_in(web_session(), as_tokens(tokens))
    speak(tokens.user.language)
    with suppress(ApiError):
        session["time_zone"] = api().send(calls.preferences()).time_zone or ""
    if welcome:
        flash(_(welcome), "success")
    response = cast("Response", redirect(safe_next(request.form.get("next"))))
    if tokens.device_token is not None:
        secure = _is_https()
        response.set_cookie(
            _name(),
            tokens.device_token,
            max_age=DEVICE_SECONDS,
            path="/",
            secure=secure,
            httponly=True,
            samesite="Strict",
        )
    return response


def _name() -> str:
    return "__Host-device" if _is_https() else "device"


def _is_https() -> bool:
    settings: WebSettings = current_app.extensions["settings"]
    return settings.is_https
