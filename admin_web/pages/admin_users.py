"""Accounts, for admins: roles, budgets, invitations, sessions. The api decides on each call."""

from typing import Any, cast

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act, refusal
from admin_web.forms.fields import Invalid, given, read
from admin_web.forms.filters import NAME_MAX, cursor, filters, one_of
from admin_web.security.admins import admin_page
from admin_web.sessions import shown_once
from admin_web.sessions.caller import api, soon
from admin_web.words.errors import FormError
from admin_web.words.language import _
from client import calls
from client.call import Call
from client.errors import ApiError
from client.schemas.users import NewUserIn, Role, SecretLinkOut, Status, UserBudgetIn

pages = Blueprint("admin_users", __name__, url_prefix="/admin/users")

ROLES = {"user", "admin"}
STATUSES = {"active", "disabled"}
STANDINGS = STATUSES | {"invited"}
SORTS = {"oldest", "name", "spent", "limit", "used"}
SESSION_SORTS = {"oldest", "seen"}


@pages.get("")
def show() -> ResponseReturnValue:
    kept = filters("q", role=ROLES, status=STANDINGS, sort=SORTS)
    found = api().send(calls.users(**kept.but(q=kept["q"][:NAME_MAX]), cursor=cursor(), limit=25))
    return admin_page("admin/users.html", found=found, kept=kept, cursor=cursor())


@pages.get("/invite")
def ask_invite(error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    return admin_page("admin/invite.html", status, error=error, values=request.form)


@pages.post("/invite")
def invite() -> ResponseReturnValue:
    try:
        invited = api().send(calls.invite(read(NewUserIn, given("email", "role", "monthly_usd"))))
    except (Invalid, ApiError) as error:
        return ask_invite(*refusal(error))
    shown_once.keep(invited.user.id, SecretLinkOut(**invited.model_dump(exclude={"user"})))
    return redirect(url_for("admin_users.person", user_id=invited.user.id))


@pages.post("/<user_id>/role")
def set_role(user_id: str) -> ResponseReturnValue:
    role = request.form.get("role", "")
    if role not in ROLES:
        abort(400)
    done = (
        _("%(name)s is now an admin.") if role == "admin" else _("%(name)s is now a normal user.")
    )
    return _do(user_id, calls.set_role(user_id, cast("Role", role)), done)


@pages.post("/<user_id>/status")
def set_status(user_id: str) -> ResponseReturnValue:
    status = request.form.get("status", "")
    if status not in STATUSES:
        abort(400)
    done = (
        _("%(name)s is disabled and signed out everywhere.")
        if status == "disabled"
        else _("%(name)s may sign in again.")
    )
    return _do(user_id, calls.set_status(user_id, cast("Status", status)), done)


@pages.post("/<user_id>/budget")
def set_budget(user_id: str) -> ResponseReturnValue:
    try:
        body = read(UserBudgetIn, given("monthly_usd"))
    except Invalid as invalid:
        return person(user_id, invalid.error, 422)
    call = calls.set_budget(user_id, body.monthly_usd)
    return _do(user_id, call, _("%(name)s has a new budget."))


@pages.post("/<user_id>/link")
def new_link(user_id: str) -> ResponseReturnValue:
    """Make a new invitation for a person who has not accepted the first one, else a password
    reset."""

    if api().send(calls.user(user_id)).invited:
        return _do(user_id, calls.invite_again(user_id))
    return _do(user_id, calls.reset_link(user_id))


@pages.post("/<user_id>/sessions/end")
def end_sessions(user_id: str) -> ResponseReturnValue:
    return _do(user_id, calls.end_sessions_of(user_id), _("%(name)s is signed out everywhere."))


@pages.post("/<user_id>/sessions/<session_id>/end")
def end_session(user_id: str, session_id: str) -> ResponseReturnValue:
    call = calls.end_session_of(user_id, session_id)
    return _do(user_id, call, _("That session of %(name)s is ended."))


@pages.get("/<user_id>/delete")
def ask_delete(user_id: str) -> ResponseReturnValue:
    return admin_page("admin/delete_user.html", person=api().send(calls.user(user_id)))


@pages.post("/<user_id>/delete")
def delete(user_id: str) -> ResponseReturnValue:
    there = url_for("admin_users.show")
    return _do(user_id, calls.delete_user(user_id), _("%(name)s is deleted."), then=there)


def _do(user_id: str, call: Call[Any], done: str = "", then: str = "") -> ResponseReturnValue:
    """Back to the person's page with a message, or on to `then` when it is done."""
    name = api().send(calls.user(user_id)).display_name or _("The account")

    def words(made: object) -> str:
        if isinstance(made, SecretLinkOut):
            shown_once.keep(user_id, SecretLinkOut(**made.model_dump(exclude={"user"})))
        return done % {"name": name}

    return act(call, words, url_for("admin_users.person", user_id=user_id), then)


@pages.get("/<user_id>")
def person(user_id: str, error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    sort = one_of(SESSION_SORTS, "sort")
    sessions = soon(calls.sessions_of(user_id, sort=sort, limit=20))
    spend = soon(calls.spend_of(user_id))
    jobs = soon(calls.jobs(user_id=user_id, limit=5))
    found = api().send(calls.user(user_id))
    kept = shown_once.take(user_id)
    secret = SecretLinkOut.model_validate(kept) if kept is not None else None
    return admin_page(
        "admin/user.html",
        status,
        person=found,
        sessions=sessions(),
        sort=sort,
        spend=spend(),
        jobs=jobs().items,
        secret=secret,
        link=_link(secret, is_invite=found.invited) if secret else "",
        error=error,
    )


def _link(secret: SecretLinkOut, *, is_invite: bool) -> str:
    """Return the link to hand over. The api knows the web's address only where PUBLIC_URL is set;
    the admin's browser has found the web in any case."""
    if secret.link is not None:
        return secret.link
    if is_invite:
        return url_for("joining.register", invite=secret.token, _external=True)
    return url_for("joining.reset", token=secret.token, _external=True)
