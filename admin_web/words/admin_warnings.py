"""Warnings of the board in words, with a link to the page where each is fixed."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask import url_for

from admin_web.words.admin_states import SCOPES
from admin_web.words.errors import PLATFORMS, trouble_words
from admin_web.words.formats import lasting, money
from admin_web.words.language import _, ngettext
from client.schemas.admin import WarningOut
from client.words.language import N_

ALL = 100
GRAVE = {
    "books_differ",
    "storage_full",
    "storage_unavailable",
    "disk_nearly_full",
    "provider_out_of_credit",
    "provider_down",
}
TITLES = {
    "needs_review": N_("Jobs need a decision"),
    "jobs_waiting": N_("Jobs wait in line"),
    "jobs_late": N_("Jobs take far too long"),
    "deliveries_dead": N_("Results reached no chat"),
    "deliveries_stuck": N_("Results wait for %(platform)s"),
    "budget_nearly_used": N_("%(scope)s: %(percent)s %% of the budget is used"),
    "provider_out_of_credit": N_("The AI provider is out of credit"),
    "provider_credit_low": N_("Little credit is left at the AI provider"),
    "provider_key_expiring": N_("The provider's key ends in %(days)s days"),
    "provider_down": N_("The AI provider cannot be reached"),
    "disk_nearly_full": N_("The disk is nearly full"),
    "storage_full": N_("The disk is full"),
    "storage_unavailable": N_("The store for files cannot be used"),
    "files_missing": N_("Pictures and videos are missing in the store"),
    "store_shared": N_("Others keep files in the same store"),
    "database_elsewhere": N_("The database lies in another place than at the last start"),
    "backup_place_away": N_("The bucket of the backups cannot be used"),
    "backup_no_room": N_("The disk has no room for the next backup"),
    "backup_missing": N_("There is no backup"),
    "backup_old": N_("The newest backup is %(days)s days old"),
    "books_differ": N_("The books do not add up"),
}
HINTS = {
    "needs_review": N_("The provider's answer was lost, and their money is held until you decide."),
    "jobs_waiting": N_(
        "The oldest has been waiting for %(time)s. Is a worker running, and does the provider "
        "answer?"
    ),
    "jobs_late": N_(
        "One has been made for %(time)s, much longer than usual. Look at what it waits for, or "
        "cancel it."
    ),
    "deliveries_dead": N_("%(platform)s refused them for good. See why, and send them again."),
    "deliveries_stuck": N_("The oldest has been due for %(time)s. Is the bot running?"),
    "budget_nearly_used": N_("At 100 %% every request is refused."),
    "provider_out_of_credit": N_(
        "Images and videos wait for a quarter of an hour, answers fail at once. Top the account "
        "up at the provider."
    ),
    "provider_credit_low": N_("%(left)s. Top the account up before it runs out."),
    "provider_key_expiring": N_("Make a new one there and set OPENROUTER_API_KEY."),
    "provider_down": N_("Jobs wait; nothing is lost. What it said: “%(detail)s”"),
    "disk_nearly_full": N_("%(free_mb)s MB are free. Delete old jobs, or make room."),
    "storage_full": N_(
        "%(free_mb)s MB are free. Below %(floor_mb)s MB nothing is made or answered any more. "
        "Make room, or add some."
    ),
    "storage_unavailable": N_(
        "Until it can, new files are kept on this machine's disk, and %(waiting)s wait there. "
        "What was said: “%(detail)s”"
    ),
    "files_missing": N_(
        "The store changed, and they stay in galleries until all are there. ./run media move "
        "--from OLD --to NEW brings those that the old store has, and ./run media forget gives the "
        "others up."
    ),
    "store_shared": N_(
        "Lost files are not cleared away. Give each installation its own MEDIA_URL, or delete "
        "the mark of one that is no more."
    ),
    "database_elsewhere": N_(
        "The next start will ask for ./run after-restore if its rows were restored, or for "
        "./run after-restore --same if the server was moved."
    ),
    "backup_place_away": N_("%(detail)s See BACKUP_URL and the keys of the bucket."),
    "backup_no_room": N_("%(lacking_mb)s MB are missing. Make room; it is then made by itself."),
    "backup_missing": N_("Make one now; it takes a moment."),
    "backup_old": N_("Make one now, or see why the schedule does not."),
    "books_differ": N_("Counters and ledger differ. Nothing is corrected by itself."),
}
PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "generations": ("admin_jobs.show", {"status": "review"}),
    "queue": ("admin_jobs.show", {"status": "queued", "sort": "oldest"}),
    "running": ("admin_jobs.show", {"status": "processing", "sort": "oldest"}),
    "deliveries": ("admin_deliveries.show", {"state": "dead"}),
    "budgets": ("admin_budgets.show", {}),
    "models": ("admin_models.show", {}),
    "health": ("admin_board.show", {"_anchor": "health"}),
    "backups": ("admin_backups.show", {}),
    "bots": ("admin_bots.show", {}),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """A warning as the board shows it."""

    title: str
    hint: str
    link: str
    grave: bool


def alert(warning: WarningOut) -> Alert:
    facts = dict(warning.facts)
    if "scope" in facts:
        facts["scope"] = _(SCOPES.get(facts["scope"], facts["scope"]))
    if "minutes" in facts:
        facts["time"] = lasting(timedelta(minutes=int(facts["minutes"])))
    if "left_usd" in facts:
        facts["left"] = money(Decimal(facts["left_usd"]))
    if "platform" in facts:
        facts["platform"] = PLATFORMS.get(facts["platform"], facts["platform"])
    if "reason" in facts:
        facts["detail"] = trouble_words(facts["reason"], facts)
    hint = HINTS[warning.code]
    endpoint, values = PLACES[warning.target]
    several = warning.count > 1
    counted = ngettext("%(n)s of them.", "%(n)s of them.", warning.count) if several else ""
    if warning.code == "budget_nearly_used" and int(facts["percent"]) >= ALL:
        hint = N_("Every request is refused until you raise the limit, or the month ends.")
    return Alert(
        _(TITLES[warning.code], **facts),
        f"{_(hint, **facts)} {counted}".strip(),
        url_for(endpoint, **values),
        warning.code in GRAVE,
    )
