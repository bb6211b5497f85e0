"""Calls of admins about the studio: figures and warnings, everybody's jobs, the models, the shared
budgets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import httpx

from client.schemas import Kind, Page, Platform
from client.schemas.admin import (
    BackupOut,
    BackupsOut,
    BotOut,
    BroadcastIn,
    BroadcastOut,
    DbHealthOut,
    StatsOut,
    WarningOut,
    WarningsOut,
)
from client.schemas.budget import BreakdownOut, BudgetsOut, MySpendOut, SharedScope
from client.schemas.catalog import AdminModelOut, ModelChangeIn, NewModelIn, RefreshedOut
from client.schemas.deliveries import DeliveryRowOut
from client.schemas.generations import AdminGenerationOut, CountOut, PurgeIn, RefundIn, ResolveIn
from client.sync import SLOW, ApiHttp, address, check, parse, parse_list, query

SWEEPING = httpx.Timeout(60, connect=3)
"""For calls that go through many rows, or ask the provider for its lists."""


class OperatorCalls(ApiHttp):
    def stats(self) -> StatsOut:
        return parse(StatsOut, self.send("GET", "/admin/stats", timeout=SWEEPING))

    def warnings(self) -> list[WarningOut]:
        return parse(WarningsOut, self.send("GET", "/admin/warnings")).items

    def db_health(self) -> DbHealthOut:
        return parse(DbHealthOut, self.send("GET", "/admin/health/db"))

    def bots(self) -> list[BotOut]:
        return parse_list(BotOut, self.send("GET", "/admin/bots"))

    def spend_of(self, user_id: str, days: int = 31) -> MySpendOut:
        return parse(
            MySpendOut,
            self.send("GET", address("/admin/users/{}/spend", user_id), params=query(days=days)),
        )

    def spend_of_part(self, part: Mapping[str, str | None]) -> BreakdownOut:
        """`part`: `user_id`, `kind`, `model`, `since`, `until`; what is not there or None is
        any."""
        return parse(
            BreakdownOut, self.send("GET", "/admin/spend", params=query(**part), timeout=SWEEPING)
        )

    @contextmanager
    def spend_csv(self, part: Mapping[str, str | None]) -> Iterator[httpx.Response]:
        response = self.open(
            "GET",
            "/admin/spend.csv",
            params=query(**part),
            headers={"accept-encoding": "identity"},
            timeout=SLOW,
        )
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()

    # --- jobs

    def jobs(
        self,
        *,
        user_id: str | None = None,
        status: str | None = None,
        kind: str | None = None,
        model: str | None = None,
        needs_review: bool = False,
        q: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 25,
    ) -> Page[AdminGenerationOut]:
        params = query(
            user_id=user_id,
            status=status,
            kind=kind,
            model=model,
            q=q,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        times = query(
            since=since.isoformat() if since else None, until=until.isoformat() if until else None
        )
        review = {"needs_review": "true"} if needs_review else {}
        return parse(
            Page[AdminGenerationOut],
            self.send("GET", "/admin/generations", params={**params, **times, **review}),
        )

    def job(self, job_id: str) -> AdminGenerationOut:
        return parse(AdminGenerationOut, self.send("GET", address("/admin/generations/{}", job_id)))

    def cancel_job(self, job_id: str) -> AdminGenerationOut:
        return parse(
            AdminGenerationOut, self.send("POST", address("/admin/generations/{}/cancel", job_id))
        )

    def retry_job(self, job_id: str) -> AdminGenerationOut:
        """The new job."""
        return parse(
            AdminGenerationOut, self.send("POST", address("/admin/generations/{}/retry", job_id))
        )

    def resolve_job(self, job_id: str, body: ResolveIn) -> AdminGenerationOut:
        sent = body.model_dump(mode="json", exclude_none=True)
        return parse(
            AdminGenerationOut,
            self.send("POST", address("/admin/generations/{}/resolve", job_id), json=sent),
        )

    def refund_job(self, job_id: str, reason: str) -> AdminGenerationOut:
        body = RefundIn(reason=reason or None).model_dump(mode="json", exclude_none=True)
        return parse(
            AdminGenerationOut,
            self.send("POST", address("/admin/generations/{}/refund", job_id), json=body),
        )

    def delete_job(self, job_id: str) -> None:
        self.send("DELETE", address("/admin/generations/{}", job_id))

    def purge_jobs(self, body: PurgeIn) -> int:
        sent = body.model_dump(mode="json", exclude_none=True)
        return parse(
            CountOut, self.send("POST", "/admin/generations/purge", json=sent, timeout=SWEEPING)
        ).count

    def end_late_jobs(self) -> int:
        return parse(
            CountOut, self.send("POST", "/admin/generations/timed-out", timeout=SWEEPING)
        ).count

    # --- deliveries

    def deliveries(
        self,
        *,
        state: str | None = None,
        troubled: bool = False,
        platform: str | None = None,
        user_id: str | None = None,
        job_id: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 25,
    ) -> Page[DeliveryRowOut]:
        params = query(
            state=state,
            platform=platform,
            user_id=user_id,
            generation_id=job_id,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        only = {"troubled": "true"} if troubled else {}
        return parse(
            Page[DeliveryRowOut], self.send("GET", "/admin/deliveries", params={**params, **only})
        )

    def delivery(self, delivery_id: str) -> DeliveryRowOut:
        return parse(DeliveryRowOut, self.send("GET", address("/admin/deliveries/{}", delivery_id)))

    def retry_delivery(self, delivery_id: str) -> DeliveryRowOut:
        return parse(
            DeliveryRowOut, self.send("POST", address("/admin/deliveries/{}/retry", delivery_id))
        )

    def deliver_to_dm(self, delivery_id: str) -> DeliveryRowOut:
        return parse(
            DeliveryRowOut, self.send("POST", address("/admin/deliveries/{}/to-dm", delivery_id))
        )

    # --- models

    def all_models(
        self,
        *,
        kind: str | None = None,
        q: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[AdminModelOut]:
        params = query(kind=kind, q=q, sort=sort, cursor=cursor, limit=limit)
        return parse(Page[AdminModelOut], self.send("GET", "/admin/models", params=params))

    def any_model(self, model_id: str, kind: str) -> AdminModelOut:
        return parse(
            AdminModelOut,
            self.send("GET", address("/admin/models/{}", model_id), params={"kind": kind}),
        )

    def change_model(self, model_id: str, kind: Kind, change: ModelChangeIn) -> AdminModelOut:
        sent = change.model_dump(mode="json", exclude_unset=True)
        return parse(
            AdminModelOut,
            self.send(
                "PUT", address("/admin/models/{}", model_id), params={"kind": kind}, json=sent
            ),
        )

    def add_model(self, model: NewModelIn) -> AdminModelOut:
        return parse(
            AdminModelOut,
            self.send(
                "POST", "/admin/models", json=model.model_dump(mode="json", exclude_none=True)
            ),
        )

    def refresh_models(self) -> int:
        return parse(
            RefreshedOut, self.send("POST", "/admin/models/refresh", timeout=SWEEPING)
        ).count

    # --- shared budgets

    def budgets(self) -> BudgetsOut:
        return parse(BudgetsOut, self.send("GET", "/admin/budgets"))

    def set_shared_budget(self, scope: SharedScope, monthly_usd: Decimal | None) -> BudgetsOut:
        body = {"scope": scope, "monthly_usd": None if monthly_usd is None else str(monthly_usd)}
        return parse(BudgetsOut, self.send("PUT", "/admin/budgets", json=body))

    # --- broadcasts and backups

    def plan_broadcast(self, text: str, platforms: list[Platform]) -> BroadcastOut:
        """Whom it would reach; nothing is sent."""
        body = BroadcastIn(text=text, platforms=platforms, dry_run=True)
        return parse(
            BroadcastOut, self.send("POST", "/admin/broadcast", json=body.model_dump(mode="json"))
        )

    def broadcast(self, body: BroadcastIn, key: str) -> BroadcastOut:
        headers = {"idempotency-key": key}
        return parse(
            BroadcastOut,
            self.send(
                "POST", "/admin/broadcast", json=body.model_dump(mode="json"), headers=headers
            ),
        )

    def broadcasts(
        self, cursor: str | None = None, sort: str | None = None, limit: int = 10
    ) -> Page[BroadcastOut]:
        return parse(
            Page[BroadcastOut],
            self.send(
                "GET", "/admin/broadcasts", params=query(cursor=cursor, sort=sort, limit=limit)
            ),
        )

    def stop_broadcast(self, broadcast_id: str) -> BroadcastOut:
        return parse(
            BroadcastOut, self.send("POST", address("/admin/broadcasts/{}/stop", broadcast_id))
        )

    def backups(self) -> BackupsOut:
        return parse(BackupsOut, self.send("GET", "/admin/backups"))

    def make_backup(self) -> BackupOut:
        return parse(BackupOut, self.send("POST", "/admin/backups", timeout=SLOW))

    @contextmanager
    def backup(self, name: str) -> Iterator[httpx.Response]:
        response = self.open(
            "GET",
            address("/admin/backups/{}", name),
            headers={"accept-encoding": "identity"},
            timeout=SLOW,
        )
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()
