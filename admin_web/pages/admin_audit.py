"""The audit log, for admins: who did what to whom."""

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue

from admin_web.downloads import passed_on
from admin_web.forms.filters import Filters, account_id, cursor, day_start, filters
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words import audit_log
from admin_web.words.errors import PLATFORMS
from admin_web.words.language import _
from client import calls
from client.calls.admin_accounts import AuditWanted
from client.schemas import Page
from client.schemas.admin import AuditOut

pages = Blueprint("admin_audit", __name__, url_prefix="/admin/audit")

PLACES = {
    "budget_limit_set": "admin_budgets.show",
    "models_refreshed": "admin_models.show",
    "generation_purge": "admin_jobs.show",
    "studio_settings": "admin_settings.show",
    "retention": "admin_retention.show",
    "retention_settings": "admin_retention.show",
    "backup_made": "admin_backups.show",
    "backup_download": "admin_backups.show",
    "backup_restore": "admin_backups.show",
    "broadcast": "admin_broadcast.show",
    "broadcast_stop": "admin_broadcast.show",
    "bot_key_rotate": "admin_bots.show",
    "bot_key_revoke": "admin_bots.show",
}
"""The page of the subject by the act, where the subject is no account and no job."""


@pages.get("")
def show() -> ResponseReturnValue:
    kept = _kept()
    wanted, unknown = _wanted(kept)
    found: Page[AuditOut] = (
        Page(items=[]) if unknown else api().send(calls.audit(cursor(), limit=25, **wanted))
    )
    shown = {"found": found, "kept": kept, "unknown": unknown, "cursor": cursor()}
    return admin_page("admin/audit.html", **shown, told=audit_log, place=_place, thing=_thing)


@pages.get("/audit.csv")
def export() -> ResponseReturnValue:
    """Every entry that the filters leave, as a file for a spreadsheet."""
    wanted, unknown = _wanted(_kept())
    if unknown:
        abort(404)
    return passed_on(api().open(calls.audit_csv(**wanted)))


def _kept() -> Filters:
    return filters("actor", "subject", "action", "since", "until", sort={"oldest"})


def _wanted(kept: Filters) -> tuple[AuditWanted, list[str]]:
    """Return the filter for the api, and the words that name no account."""
    actor, subject = account_id(kept["actor"]), account_id(kept["subject"])
    wanted: AuditWanted = {
        "actor_id": actor,
        "action": kept["action"],
        "subject": subject,
        "since": day_start(kept["since"]),
        "until": day_start(kept["until"], after=1),
        "sort": kept["sort"],
    }
    return wanted, [
        kept[name] for name, found in (("actor", actor), ("subject", subject)) if found is None
    ]


def _place(entry: AuditOut) -> str:
    """Return the address of the subject's page, where the subject is no account."""
    if entry.action == "generation_delete":
        return ""
    if entry.action in {"model_added", "model_changed"}:
        return url_for(
            "admin_models.one",
            kind=(entry.after or {}).get("kind", "image"),
            model_id=entry.subject,
        )
    if entry.action in PLACES:
        return url_for(PLACES[entry.action])
    if entry.action.startswith("delivery_"):
        return url_for("admin_deliveries.one", delivery_id=entry.subject)
    return (
        url_for("admin_jobs.one", job_id=entry.subject)
        if entry.action.startswith("generation_")
        else ""
    )


def _thing(entry: AuditOut) -> str:
    """Name the subject where the words for the act do not name it; empty for a subject that has
    only an id."""
    if entry.subject in audit_log.SUBJECTS:
        return _(audit_log.SUBJECTS[entry.subject])
    platform = (entry.after or entry.before or {}).get("platform")
    if entry.action.startswith("bot_key_") and isinstance(platform, str):
        return PLATFORMS.get(platform, platform)
    if entry.action.startswith("broadcast"):
        return _("Broadcast")
    return entry.subject if entry.action.startswith(("backup_", "model_")) else ""
