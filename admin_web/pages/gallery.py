"""The gallery: a person's results, newest first, with filters and acts on several at once."""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on
from admin_web.forms.acts import go, say_and_go
from admin_web.forms.filters import Filters, cursor, day_of, day_start, filters
from admin_web.render import fragment, page
from admin_web.sessions.caller import all_soon, answer_or, api, expect_me, is_script, soon
from admin_web.words.errors import SOURCES
from admin_web.words.language import _, ngettext
from client import calls
from client.schemas import Page
from client.schemas.generations import GenerationOut

pages = Blueprint("gallery", __name__, url_prefix="/gallery")

KINDS = {"image", "video"}
AT_ONCE = 100


@pages.get("")
def show() -> ResponseReturnValue:
    kept = _kept()
    if is_script():
        return fragment("gallery/_tiles.html", found=_found(kept), kept=kept)
    expect_me()
    models, days = all_soon(calls.used_models()), soon(calls.kept())
    return page(
        "gallery/show.html",
        found=_found(kept),
        kept=kept,
        is_filtered=bool(kept.but(kind=None, show=None)),
        hidden_count=len(kept.but(kind=None, q=None, favourite=None)),
        cursor=cursor(),
        models=answer_or(models, []),
        days=answer_or(days, None),
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
        if done.kept:
            said += " " + _("What is still being made was kept.")
        flash(said, "success")
    return go(url_for("gallery.show", **_kept().but()))


@pages.post("/zip")
def zip_files() -> ResponseReturnValue:
    ids = _ids()
    if not ids:
        return say_and_go(_("Choose some results first."), url_for("gallery.show"), "info")
    return passed_on(api().open(calls.zip_files(ids)))


def _ids() -> list[str]:
    return request.form.getlist("ids")[:AT_ONCE]


def _kept() -> Filters:
    kept = filters(
        "q", "model", "since", "until", kind=KINDS, show={"all"}, source=SOURCES, favourite={"true"}
    )
    for name in ("since", "until"):
        if day_of(kept[name]) is None:
            kept.pop(name, None)
    return kept


def _found(kept: Filters) -> Page[GenerationOut]:
    """Days count in the person's zone, `until` with its whole day."""
    return api().send(
        calls.generations(
            kind=kept["kind"],
            status=None if kept["show"] == "all" else "completed",
            q=kept["q"],
            model=kept["model"],
            source=kept["source"],
            favourite=kept["favourite"],
            since=day_start(kept["since"]),
            until=day_start(kept["until"], after=1),
            cursor=cursor(),
            limit=30,
        )
    )
