"""The api's FastAPI app: a list of all routers, and services that open and close with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp
from structlog import get_logger

from api import batch_routes, health, internal_routes, metrics_routes
from api.admin import routes as admin_routes
from api.auth import routes as auth_routes
from api.background import Turn
from api.bots import routes as bot_routes
from api.budget import routes as budget_routes
from api.catalog import routes as catalog_routes
from api.check_up import routes as check_up_routes
from api.deliveries import admin_routes as delivery_admin_routes
from api.deliveries import inbox_routes
from api.deliveries import routes as delivery_routes
from api.generations.accepting import routes as generation_routes
from api.generations.gallery import routes as gallery_routes
from api.generations.making import routes as webhook_routes
from api.generations.making.worker import WorkerTimes
from api.generations.operating import routes as generation_admin_routes
from api.joins import routes as join_routes
from api.links import routes as link_routes
from api.media import document_routes
from api.media import routes as media_routes
from api.media.decoders import Decoders
from api.metrics import Metrics
from api.middleware import Edge
from api.openapi import with_errors
from api.places import routes as place_routes
from api.problems import add_handlers
from api.retention import routes as retention_routes
from api.services import start
from api.settings import Settings
from api.shutdown import Stop
from api.sound import routes as sound_routes
from api.text import routes as text_routes
from api.users import routes as user_routes
from api.users.passwords import Cost
from api.version import VERSION
from telemetry import ending
from telemetry.exporter import exporter
from telemetry.pushed_metrics import EVERY_SECONDS
from telemetry.spans import collector

log = get_logger("api")

JSON_MAX = 1_000_000
ROUTES = (
    text_routes,
    sound_routes,
    auth_routes,
    user_routes,
    link_routes,
    join_routes,
    place_routes,
    bot_routes,
    catalog_routes,
    gallery_routes,
    generation_routes,
    media_routes,
    document_routes,
    delivery_routes,
    budget_routes,
    admin_routes,
    retention_routes,
    generation_admin_routes,
    delivery_admin_routes,
    inbox_routes,
    check_up_routes,
    webhook_routes,
    batch_routes,
    health,
    metrics_routes,
    internal_routes,
)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            with_errors(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        return Edge(super().build_middleware_stack(), self.state.metrics)


def _looking(app: FastAPI, metrics: Metrics) -> Turn:
    """Return a turn that brings the figures up to date for a collector, which never asks."""

    async def turn() -> float:
        await metrics.look(app.state.services)
        return EVERY_SECONDS / 2

    return turn


def create_app(
    settings: Settings,
    *,
    password_cost: Cost | None = None,
    times: WorkerTimes | None = None,
    decoders: Decoders | None = None,
) -> FastAPI:
    """`password_cost`, `times` and `decoders` are for tests: hashing as strong as it should be, and
    the start of a decoder, take 0.1 s and more."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # here, because uvicorn ends the process by the signal that it got
            stack.push_async_callback(asyncio.to_thread, ending.end)
            worker = (times or WorkerTimes()) if settings.worker == "inside" else None
            stop = Stop(settings.drain_seconds)
            app.state.services = await start(
                settings,
                stack,
                password_cost or Cost(),
                metrics,
                stop,
                worker=worker,
                decoders=decoders,
            )
            await stack.enter_async_context(metrics.watching_loop())
            exporter.serve(metrics.registry)
            if collector.endpoint is not None:
                app.state.services.background.add("metrics", _looking(app, metrics))
            log.info("api_ready")
            yield

    metrics = Metrics()
    app = _Api(
        title="All You Can GET AI",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=JSON_MAX,
    )
    app.state.metrics = metrics
    add_handlers(app)
    for module in ROUTES:
        # not include_router: it builds every route of a router a second time, at the first call
        # that passes by
        app.router.routes.extend(module.router.routes)
    health.add_docs(app)
    return app
