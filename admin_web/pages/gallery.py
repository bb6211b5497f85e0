"""Everything that was made, newest first: filters, and several at once."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.render import fragment, page
from admin_web.sessions.caller import all_soon, api, expect_me, is_script
from admin_web.words.language import N_, _, ngettext, zone
from client import calls
from client.errors import ApiError
from client.schemas import Page
from client.schemas.generations import GenerationOut, UsedModelOut

pages = Blueprint("gallery", __name__, url_prefix="/gallery")

KINDS = {"image", "video"}
SOURCES = {
    "web": N_("Web"),
    "api": N_("API"),
    "telegram": "Telegram",
    "discord": "Discord",
    "terminal": "Terminal",
}
AT_ONCE = 100
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as the page's address has them; what makes no sense is dropped."""

    kind: str
    show: str
    q: str
    model: str
    source: str
    favourite: str
    since: str
    until: str

    def address(self) -> dict[str, Any]:
        """For links that keep the filters."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    @property
    def is_filtered(self) -> bool:
        return any((self.q, self.model, self.source, self.favourite, self.since, self.until))

    @property
    def hidden_count(self) -> int:
        """How many of the filters are set that only show when they are opened."""
        return sum(map(bool, (self.model, self.source, self.since, self.until, self.show)))

    def asked(self) -> dict[str, str | None]:
        """For the api: days of the person's zone as moments, `until` with its whole day."""
        return {
            "kind": self.kind,
            "status": None if self.show == "all" else "completed",
            "q": self.q,
            "model": self.model,
            "source": self.source,
            "favourite": self.favourite,
            "since": _moment(self.since),
            "until": _moment(self.until, after=True),
        }


@pages.get("")
def show() -> ResponseReturnValue:
    chosen = _chosen()
    cursor = request.args.get("cursor") or None
    if is_script():
        return fragment("gallery/_tiles.html", found=_found(chosen, cursor), chosen=chosen)
    expect_me()
    models = all_soon(calls.used_models())
    found = _found(chosen, cursor)
    return page(
        "gallery/show.html",
        found=found,
        chosen=chosen,
        cursor=cursor,
        models=_or_none(models),
        sources=SOURCES,
    )


@pages.post("/delete")
def delete() -> ResponseReturnValue:
    ids = _ids()
    if ids and request.form.get("sure") != "yes":
        sentence = ngettext(
            "%(n)s result is deleted for good, with its files.",
            "%(n)s results are deleted for good, with their files.",
            len(ids),
        )
        kept = [("sure", "yes"), *(("ids", one) for one in ids)]
        return page("confirm.html", sentence=sentence, yes=_("Delete"), kept=kept)
    if ids:
        done = api().send(calls.delete_generations(ids))
        said = ngettext("%(n)s deleted.", "%(n)s deleted.", len(done.deleted))
        flash(
            said if not done.kept else f"{said} {_('What is still being made was kept.')}",
            "success",
        )
    there = url_for("gallery.show", **_chosen().address())
    return jsonify(go=there) if is_script() else redirect(there)


@pages.post("/zip")
def zip_files() -> ResponseReturnValue:
    ids = _ids()
    if not ids:
        flash(_("Choose some results first."), "info")
        return redirect(url_for("gallery.show"))
    stack = ExitStack()
    upstream = stack.enter_context(api().open(calls.zip_files(ids)))
    response = Response(upstream.iter_raw(CHUNK), content_type="application/zip")
    response.call_on_close(stack.close)
    for name in ("Content-Disposition", "Content-Length", "Content-Encoding"):
        if name in upstream.headers:
            response.headers[name] = upstream.headers[name]
    return response


def _ids() -> list[str]:
    return request.form.getlist("ids")[:AT_ONCE]


def _chosen() -> Chosen:
    def given(name: str) -> str:
        return request.args.get(name, "").strip()[:200]

    return Chosen(
        kind=given("kind") if given("kind") in KINDS else "",
        show="all" if given("show") == "all" else "",
        q=given("q"),
        model=given("model"),
        source=given("source") if given("source") in SOURCES else "",
        favourite="true" if given("favourite") == "true" else "",
        since=given("since") if _day(given("since")) else "",
        until=given("until") if _day(given("until")) else "",
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str, *, after: bool = False) -> str | None:
    day = _day(text)
    if day is None:
        return None
    with suppress(OverflowError):
        day += timedelta(days=1) if after else timedelta()
    return datetime.combine(day, time(), zone()).astimezone(UTC).isoformat()


def _found(chosen: Chosen, cursor: str | None) -> Page[GenerationOut]:
    return api().send(calls.generations(**chosen.asked(), cursor=cursor, limit=30))


def _or_none(models: Callable[[], list[UsedModelOut]]) -> list[UsedModelOut]:
    """What one can filter by: the models that the person has used. Without an answer there is one
    filter less."""
    try:
        return models()
    except ApiError as error:
        if error.needs_person:
            raise
        return []
