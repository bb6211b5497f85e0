"""Pages and fragments out of templates, and the functions that every template can use."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, render_template, request, url_for

from admin_web.forms.options import grouped, shape
from admin_web.markdown import as_html
from admin_web.sessions.caller import anonymous, me
from admin_web.words import admin_states, formats
from admin_web.words.devices import program
from admin_web.words.errors import ENDINGS, charged, failure, not_taken, notice_words
from admin_web.words.options import label
from client import calls
from client.errors import ApiError
from client.schemas import PROMPT_MAX, ReadyOut
from client.schemas.generations import GenerationOut
from client.schemas.users import UserOut
from client.words.language import N_

READY_SECONDS = 15
LATE_SECONDS, LATE_TIMES = 600, 3
RUNNING = {"queued", "processing"}
_STATUS = {
    "queued": N_("In line"),
    "processing": N_("Being made"),
    "completed": N_("Ready"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}


def prepare(app: Flask) -> None:
    app.jinja_env.globals.update(
        status_words=_STATUS,
        running=RUNNING,
        progress=progress,
        elapsed=elapsed,
        is_late=is_late,
        theme=theme,
        option_label=label,
        prompt_max=PROMPT_MAX,
        grouped=grouped,
        shape=shape,
        failure=failure,
        charged=charged,
        notice_words=notice_words,
        endings=ENDINGS,
        is_sandbox=is_sandbox,
        words=admin_states,
        url_for=_url_for,
        not_taken=not_taken,
    )
    api_url = app.extensions["settings"].public_api_url
    app.jinja_env.globals["api_docs"] = f"{api_url}/docs" if api_url else ""
    app.jinja_env.filters.update(
        money=formats.money,
        left=left,
        ago=formats.ago,
        day=formats.day,
        moment=formats.moment,
        clock=formats.clock,
        document_size=formats.document_size,
        thought=formats.thought,
        duration=formats.duration,
        https=https,
        program=program,
        amount=formats.amount,
        price_words=formats.price_words,
        markdown=as_html,
        shared_file=shared_file,
        host=host,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _url_for(endpoint: str, **values: Any) -> str:
    return _built(request.root_path, endpoint, **values)


@lru_cache(10_000)
def _built(_root: str, endpoint: str, **values: Any) -> str:
    """Kept, because a page has about a hundred addresses, most of them the same as on the page
    before, and building one takes as long as a line of the template."""
    return url_for(endpoint, **values)


def host(url: str) -> str:
    """Return the host of an address, as the name of a link that has none."""
    return urlsplit(url).hostname or url


def page(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a full page, with header and balance; for these the profile is asked for."""
    return public_page(template, status, viewer=me(), **values)


def public_page(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a page for visitors, who have no profile."""
    return make_response(render_template(template, sandbox=is_sandbox(), **values), status)


def fragment(template: str, **values: object) -> str:
    return render_template(template, **values)


def ready(ask: Callable[[], ReadyOut] | None = None) -> ReadyOut | None:
    """Return the state that the api reports of itself; None when it does not answer. `ask`: waits
    for an answer that is under way already."""
    try:
        answer = (ask or partial(anonymous().send, calls.ready()))()
    except ApiError:
        return None
    current_app.extensions["ready"] = (time.monotonic(), answer)
    return answer


def is_sandbox() -> bool:
    """Tell whether results come from the sandbox, by an answer of at most 15 s ago: it changes with
    a restart only."""
    if "sandbox" not in g:
        held: tuple[float, ReadyOut] | None = current_app.extensions.get("ready")
        fresh = held is not None and time.monotonic() - held[0] < READY_SECONDS
        answer = held[1] if held is not None and fresh else ready()
        g.sandbox = answer is not None and answer.sandbox
    return bool(g.sandbox)


def theme() -> str:
    """Return the scheme chosen with the toggle; empty follows the system."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in {"light", "dark"} else ""


def left(person: UserOut) -> Decimal:
    """Return the rest of this month's budget, with running jobs counted in full."""
    return max(Decimal(0), person.monthly_usd - person.spent_usd - person.held_usd)


def elapsed(generation: GenerationOut) -> float:
    end = generation.finished_at or datetime.now(UTC)
    return max(0.0, (end - (generation.started_at or generation.created_at)).total_seconds())


def is_late(generation: GenerationOut) -> bool:
    """Tell whether a job takes far longer than such jobs usually do, by the same measure as the
    board's warning (`api/admin/warnings.py`)."""
    usual = generation.typical_seconds
    return (
        generation.status == "processing"
        and usual is not None
        and elapsed(generation) > max(LATE_SECONDS, LATE_TIMES * usual[0])
    )


def progress(generation: GenerationOut) -> float | None:
    """Estimate the progress from 0 to 0.95 by the usual time of such jobs; None when nobody knows
    it."""
    if generation.typical_seconds is None or generation.status != "processing":
        return None
    return min(0.95, elapsed(generation) / max(1, generation.typical_seconds[1]))


def https(address: str | None) -> str:
    """Return an https address as it is, and anything else as empty."""
    return address if address and urlsplit(address).scheme == "https" else ""


def shared_file(address: str) -> str:
    """Turn a signed address of the api into one of this site that needs no sign-in."""
    return url_for("sharing.media", media_id="") + address.removeprefix("/media/")
