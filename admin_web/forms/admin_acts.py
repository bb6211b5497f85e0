"""What every page of admins does alike: an act and its answer, accounts by what was typed, days as
moments."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from flask import Response, abort, flash, redirect, request
from flask.typing import ResponseReturnValue

from admin_web.render import page
from admin_web.sessions.caller import api, expect_me, is_script, me
from admin_web.words.errors import in_words
from admin_web.words.language import N_, _, zone
from client import calls
from client.call import Call
from client.errors import ApiError

FORBIDDEN = 403

OF_OTHERS = {
    "budget_exceeded": N_(
        "The budget of this person, or one that all share, does not allow it. Raise it, then do "
        "this again."
    ),
    "too_many_jobs": N_(
        "This person has too many jobs under way. Wait until one is over, or cancel one."
    ),
    "price_unknown": N_("This model has no price. Set one under Models, then do this again."),
}
"""Where the usual words speak of one's own, and an admin acts for somebody else."""

T = TypeVar("T")


def only_admins() -> None:
    """Runs before every page: also a page that asks the api for nothing is not for others. The role
    is of this moment, never remembered. Of what is only looked at it comes while the page asks for
    the rest, which the api refuses to others as well."""
    if not (request.endpoint or "").startswith("admin_") or (
        request.method == "GET" and is_script()
    ):
        return
    if request.method == "GET":
        expect_me()
    else:
        _refuse_others()


def admin_page(template: str, status: int = 200, /, **values: object) -> Response:
    _refuse_others()
    return page(template, status, **values)


def _refuse_others() -> None:
    if me().role != "admin":
        abort(FORBIDDEN)


def act(call: Call[T], done: Callable[[T], str], back: str, then: str = "") -> ResponseReturnValue:
    """Do it, say what changed or why it did not, and go back, or on to `then` when it is done. What
    needs a person first, or is not theirs, is raised."""
    try:
        result = api().send(call)
    except ApiError as error:
        if error.needs_person or error.status == FORBIDDEN:
            raise
        flash(
            _(OF_OTHERS[error.code]) if error.code in OF_OTHERS else in_words(error).sentence,
            "error",
        )
    else:
        flash(done(result), "success")
        return redirect(then or back)
    return redirect(back)


def account_id(text: str) -> str | None:
    """The id of what was typed: an id itself, an e-mail address or a name; empty for nothing, None
    when no account is called so."""
    if not text:
        return ""
    try:
        return str(UUID(text))
    except ValueError:
        found = api().send(calls.users(q=text, role=None, limit=100)).items
    exact = [
        person
        for person in found
        if text.casefold() in {(person.email or "").casefold(), person.display_name.casefold()}
    ]
    hits = exact or found
    return hits[0].id if len(hits) == 1 else None


def asked(name: str, length: int = 100) -> str:
    """A filter out of the page's address."""
    return request.args.get(name, "").strip()[:length]


def one_of(words: set[str], name: str) -> str:
    wanted = request.args.get(name, "")
    return wanted if wanted in words else ""


def day_start(text: str, *, after: int = 0) -> datetime | None:
    """Midnight of a day such as 2026-11-22 in the person's zone, or of the day that many days
    later; None when it is no day."""
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except (ValueError, OverflowError):
        return None
    return datetime(day.year, day.month, day.day, tzinfo=zone())
