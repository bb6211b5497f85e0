"""Accounts, for admins. The api decides on each call; these pages only ask."""

from collections.abc import Callable
from typing import cast

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.api_client import ApiError
from admin_web.caller import api
from admin_web.render import page
from admin_web.words import in_words
from api.users.schemas import Role

pages = Blueprint("admin_users", __name__, url_prefix="/admin/users")

ROLES = {"user", "admin"}


@pages.get("")
def show() -> ResponseReturnValue:
    q = request.args.get("q", "").strip()[:200]
    role = request.args.get("role", "")
    role = role if role in ROLES else ""
    cursor = request.args.get("cursor") or None
    return page("admin/users.html", found=api().users(q=q, role=role, cursor=cursor), q=q, role=role, cursor=cursor)


@pages.post("/<user_id>/role")
def set_role(user_id: str) -> ResponseReturnValue:
    role = request.form.get("role", "")
    if role not in ROLES:
        abort(400)
    done = "is now an admin" if role == "admin" else "is now a normal user"
    return _do(lambda: api().set_role(user_id, cast("Role", role)), f"{request.form.get('name', 'The account')} {done}.")


@pages.get("/<user_id>/delete")
def ask_delete(user_id: str) -> ResponseReturnValue:
    return page("admin/delete_user.html", person=api().user(user_id))


@pages.post("/<user_id>/delete")
def delete(user_id: str) -> ResponseReturnValue:
    return _do(lambda: api().delete_user(user_id), f"{request.form.get('name', 'The account')} is deleted.")


def _do(action: Callable[[], None], done: str) -> ResponseReturnValue:
    try:
        action()
    except ApiError as error:
        if error.status in {401, 403}:
            raise
        words = in_words(error)
        flash(f"{words.message} {words.hint}".strip(), "error")
    else:
        flash(done, "success")
    return redirect(url_for("admin_users.show"))
