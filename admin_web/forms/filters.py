"""The filters of a list, as they stand in the address of its page."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import request

from admin_web.sessions.caller import api
from admin_web.words.language import zone
from client import calls

TEXT_MAX = 200
NAME_MAX = 100
CENTURIES = (1970, 9000)


class Filters(dict[str, str]):
    """The filters that are set, by name; one that is not set reads as empty."""

    def __missing__(self, name: str) -> str:
        return ""

    def but(self, **other: str | None) -> dict[str, Any]:
        """Return these filters for a link, with `other` in place of some."""
        return {name: value for name, value in {**self, **other}.items() if value}


def filters(*texts: str, **words: Collection[str]) -> Filters:
    """Return the filters of this page's address: free texts, and words that have to be in a list.
    Any other word counts as not set."""
    found = {name: request.args.get(name, "").strip()[:TEXT_MAX] for name in texts}
    found |= {name: one_of(allowed, name) for name, allowed in words.items()}
    return Filters({name: value for name, value in found.items() if value})


def one_of(allowed: Collection[str], name: str) -> str:
    wanted = request.args.get(name, "")
    return wanted if wanted in allowed else ""


def cursor() -> str | None:
    """Return where in the list this page begins; None for its start."""
    return request.args.get("cursor") or None


def account_id(text: str) -> str | None:
    """Return the id of the account that was typed: an id itself, an e-mail address or a name. Empty
    for nothing, None when no single account is called so."""
    if not text:
        return ""
    try:
        return str(UUID(text))
    except ValueError:
        found = api().send(calls.users(q=text[:NAME_MAX], limit=100)).items
    typed = text.casefold()
    exact = [
        person
        for person in found
        if typed in {(person.email or "").casefold(), person.display_name.casefold()}
    ]
    hits = exact or found
    return hits[0].id if len(hits) == 1 else None


def day_of(text: str) -> date | None:
    """Return a day such as 2026-11-22; None when it is no day, or of another age."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if CENTURIES[0] < day.year < CENTURIES[1] else None


def day_start(text: str, *, after: int = 0) -> datetime | None:
    """Return midnight of a day in the person's zone, or of the day that many days later; None when
    it is no day."""
    day = day_of(text)
    if day is None:
        return None
    day += timedelta(days=after)
    return datetime(day.year, day.month, day.day, tzinfo=zone())
