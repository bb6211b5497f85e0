"""The name of a request, which goes with it through every process and stands in each log line of
its work.

A chat update, a page and a call of the api each get one, or bring one in `X-Request-Id`. A caller's
W3C `traceparent` is passed on beside it.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "X-Request-Id"
TRACE_HEADER = "traceparent"
_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{3,63}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_request_id() -> str:
    """Return nine characters that a person can read out and type."""
    number = secrets.randbelow(len(_ALPHABET) ** 9)  # asks the system once
    letters = []
    for _ in range(9):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


def request_id() -> str | None:
    """Return the id of the request that is being worked on."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


@contextmanager
def of_request(given: str | None = None, traceparent: str | None = None) -> Iterator[str]:
    """Work on a request: take its id and trace over where they are well-formed, else make an id."""
    trace = _TRACEPARENT.fullmatch(traceparent or "")
    token = _traceparent.set(trace[0] if trace else None)
    try:
        with bound_contextvars(**_fields(given, trace)):
            yield request_id() or ""
    finally:
        _traceparent.reset(token)


def given_trace() -> str | None:
    """Return the caller's `traceparent`."""
    return _traceparent.get()


def _fields(given: str | None, trace: re.Match[str] | None) -> dict[str, str]:
    """A caller who sends only a trace names the request by that."""
    if given and _WELL_FORMED.fullmatch(given):
        return {"request_id": given, **({"trace_id": trace[1]} if trace else {})}
    return {"request_id": trace[1] if trace else new_request_id()}


def passed_on(trace: str | None = None) -> Mapping[str, str]:
    """Return the headers by which the next process knows the request. `trace`: the `traceparent` of
    a span that is open here, in place of the caller's."""
    named, trace = request_id(), trace or given_trace()
    return {
        **({HEADER: named} if named else {}),
        **({TRACE_HEADER: trace} if trace else {}),
    }
