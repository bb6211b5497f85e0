"""Setup of the first admin, signing in and out, the password once more."""

from flask import Blueprint, Response, flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.render import public_page, ready
from admin_web.sessions.caller import anonymous, leave, safe_next, still_signed_in, web_session
from admin_web.sessions.sign_in import enter, known_device
from admin_web.words.errors import FormError, differing, in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.auth import ADMIN_PASSWORD_MIN
from client.words.language import N_

pages = Blueprint("auth", __name__)

_STILL_OPEN = N_(
    "This browser is signed out. The studio's engine did not answer, so a copy of this sign-in "
    "would still work: sign in again later and end it under Your sessions."
)


@pages.get("/setup")
def setup() -> ResponseReturnValue:
    return _setup(request.args.get("token", ""))


@pages.post("/setup")
def setup_submit() -> ResponseReturnValue:
    token, email, password = (request.form.get(name, "") for name in ("token", "email", "password"))
    if password != request.form.get("repeat", ""):
        return _setup(token, differing(_("The two passwords differ.")), 422)
    try:
        tokens = anonymous().send(calls.setup(token, email.strip(), password))
        return enter(tokens, welcome=N_("Your studio is ready. Make something!"))
    except ApiError as error:
        return _setup(token, in_words(error), error.status)


@pages.get("/login")
def login() -> ResponseReturnValue:
    if web_session().sid is not None and still_signed_in():
        return redirect(safe_next(request.args.get("next")))
    return _login()


@pages.post("/login")
def login_submit() -> ResponseReturnValue:
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    if not email or not password:
        return _login(FormError(_("Please type your e-mail address and your password.")), 422)
    try:
        return enter(anonymous().send(calls.login(email, password, known_device())))
    except ApiError as error:
        return _login(in_words(error), error.status)


@pages.post("/reauth")
def reauth() -> ResponseReturnValue:
    """Back to the page that needed the password, which `reauth.prove` has taken by now."""
    return redirect(safe_next(request.form.get("next")))


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    if not leave():
        flash(_(_STILL_OPEN), "info")
    response = make_response(redirect(url_for("auth.login")))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _login(error: FormError | None = None, status: int = 200) -> Response:
    answer = ready()
    return public_page(
        "auth/login.html",
        status,
        error=error,
        email=request.form.get("email", ""),
        next=request.values.get("next", ""),
        setup_needed=answer is not None and answer.setup_needed,
        signup=answer is not None and answer.web_signup == "open",
        mails=answer is not None and answer.mails_links,
        api_down=answer is None,
    )


def _setup(token: str, error: FormError | None = None, status: int = 200) -> Response:
    answer = ready()
    done = answer is not None and not answer.setup_needed
    return public_page(
        "auth/setup.html",
        status,
        token=token,
        error=error,
        done=done or (error is not None and error.code == "setup_done"),
        email=request.form.get("email", ""),
        minimum=ADMIN_PASSWORD_MIN,
    )
