"""`/metrics`, in Prometheus' text format: counts of this process, and figures of the database at
the moment of the request."""

import ipaddress
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import Scope

from api.admin.schemas import BotOut
from api.admin.stats import Stats
from api.admin.warnings import Warnings
from api.budget.service import BudgetService
from api.callers import CallersDep
from api.deps import FromApp
from api.errors import NotAllowed, NotAuthenticated
from api.provider.types import ProviderError

router = APIRouter(tags=["machines"])

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
UNKNOWN = "unknown"
PREFIX = "allucanget"


class Metrics:
    """One for each app: two in one process count apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self._seconds = self._histogram(
            "http_request_seconds", "Time to the end of the answer.", "method", "route"
        )
        self._calls = self._counter(
            "provider_calls",
            "Calls to the AI provider, by what they were about.",
            "about",
            "outcome",
        )
        self._call_seconds = self._histogram(
            "provider_call_seconds", "Time to the end of the call.", "about"
        )
        self._failures = self._counter(
            "background_failures", "Turns of background work that failed.", "work"
        )
        self._decoder_failures = self._counter(
            "decoder_failures", "Times that a file was too much for its decoder.", "how"
        )
        self._jobs = self._gauge("jobs", "Jobs that are not over.", "kind", "state")
        self._job_age = self._gauge(
            "queue_age_seconds", "How long the oldest queued job waits.", "kind"
        )
        self._deliveries = self._gauge("deliveries", "Rows of the outbox.", "platform", "state")
        self._delivery_age = self._gauge(
            "delivery_age_seconds", "How long the oldest pending delivery is due.", "platform"
        )
        self._spent = self._gauge("spent_usd", "Booked this month.", "scope")
        self._held = self._gauge("held_usd", "Reserved this month.", "scope")
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

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            name, text, labels, namespace=PREFIX, registry=self.registry, buckets=SECONDS
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self._requests.labels(scope["method"], route, status).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)

    def background_failed(self, work: str, times: int = 1) -> None:
        self._failures.labels(work).inc(times)

    def decoder_failed(self, how: str) -> None:
        self._decoder_failures.labels(how).inc()

    @contextmanager
    def provider_call(self, path: str) -> Iterator[None]:
        """Count and time a call. `path` is the provider's; only its first word is kept, for the
        rest may be an id."""
        about = path.strip("/").partition("/")[0]
        started, outcome = time.perf_counter(), "interrupted"
        try:
            yield
            outcome = "ok"
        except ProviderError as error:
            outcome = error.code
            raise
        finally:
            self._calls.labels(about, outcome).inc()
            self._call_seconds.labels(about).observe(time.perf_counter() - started)

    async def text(self, stats: Stats, warnings: Warnings, budgets: BudgetService) -> bytes:
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
        ):
            gauge.clear()
        for queue in await stats.queue():
            for state in ("queued", "processing", "needs_review"):
                self._jobs.labels(queue.kind, state).set(getattr(queue, state))
            self._job_age.labels(queue.kind).set(queue.waiting_seconds or 0)
        for each in await stats.deliveries():
            self._deliveries.labels(each.platform, each.state).set(each.count)
            if each.state == "pending":
                self._delivery_age.labels(each.platform).set(each.waiting_seconds or 0)
        for budget in await budgets.shared():
            self._spent.labels(budget.scope).set(float(budget.spent_usd))
            self._held.labels(budget.scope).set(float(budget.held_usd))
        for bot in await stats.bots():
            self._bot(bot)
        for warning in await warnings.now():
            self._warnings.labels(warning.code).inc(warning.count)
        return generate_latest(self.registry)

    def _bot(self, bot: BotOut) -> None:
        self._bots.labels(bot.platform).set(bot.connected)
        for process in bot.processes:
            state = "active" if process.leases else "standby"
            self._bot_processes.labels(bot.platform, state).inc()
            for lease in process.leases:
                self._bot_leases.labels(bot.platform, lease).set(1)


_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="An admin's access token; none from this machine.",
)


async def _reader(
    request: Request,
    callers: CallersDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    if _is_here(request):
        return
    if bearer is None:
        raise NotAuthenticated("sign_in_first")
    caller = await callers.caller(bearer.credentials)
    if caller.role != "admin" or caller.session_id is None:
        raise NotAllowed("admins_only")


def _is_here(request: Request) -> bool:
    """Tell whether a program of this machine asks, and not through a proxy of this machine."""
    try:
        here = ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
    return here and not any(name in request.headers for name in FORWARDED)


@router.get("/metrics", response_class=Response, dependencies=[Depends(_reader)])
async def metrics(
    counted: FromApp[Metrics],
    stats: FromApp[Stats],
    warnings: FromApp[Warnings],
    budgets: FromApp[BudgetService],
) -> Response:
    """Return the metrics for Prometheus: from this machine, or with an admin's token."""
    return Response(
        await counted.text(stats, warnings, budgets),
        media_type=CONTENT_TYPE_LATEST,
        headers={"Cache-Control": "no-store"},
    )
