"""Invitations, forgotten passwords and their resets, and sign-up where it is open."""

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import say_and_go
from admin_web.render import public_page, ready
from admin_web.sessions.caller import anonymous, leave
from admin_web.sessions.sign_in import enter
from admin_web.words.errors import FormError, differing, in_words
from admin_web.words.language import _, asked_for
from client import calls
from client.errors import ApiError
from client.schemas.auth import ADMIN_PASSWORD_MIN, PASSWORD_MIN, InviteeOut
from client.words.language import N_

pages = Blueprint("joining", __name__)


@pages.get("/register")
def register() -> ResponseReturnValue:
    return _register(request.args.get("invite", ""))


@pages.post("/register")
def register_submit() -> ResponseReturnValue:
    invite, email, password = (
        request.form.get(name, "") for name in ("invite", "email", "password")
    )
    if password != request.form.get("repeat", ""):
        return _register(invite, differing(_("The two passwords differ.")), 422)
    try:
        tokens = anonymous().send(calls.register(email.strip(), password, invite or None))
        return enter(tokens, welcome=N_("Welcome. Make something!"))
    except ApiError as error:
        return _register(invite, in_words(error), error.status)


@pages.get("/forgot")
def forgot() -> ResponseReturnValue:
    return _forgot()


@pages.post("/forgot")
def forgot_submit() -> ResponseReturnValue:
    """Answer the same for every address."""
    email = request.form.get("email", "").strip()
    if not email:
        return _forgot(FormError(_("Please type your e-mail address.")), 422)
    try:
        anonymous().send(calls.forgot(email, asked_for()))
    except ApiError as error:
        return _forgot(in_words(error), error.status)
    return public_page("auth/forgot.html", asked=email, mails=True)


@pages.get("/reset")
def reset() -> ResponseReturnValue:
    return _reset(request.args.get("token", ""))


@pages.post("/reset")
def reset_submit() -> ResponseReturnValue:
    token, password = request.form.get("token", ""), request.form.get("password", "")
    if password != request.form.get("repeat", ""):
        return _reset(token, differing(_("The two passwords differ.")), 422)
    try:
        anonymous().send(calls.reset(token, password))
    except ApiError as error:
        return _reset(token, in_words(error), error.status)
    # whoever was signed in here is not any more: the reset has ended every session of its account
    leave()
    said = _("Your password is changed. Sign in with the new one.")
    return say_and_go(said, url_for("auth.login"))


def _register(invite: str, error: FormError | None = None, status: int = 200) -> Response:
    invitee: InviteeOut | None = None
    closed = ""
    if invite:
        try:
            invitee = anonymous().send(calls.invitee(invite))
        except ApiError as refused:
            closed, status = in_words(refused).message, refused.status
    elif not _is_open():
        closed = _("New accounts are made by invitation here. Ask an admin for one.")
    return public_page(
        "auth/register.html",
        status,
        invite=invite,
        invitee=invitee,
        closed=closed,
        error=error,
        email=invitee.email if invitee else request.form.get("email", ""),
        minimum=invitee.password_min if invitee else PASSWORD_MIN,
    )


def _is_open() -> bool:
    answer = ready()
    return answer is not None and answer.web_signup == "open"


def _forgot(error: FormError | None = None, status: int = 200) -> Response:
    answer = ready()
    return public_page(
        "auth/forgot.html",
        status,
        error=error,
        email=request.form.get("email", request.args.get("email", "")),
        mails=answer is None or answer.mails_links,
    )


def _reset(token: str, error: FormError | None = None, status: int = 200) -> Response:
    used = error is not None and error.code == "not_found"
    minimum = {"minimum": PASSWORD_MIN, "admin_minimum": ADMIN_PASSWORD_MIN}
    return public_page("auth/reset.html", status, token=token, error=error, used=used, **minimum)
