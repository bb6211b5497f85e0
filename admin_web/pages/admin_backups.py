"""Backups, for admins: the list, a new one, and a download."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on
from admin_web.forms.acts import act
from admin_web.forms.filters import filters
from admin_web.security.admins import admin_page
from admin_web.security.reauth import FIELD
from admin_web.sessions.caller import api
from admin_web.words.language import _
from client import calls
from client.schemas.admin import BackupOut

pages = Blueprint("admin_backups", __name__, url_prefix="/admin/backups")

SORTS: dict[str, Callable[[BackupOut], Any]] = {
    "oldest": lambda one: one.created_at,
    "largest": lambda one: -one.size,
}
"""The newest come first by themselves."""


@pages.get("")
def show() -> ResponseReturnValue:
    """All backups on one page: they are never many."""
    found, kept = api().send(calls.backups()), filters(sort=SORTS)
    shown = sorted(found.items, key=SORTS[kept["sort"]]) if kept else found.items
    return admin_page(
        "admin/backups.html",
        backups=found,
        shown=shown,
        kept=kept,
        password_field=FIELD,
    )


@pages.post("")
def make() -> ResponseReturnValue:
    def words(made: BackupOut) -> str:
        return _("%(name)s is made.", name=made.name)

    return act(calls.make_backup(), words, url_for("admin_backups.show"))


@pages.post("/<name>/download")
def download(name: str) -> ResponseReturnValue:
    """The form brings the password, because the api wants a recent one."""
    return passed_on(api().open(calls.backup(name)))
