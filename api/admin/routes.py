"""`/admin`: the board, the audit log, broadcasts, backups, settings, the purge, the bots'
credentials."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import AwareDatetime

from api.admin import schemas
from api.admin.backups import Backups
from api.admin.broadcasts import Broadcasts
from api.admin.db_health import DbHealth
from api.admin.service import AdminService
from api.admin.stats import Stats
from api.admin.studio_settings import StudioSettings
from api.admin.warnings import Warnings
from api.auth.bots import BotService
from api.callers import AdminCaller, RecentAdminCaller
from api.deps import FromApp
from api.schemas import Page, Platform
from api.users.audit import AuditFilter

router = APIRouter(prefix="/admin", tags=["admin"])

AdminDep = FromApp[AdminService]
BackupsDep = FromApp[Backups]
BotsDep = FromApp[BotService]
BroadcastsDep = FromApp[Broadcasts]
DbHealthDep = FromApp[DbHealth]
StatsDep = FromApp[Stats]
StudioDep = FromApp[StudioSettings]
WarningsDep = FromApp[Warnings]

Word = Annotated[str | None, Query(max_length=254)]


async def _audit_filter(
    action: Word = None,
    actor_id: Word = None,
    subject: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    sort: Literal["newest", "oldest"] = "newest",
) -> AuditFilter:
    return AuditFilter(action, actor_id, subject, since, until, oldest_first=sort == "oldest")


AuditFilterDep = Annotated[AuditFilter, Depends(_audit_filter)]


@router.get("/stats")
async def stats(caller: AdminCaller, stats: StatsDep) -> schemas.StatsOut:
    """Return the figures of the whole studio, for the board."""
    return await stats.all()


@router.get("/health/db")
async def health_db(caller: AdminCaller, db_health: DbHealthDep) -> schemas.DbHealthOut:
    """503 when the database does not answer."""
    return await db_health.look()


@router.get("/warnings")
async def warnings(caller: AdminCaller, warnings: WarningsDep) -> schemas.WarningsOut:
    """Return the warnings, the gravest first."""
    return schemas.WarningsOut(items=await warnings.now())


@router.get("/bots")
async def bots(caller: AdminCaller, stats: StatsDep) -> Page[schemas.BotOut]:
    """Return the bots, one for each platform that has a key."""
    return Page(items=await stats.bots())


@router.get("/audit")
async def audit(
    caller: AdminCaller,
    admin: AdminDep,
    wanted: AuditFilterDep,
    cursor: Word = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[schemas.AuditOut]:
    """`subject` is the id of what it was done to; for accounts the e-mail address is as good as the
    id."""
    return await admin.audit(replace(wanted, cursor=cursor), limit)


@router.get("/audit.csv", response_class=StreamingResponse)
async def audit_csv(
    caller: AdminCaller, admin: AdminDep, wanted: AuditFilterDep
) -> StreamingResponse:
    """The same as a file for spreadsheets, all of it."""
    headers = {
        "Content-Disposition": 'attachment; filename="audit.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        await admin.audit_csv(wanted), headers=headers, media_type="text/csv; charset=utf-8"
    )


@router.post("/broadcast", status_code=202, responses={200: {"description": "A dry run."}})
async def broadcast(
    body: schemas.BroadcastIn,
    response: Response,
    caller: AdminCaller,
    broadcasts: BroadcastsDep,
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)
    ] = None,
) -> schemas.BroadcastOut:
    """Send a message to the private chats of everybody who linked one, a few a second."""
    if body.dry_run:
        response.status_code = 200
    return await broadcasts.send(body, actor_id=caller.user_id, key=key)


@router.get("/broadcasts")
async def broadcasts(
    caller: AdminCaller,
    broadcasts: BroadcastsDep,
    cursor: Word = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    sort: schemas.BroadcastSort = "newest",
) -> Page[schemas.BroadcastOut]:
    """Return the broadcasts, each with the number of chats that have it by now."""
    return await broadcasts.page(cursor, limit, sort)


@router.post("/broadcasts/{broadcast_id}/stop")
async def stop_broadcast(
    broadcast_id: str, caller: AdminCaller, broadcasts: BroadcastsDep
) -> schemas.BroadcastOut:
    """Stop the rest of a broadcast. 409 when nothing of it waits any more."""
    return await broadcasts.stop(broadcast_id, actor_id=caller.user_id)


@router.get("/backups")
async def backups(caller: AdminCaller, backups: BackupsDep) -> schemas.BackupsOut:
    return await backups.all()


@router.post("/backups", status_code=201)
async def make_backup(caller: AdminCaller, backups: BackupsDep) -> schemas.BackupOut:
    """Make a backup of the database with a list of the media files, while everything runs."""
    return await backups.make(caller.user_id)


@router.get("/backups/{name}", response_class=FileResponse)
async def backup(name: str, caller: RecentAdminCaller, backups: BackupsDep) -> Response:
    """The whole database: it needs a recent password, and is written to the audit log."""
    found = await backups.open(name, caller.user_id)
    headers = {"Cache-Control": "no-store"}
    if isinstance(found, Path):
        return FileResponse(found, media_type="application/zip", filename=name, headers=headers)
    size, content = found
    headers |= {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get("/settings")
async def settings(caller: AdminCaller, studio: StudioDep) -> schemas.StudioOut:
    return await studio.settings()


@router.put("/settings")
async def change_settings(
    body: schemas.StudioIn, caller: AdminCaller, studio: StudioDep
) -> schemas.StudioOut:
    return await studio.change(body, actor_id=caller.user_id)


@router.post("/tokens/purge")
async def purge(caller: AdminCaller, admin: AdminDep) -> schemas.PurgeOut:
    """Delete rows that are over for good, as happens by itself every hour."""
    return await admin.purge()


@router.get("/bot-credentials")
async def bot_credentials(caller: AdminCaller, bots: BotsDep) -> Page[schemas.BotCredentialOut]:
    """Return all credentials, the newest first."""
    return Page(items=await bots.credentials())


@router.post("/bot-credentials/{platform}/rotate", status_code=201)
async def rotate(platform: Platform, caller: AdminCaller, bots: BotsDep) -> schemas.RotatedOut:
    """Make a new key for the platform's bot. The one before works on until it is revoked, or until
    the next rotation."""
    return await bots.rotate(platform, actor_id=caller.user_id)


@router.delete("/bot-credentials/{credential_id}", status_code=204)
async def revoke(credential_id: str, caller: AdminCaller, bots: BotsDep) -> None:
    """Refuse this key from now on."""
    await bots.revoke(credential_id, actor_id=caller.user_id)
