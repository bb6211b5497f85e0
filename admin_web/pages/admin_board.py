"""The operations board: warnings, spend, the queue, and the health of every part."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.filters import one_of
from admin_web.render import fragment, ready
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import all_soon, api, soon
from admin_web.words.admin_warnings import alert
from client import calls
from client.errors import ApiError
from client.schemas.admin import DbHealthOut, StatsOut

pages = Blueprint("admin_board", __name__, url_prefix="/admin")

OPEN = {"queued", "processing"}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums for the large figures. Guests count as active people."""

    active: int
    invited: int
    disabled: int
    queued: int
    processing: int
    made: dict[str, dict[str, int]]
    """Count by kind and status, of jobs that are over."""


@pages.get("")
def show() -> ResponseReturnValue:
    return admin_page("admin/board.html", **_board())


@pages.get("/board")
def live() -> ResponseReturnValue:
    return fragment("admin/_board.html", **_board())


def _board() -> dict[str, object]:
    span = one_of({"today", "month"}, "span") or "month"
    warnings, bots, database = (
        soon(calls.warnings()),
        all_soon(calls.bots()),
        soon(calls.db_health()),
    )
    readiness = soon(calls.ready())
    stats = api().send(calls.stats())
    return {
        "stats": stats,
        "span": span,
        "spend": stats.today if span == "today" else stats.month,
        "totals": _totals(stats),
        "warnings": [alert(warning) for warning in warnings().items],
        "ready": ready(readiness),
        "database": _or_none(database),
        "bots": bots(),
        "here": url_for("admin_board.live", span=span),
    }


def _or_none(database: Callable[[], DbHealthOut]) -> DbHealthOut | None:
    """Return None while it does not answer: the rest of the board is worth showing."""
    try:
        return database()
    except ApiError as error:
        if error.unanswered or error.needs_person or error.status == 403:
            raise
        return None


def _totals(stats: StatsOut) -> Totals:
    made: dict[str, dict[str, int]] = {}
    for row in stats.generations:
        if row.status not in OPEN:
            of_kind = made.setdefault(row.kind, {})
            of_kind[row.status] = of_kind.get(row.status, 0) + row.count
    return Totals(
        active=sum(row.count for row in stats.users if row.status == "active" and not row.invited),
        invited=sum(row.count for row in stats.users if row.status == "active" and row.invited),
        disabled=sum(row.count for row in stats.users if row.status == "disabled"),
        queued=sum(row.queued for row in stats.queue),
        processing=sum(row.processing for row in stats.queue),
        made=made,
    )
