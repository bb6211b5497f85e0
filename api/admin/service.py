"""The audit log and the purge, which concern all domains."""

from collections.abc import AsyncIterator
from dataclasses import asdict, replace

import structlog

from api import ids
from api.admin.audit_csv import lines
from api.admin.schemas import AuditOut, PurgeOut
from api.auth.service import AuthService
from api.db import Db
from api.links.service import LinkService
from api.schemas import Page
from api.users import audit, throttle
from api.users.audit import AuditFilter
from api.users.erasure import AccountEraser
from api.users.service import UserService

log = structlog.get_logger("admin")

PURGE_SECONDS = 3600.0


class AdminService:
    def __init__(
        self,
        db: Db,
        users: UserService,
        eraser: AccountEraser,
        auth: AuthService,
        links: LinkService,
    ) -> None:
        self._db = db
        self._users = users
        self._eraser = eraser
        self._auth = auth
        self._links = links

    async def audit(self, wanted: AuditFilter, limit: int) -> Page[AuditOut]:
        """Return a page of the audit log. Actor and subject are ids, or accounts' e-mail
        addresses."""
        shown, cursor = await audit.page(self._db, await self._known(wanted), limit)
        return Page(items=[AuditOut.model_validate(one) for one in shown], next_cursor=cursor)

    async def audit_csv(self, wanted: AuditFilter) -> AsyncIterator[str]:
        """Return the whole log as CSV, in pieces."""
        return lines(self._db, await self._known(wanted))

    async def _known(self, wanted: AuditFilter) -> AuditFilter:
        actor, subject = [await self._id_of(name) for name in (wanted.actor_id, wanted.subject)]
        return replace(wanted, actor_id=actor, subject=subject)

    async def _id_of(self, name: str | None) -> str | None:
        """Return the id of an account by its address. An address without an account stays as it is:
        it finds nothing."""
        user = await self._users.find_by_email(name) if name and "@" in name else None
        return user.id if user else name

    async def purge(self) -> PurgeOut:
        """Delete rows that are over for good, and rows that late requests wrote for accounts that
        are gone."""
        await self._eraser.sweep()
        await self._links.sweep()
        done = await self._auth.purge()
        return PurgeOut(
            **asdict(done),
            link_codes=await self._links.purge(),
            throttles=await throttle.purge(self._db, ids.now()),
        )

    async def keep_purged(self) -> float:
        done = await self.purge()
        log.info("purged", **done.model_dump())
        return PURGE_SECONDS
