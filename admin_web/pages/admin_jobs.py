"""Everybody's jobs, for admins: their states, the reasons of failures, and acts on them."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, current_app, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.forms.fields import Invalid, given, read
from admin_web.forms.filters import (
    Filters,
    account_id,
    cursor,
    day_of,
    day_start,
    filters,
)
from admin_web.render import fragment
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api, safe_next, soon
from admin_web.words import audit_log
from admin_web.words.admin_states import STATUSES
from admin_web.words.errors import FormError
from admin_web.words.formats import money
from admin_web.words.language import _, ngettext, zone
from client import calls
from client.schemas import Page
from client.schemas.catalog import AdminModelOut
from client.schemas.generations import AdminGenerationOut, CountOut, PurgeIn, ResolveIn
from client.words.language import N_

pages = Blueprint("admin_jobs", __name__, url_prefix="/admin/jobs")

MODEL_KINDS = ("image", "video")
MODELS_KEPT_SECONDS = 60
SORTS = {"oldest", "cost", "longest"}
FEW_DAYS = {"cost", "longest"}
DAY = timedelta(days=1)
SPAN = timedelta(days=7)
"""The days that are shown when sorted in one of these ways, as the api does it."""
OUTCOMES = {"failed_free", "failed_charged", "provider_id"}


@pages.get("")
def show() -> ResponseReturnValue:
    kept = _kept()
    listed = {kind: _models(kind) for kind in MODEL_KINDS if kept["kind"] in {"", kind}}
    table = _table(kept)
    models = {kind: models() for kind, models in listed.items()}
    return admin_page("admin/jobs.html", models=models, **table)


@pages.get("/table")
def table() -> ResponseReturnValue:
    """The table alone, for a page that keeps itself up to date."""
    return fragment("admin/_jobs.html", **_table(_kept()))


@pages.get("/clean-up")
def ask_clean_up() -> ResponseReturnValue:
    return admin_page("admin/clean_up.html", error=None, values={})


@pages.post("/purge")
def purge() -> ResponseReturnValue:
    try:
        body = read(PurgeIn, given("older_than_days", "status"))
    except Invalid as invalid:
        return admin_page("admin/clean_up.html", 422, error=invalid.error, values=request.form)

    def words(done: CountOut) -> str:
        return ngettext(
            "%(n)s old job is deleted, with its files.",
            "%(n)s old jobs are deleted, with their files.",
            done.count,
        )

    return act(calls.purge_jobs(body), words, url_for("admin_jobs.ask_clean_up"))


@pages.post("/timed-out")
def end_late() -> ResponseReturnValue:
    def words(done: CountOut) -> str:
        if not done.count:
            return _("No job is past its time. Nothing was changed.")
        return ngettext(
            "%(n)s job is ended as failed.", "%(n)s jobs are ended as failed.", done.count
        )

    return act(calls.end_late_jobs(), words, url_for("admin_jobs.ask_clean_up"))


@pages.get("/<job_id>")
def one(job_id: str, error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    return admin_page("admin/job.html", status, error=error, values=request.form, **_facts(job_id))


@pages.get("/<job_id>/live")
def live(job_id: str) -> ResponseReturnValue:
    return fragment("admin/_job.html", **_facts(job_id))


@pages.post("/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    def words(job: AdminGenerationOut) -> str:
        if job.phase == "done":
            return _("%(id)s is cancelled. Its money is given back.", id=job.short_id)
        return _(
            "%(id)s is cancelled for its user. The provider had started it, so its cost is still "
            "booked when it is known.",
            id=job.short_id,
        )

    return act(calls.cancel_job(job_id), words, _back(job_id))


@pages.post("/<job_id>/retry")
def retry(job_id: str) -> ResponseReturnValue:
    def words(job: AdminGenerationOut) -> str:
        said = N_("It is made again as %(id)s; the cost counts for %(name)s.")
        return _(said, id=job.short_id, name=job.user_name)

    return act(calls.retry_job(job_id), words, _back(job_id))


@pages.post("/<job_id>/resolve")
def resolve(job_id: str) -> ResponseReturnValue:
    if request.form.get("outcome") not in OUTCOMES:
        abort(400)
    wants_id = request.form["outcome"] == "provider_id"
    if wants_id and not request.form.get("provider_id", "").strip():
        missing = _("Please enter the provider's id.")
        return one(job_id, FormError(missing, fields={"provider_id": missing}), 422)
    try:
        body = read(ResolveIn, given("outcome", "provider_id") if wants_id else given("outcome"))
    except Invalid as invalid:
        return one(job_id, invalid.error, 422)

    def words(job: AdminGenerationOut) -> str:
        if wants_id:
            return _("%(id)s is followed at the provider again.", id=job.short_id)
        if body.outcome == "failed_charged":
            return _("%(id)s is ended as failed, and its estimate is booked.", id=job.short_id)
        return _("%(id)s is ended as failed. Its money is given back.", id=job.short_id)

    return act(calls.resolve_job(job_id, body), words, _back(job_id))


@pages.post("/<job_id>/refund")
def refund(job_id: str) -> ResponseReturnValue:
    def words(job: AdminGenerationOut) -> str:
        return _("%(sum)s is given back to %(name)s.", sum=money(job.cost_usd), name=job.user_name)

    reason = request.form.get("reason", "").strip()[:500]
    return act(calls.refund_job(job_id, reason), words, _back(job_id))


@pages.post("/<job_id>/delete")
def delete(job_id: str) -> ResponseReturnValue:
    short_id = api().send(calls.job(job_id)).short_id

    def words(_gone: None) -> str:
        return _("%(id)s is deleted, with its files.", id=short_id)

    return act(calls.delete_job(job_id), words, _back(job_id), then=url_for("admin_jobs.show"))


def _facts(job_id: str) -> dict[str, Any]:
    job = api().send(calls.job(job_id))
    trail = soon(calls.audit(subject=job.id, limit=20))
    deliveries = api().send(calls.deliveries(generation_id=job.id)).items if job.platform else []
    return {"job": job, "deliveries": deliveries, "trail": trail().items, "told": audit_log}


def _models(kind: str) -> Callable[[], list[AdminModelOut]]:
    """Return the models to filter by, up to a minute old: nobody filters by a newer one yet."""
    held = current_app.extensions.setdefault("models_to_filter_by", {})
    kept: dict[str, tuple[float, list[AdminModelOut]]] = held
    if kind in kept and time.monotonic() - kept[kind][0] < MODELS_KEPT_SECONDS:
        return lambda: kept[kind][1]
    coming = soon(calls.all_models(kind=kind))

    def listed() -> list[AdminModelOut]:
        kept[kind] = (time.monotonic(), coming().items)
        return kept[kind][1]

    return listed


def _back(job_id: str) -> str:
    return safe_next(request.form.get("next") or url_for("admin_jobs.one", job_id=job_id))


def _kept() -> Filters:
    return filters(
        "user", "model", "q", "since", "until", status=STATUSES, kind=MODEL_KINDS, sort=SORTS
    )


def _table(kept: Filters) -> dict[str, object]:
    user_id = account_id(kept["user"])
    found: Page[AdminGenerationOut] = Page(items=[])
    if user_id is not None:
        in_review = kept["status"] == "review"
        found = api().send(
            calls.jobs(
                limit=25,
                user_id=user_id,
                status="" if in_review else kept["status"],
                needs_review=in_review,
                kind=kept["kind"],
                model=kept["model"],
                q=kept["q"],
                since=day_start(kept["since"]),
                until=day_start(kept["until"], after=1),
                sort=kept["sort"],
                cursor=cursor(),
            )
        )
    return {
        "found": found,
        "kept": kept,
        "cursor": cursor(),
        "span": _span(kept),
        "is_narrow": bool(kept.but(status=None, sort=None)),
        "unknown_user": user_id is None,
        "here": url_for("admin_jobs.show", cursor=cursor(), **kept.but()),
    }


def _span(kept: Filters) -> tuple[date, date] | None:
    """Return the first and the last day that are shown, where not all days are."""
    if kept["sort"] not in FEW_DAYS:
        return None
    since, until = day_of(kept["since"]), day_of(kept["until"])
    last = until or (since + SPAN - DAY if since else datetime.now(zone()).date())
    earliest = last - SPAN + DAY
    return max(since or earliest, earliest), last
