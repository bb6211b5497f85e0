"""The metrics of a process of the api: counts of this process, and figures of the database, of the
disk and of the backups at the moment of a look."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, Protocol

from prometheus_client import Gauge
from starlette.types import Scope
from structlog import get_logger

from api.admin.backups import Backups
from api.admin.schemas import BotOut
from api.admin.stats import Stats
from api.admin.warnings import Warnings
from api.budget.service import BudgetService
from api.db import Db
from api.ids import now
from api.media.service import MediaService
from api.places.service import PlaceService
from api.provider.types import ProviderError, Usage
from api.version import VERSION
from telemetry.metrics import STATEMENT_SECONDS, Capped, ProcessMetrics
from telemetry.spans import span

log = get_logger("provider")

UNKNOWN = "unknown"
SERIES_KEPT = 2_000
MODELS_MOST = 50
"""Of hundreds of models a studio uses a few; each that is used is a set of time series."""


class Studio(Protocol):
    """The services whose figures are shown."""

    @property
    def db(self) -> Db: ...
    @property
    def stats(self) -> Stats: ...
    @property
    def warnings(self) -> Warnings: ...
    @property
    def budget(self) -> BudgetService: ...
    @property
    def media(self) -> MediaService: ...
    @property
    def backups(self) -> Backups: ...
    @property
    def places(self) -> PlaceService: ...


class Metrics(ProcessMetrics):
    """One for each app: two in one process count apart."""

    def __init__(self) -> None:
        super().__init__(VERSION)
        self._models = Capped(MODELS_MOST)
        self._count_requests()
        self._count_provider()
        self._failures = self._counter(
            "background_failures", "Turns of background work that failed.", "work"
        )
        self._statements = self._histogram(
            "db_statement_seconds",
            "Time of a statement on its own, or of a whole transaction, with its waits.",
            "what",
            buckets=STATEMENT_SECONDS,
        )
        self._of_database()
        self._of_money()

    def _count_requests(self) -> None:
        self._requests = self._counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self._seconds = self._histogram(
            "http_request_seconds", "Time to the end of the answer.", "method", "route"
        )
        # to look a time series up takes ten times as long as to count in it
        self._requests_of = lru_cache(SERIES_KEPT)(self._requests.labels)
        self._seconds_of = lru_cache(SERIES_KEPT)(self._seconds.labels)

    def _count_provider(self) -> None:
        self._calls = self._counter(
            "provider_calls",
            "Calls to the AI provider, by what they were about.",
            "about",
            "model",
            "outcome",
        )
        self._call_seconds = self._histogram(
            "provider_call_seconds", "Time to the end of the call.", "about", "model"
        )
        self._calls_of = lru_cache(SERIES_KEPT)(self._calls.labels)
        self._call_seconds_of = lru_cache(SERIES_KEPT)(self._call_seconds.labels)
        self._tokens = self._counter(
            "tokens",
            "Tokens of answers, as the provider counts them; thinking is part of completion.",
            "model",
            "kind",
        )
        self._tokens_of = lru_cache(SERIES_KEPT)(self._tokens.labels)
        self._decoder_failures = self._counter(
            "decoder_failures",
            "Times that a file was too much for its decoder, or that none started.",
            "how",
        )
        self._password_mails = self._counter(
            "password_mails", "Mails for a forgotten password that somebody asked for.", "end"
        )

    def _of_database(self) -> None:
        self._jobs = self._gauge("jobs", "Jobs that are not over.", "kind", "state")
        self._job_age = self._gauge(
            "queue_age_seconds", "How long the oldest queued job waits.", "kind"
        )
        self._deliveries = self._gauge("deliveries", "Rows of the outbox.", "platform", "state")
        self._delivery_age = self._gauge(
            "delivery_age_seconds", "How long the oldest pending delivery is due.", "platform"
        )
        self._bots = self._gauge(
            "bot_connected", "1 while the platform's bot asks for deliveries.", "platform"
        )
        self._bot_processes = self._gauge(
            "bot_processes",
            "Running processes of a bot: active with a part of the work of its own, or standby.",
            "platform",
            "state",
        )
        self._bot_leases = self._gauge(
            "bot_lease", "1 for each part of a bot's work that a process does.", "platform", "lease"
        )
        self._warnings = self._gauge(
            "warnings", "What needs a person, as on the admins' board.", "code"
        )
        self._db_load = self._gauge(
            "db_load",
            "PostgreSQL: connections used and idle, and the most there may be. "
            "DuckDB: writes that wait.",
            "what",
        )
        self._disk = self._gauge(
            "disk_free_bytes", "Free space of the disk that has the least to spare.", "disk"
        )
        self._places = self._gauge(
            "places", "Groups, channels and servers in which a bot was used.", "platform"
        )
        self._backup_age = self._gauge(
            "backup_age_seconds", "Age of the newest backup; none while there is no backup.", "kind"
        )

    def _of_money(self) -> None:
        self._spent = self._gauge("spent_usd", "Booked this month.", "scope")
        self._held = self._gauge("held_usd", "Reserved this month.", "scope")

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self._requests_of(scope["method"], route, status).inc()
        self._seconds_of(scope["method"], route).observe(seconds)

    def background_failed(self, work: str, times: int = 1) -> None:
        self._failures.labels(work).inc(times)

    def decoder_failed(self, how: str) -> None:
        self._decoder_failures.labels(how).inc()

    def password_mail(self, end: str) -> None:
        self._password_mails.labels(end).inc()

    @contextmanager
    def statement(self, what: Literal["read", "write", "transaction"]) -> Iterator[None]:
        with self._statements.labels(what).time(), span(f"db {what}", "client", inside=True):
            yield

    @contextmanager
    def call(self, path: str, model: str) -> Iterator[None]:
        """Count and time a call to the provider, and write it down when it is for a `model`: the
        others are questions. `path` is the provider's; only its first word is kept, for the rest
        may be an id."""
        about = path.strip("/").partition("/")[0].partition("?")[0]
        started, outcome = time.perf_counter(), "interrupted"
        try:
            with span(f"provider {about}", "client", inside=True, model=model or None):
                yield
            outcome = "ok"
        except ProviderError as error:
            outcome = error.code
            raise
        finally:
            seconds = time.perf_counter() - started
            known = self._models.label(model)
            self._calls_of(about, known, outcome).inc()
            self._call_seconds_of(about, known).observe(seconds)
            write = log.info if model else log.debug
            write(
                "provider_called",
                about=about,
                model=model or None,
                outcome=outcome,
                seconds=round(seconds, 3),
            )

    def used(self, model: str, usage: Usage) -> None:
        known = self._models.label(model)
        counted: Mapping[str, int | None] = {
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens,
            "thinking": usage.thinking_tokens,
        }
        for kind, number in counted.items():
            self._tokens_of(known, kind).inc(number or 0)

    async def look(self, studio: Studio) -> None:
        """Bring all figures up to date that are not counts of this process."""
        queue, deliveries = await studio.stats.queue(), await studio.stats.deliveries()
        budgets, bots = await studio.budget.shared(), await studio.stats.bots()
        warnings, space = await studio.warnings.now(), await studio.media.disk_space.tightest()
        backups = (await studio.backups.all(lately=True)).items
        self._clear()
        for each in queue:
            for state in ("queued", "processing", "needs_review"):
                self._jobs.labels(each.kind, state).set(getattr(each, state))
            self._job_age.labels(each.kind).set(each.waiting_seconds or 0)
        for row in deliveries:
            self._deliveries.labels(row.platform, row.state).set(row.count)
            if row.state == "pending":
                self._delivery_age.labels(row.platform).set(row.waiting_seconds or 0)
        for budget in budgets:
            self._spent.labels(budget.scope).set(float(budget.spent_usd))
            self._held.labels(budget.scope).set(float(budget.held_usd))
        for bot in bots:
            self._bot(bot)
        for warning in warnings:
            self._warnings.labels(warning.code).inc(warning.count)
        _set(self._db_load, studio.db.load)
        _set(self._places, await studio.places.counts())
        self._disk.labels("tightest").set(space.free)
        if backups:
            age = (now() - backups[0].created_at).total_seconds()
            self._backup_age.labels("database").set(max(0.0, age))

    def _clear(self) -> None:
        for gauge in (
            self._jobs,
            self._job_age,
            self._deliveries,
            self._delivery_age,
            self._spent,
            self._held,
            self._bots,
            self._bot_processes,
            self._bot_leases,
            self._warnings,
            self._db_load,
            self._disk,
            self._places,
            self._backup_age,
        ):
            gauge.clear()

    def _bot(self, bot: BotOut) -> None:
        self._bots.labels(bot.platform).set(bot.connected)
        for process in bot.processes:
            state = "active" if process.leases else "standby"
            self._bot_processes.labels(bot.platform, state).inc()
            for lease in process.leases:
                self._bot_leases.labels(bot.platform, lease).set(1)


def _set(gauge: Gauge, values: Mapping[str, float]) -> None:
    for label, value in values.items():
        gauge.labels(label).set(value)
