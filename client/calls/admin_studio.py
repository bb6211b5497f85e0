"""Calls of admins about the studio: figures, everybody's jobs, shared budgets, broadcasts,
backups."""

from datetime import datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from client.call import AS_IT_IS, LOOKING, MAKING, Call, Paging, paid, path, query
from client.calls.shell import CHECKING
from client.schemas import Page, Platform
from client.schemas import admin as schemas
from client.schemas.budget import BreakdownOut, BudgetIn, BudgetsOut, SharedScope
from client.schemas.check_up import CheckUpOut
from client.schemas.generations import (
    AdminGenerationOut,
    CountOut,
    PurgeIn,
    RefundIn,
    ResolveIn,
)
from client.schemas.retention import PreviewOut, RetentionIn, RetentionOut


def stats() -> Call[schemas.StatsOut]:
    return Call("GET", "/admin/stats", schemas.StatsOut, within=LOOKING)


def warnings() -> Call[schemas.WarningsOut]:
    return Call("GET", "/admin/warnings", schemas.WarningsOut)


def db_health() -> Call[schemas.DbHealthOut]:
    return Call("GET", "/admin/health/db", schemas.DbHealthOut)


def check_up() -> Call[CheckUpOut]:
    return Call("POST", "/admin/check-up", CheckUpOut, within=CHECKING)


def bots() -> Call[Page[schemas.BotOut]]:
    return Call("GET", "/admin/bots", Page[schemas.BotOut])


def studio() -> Call[schemas.StudioOut]:
    return Call("GET", "/admin/settings", schemas.StudioOut)


def change_studio(change: schemas.StudioIn) -> Call[schemas.StudioOut]:
    return Call("PUT", "/admin/settings", schemas.StudioOut, body=change)


def retention() -> Call[RetentionOut]:
    return Call("GET", "/admin/retention", RetentionOut)


def preview_retention(wanted: RetentionIn) -> Call[PreviewOut]:
    """Ask what would be deleted with these settings."""
    path = "/admin/retention/preview"
    return Call("POST", path, PreviewOut, body=wanted, within=LOOKING, harmless=True)


def change_retention(wanted: RetentionIn) -> Call[RetentionOut]:
    return Call("PUT", "/admin/retention", RetentionOut, body=wanted)


# --- jobs


class Jobs(Paging, total=False):
    user_id: str | None
    status: str | None
    kind: str | None
    model: str | None
    source: str | None
    phase: str | None
    needs_review: bool
    q: str | None
    since: datetime | None
    until: datetime | None


def jobs(**asked: Unpack[Jobs]) -> Call[Page[AdminGenerationOut]]:
    return Call("GET", "/admin/generations", Page[AdminGenerationOut], query=query(**asked))


def job(job_id: str) -> Call[AdminGenerationOut]:
    return Call("GET", path("/admin/generations/{}", job_id), AdminGenerationOut)


def cancel_job(job_id: str) -> Call[AdminGenerationOut]:
    return Call("POST", path("/admin/generations/{}/cancel", job_id), AdminGenerationOut)


def retry_job(job_id: str) -> Call[AdminGenerationOut]:
    """The new job."""
    return Call("POST", path("/admin/generations/{}/retry", job_id), AdminGenerationOut)


def resolve_job(job_id: str, body: ResolveIn) -> Call[AdminGenerationOut]:
    address = path("/admin/generations/{}/resolve", job_id)
    return Call("POST", address, AdminGenerationOut, body=body)


def refund_job(job_id: str, reason: str) -> Call[AdminGenerationOut]:
    address, body = path("/admin/generations/{}/refund", job_id), RefundIn(reason=reason or None)
    return Call("POST", address, AdminGenerationOut, body=body)


def delete_job(job_id: str) -> Call[None]:
    return Call("DELETE", path("/admin/generations/{}", job_id))


def purge_jobs(body: PurgeIn) -> Call[CountOut]:
    return Call("POST", "/admin/generations/purge", CountOut, body=body, within=LOOKING)


def end_late_jobs() -> Call[CountOut]:
    return Call("POST", "/admin/generations/timed-out", CountOut, within=LOOKING)


# --- money


class SpendWanted(TypedDict, total=False):
    """Empty and None: any."""

    user_id: str | None
    kind: str | None
    model: str | None
    since: str | None
    until: str | None


def spend_by(**asked: Unpack[SpendWanted]) -> Call[BreakdownOut]:
    return Call("GET", "/admin/spend", BreakdownOut, query=query(**asked), within=LOOKING)


def spend_csv(**asked: Unpack[SpendWanted]) -> Call[bytes]:
    wanted = query(**asked)
    return Call("GET", "/admin/spend.csv", bytes, query=wanted, headers=AS_IT_IS, within=MAKING)


def budgets() -> Call[BudgetsOut]:
    return Call("GET", "/admin/budgets", BudgetsOut)


def set_shared_budget(scope: SharedScope, monthly_usd: Decimal | None) -> Call[BudgetsOut]:
    body = BudgetIn(scope=scope, monthly_usd=monthly_usd)
    return Call("PUT", "/admin/budgets", BudgetsOut, body=body)


# --- broadcasts and backups


def plan_broadcast(text: str, platforms: list[Platform]) -> Call[schemas.BroadcastOut]:
    """Count the chats that it would reach; nothing is sent."""
    body = schemas.BroadcastIn(text=text, platforms=platforms, dry_run=True)
    return Call("POST", "/admin/broadcast", schemas.BroadcastOut, body=body)


def broadcast(body: schemas.BroadcastIn, key: str | None = None) -> Call[schemas.BroadcastOut]:
    return paid("/admin/broadcast", schemas.BroadcastOut, body, key)


def broadcasts(**asked: Unpack[Paging]) -> Call[Page[schemas.BroadcastOut]]:
    return Call("GET", "/admin/broadcasts", Page[schemas.BroadcastOut], query=query(**asked))


def stop_broadcast(broadcast_id: str) -> Call[schemas.BroadcastOut]:
    return Call("POST", path("/admin/broadcasts/{}/stop", broadcast_id), schemas.BroadcastOut)


def backups() -> Call[schemas.BackupsOut]:
    return Call("GET", "/admin/backups", schemas.BackupsOut)


def make_backup() -> Call[schemas.BackupOut]:
    return Call("POST", "/admin/backups", schemas.BackupOut, within=MAKING)


def backup(name: str) -> Call[bytes]:
    return Call("GET", path("/admin/backups/{}", name), bytes, headers=AS_IT_IS, within=MAKING)
