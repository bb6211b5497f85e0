"""The api process: builds every service once, opens and closes them with the app, lists every
router by hand."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import ASGIApp
from structlog import get_logger

from api import command_line, health
from api import metrics as metrics_routes
from api.admin import routes as admin_routes
from api.admin.backups import AGAIN_AFTER
from api.admin.board import board_of
from api.admin.service import AdminService
from api.auth import routes as auth_routes
from api.auth.service import AuthService
from api.auth.tokens import TokenSigner
from api.background import Background
from api.budget import routes as budget_routes
from api.budget.anonymiser import Anonymiser
from api.budget.service import BudgetService
from api.budget.spending import Spending
from api.catalog import routes as catalog_routes
from api.catalog.service import REREAD_SECONDS, RETRY_FIRST, Catalog
from api.database import open_database
from api.db import Db
from api.deliveries import admin_routes as delivery_admin_routes
from api.deliveries import inbox_routes
from api.deliveries import routes as delivery_routes
from api.deliveries.admin import DeliveryAdmin
from api.deliveries.inbox import Inbox
from api.deliveries.owners import Accounts
from api.deliveries.service import DeliveryService
from api.deps import Services
from api.errors import StorageFull, StorageUnavailable
from api.generations.accepting import routes as generation_routes
from api.generations.accepting.service import GenerationService
from api.generations.gallery import routes as gallery_routes
from api.generations.gallery.service import Gallery
from api.generations.making import webhooks
from api.generations.making.late_costs import ASKED_EVERY, LateCosts
from api.generations.making.steps import Callbacks, Steps
from api.generations.making.sweep import Sweeper
from api.generations.making.webhooks import Webhooks
from api.generations.making.worker import Times, Worker
from api.generations.operating import routes as generation_admin_routes
from api.generations.operating.service import GenerationAdmin
from api.generations.reader import GenerationReader
from api.links import routes as link_routes
from api.links.service import LinkService
from api.mail import Mailer
from api.media import routes as media_routes
from api.media.disk_space import Room
from api.media.fetcher import ImageFetcher
from api.media.service import MediaService
from api.media.storage import MediaStore
from api.metrics import Metrics
from api.middleware import Edge
from api.openapi import with_errors
from api.problems import add_handlers
from api.provider.openrouter import OpenRouter
from api.provider.types import Provider
from api.schemas import micro
from api.secrets import Secrets, ensure_secrets, renew_bot_key
from api.settings import Settings
from api.shutdown import Stop
from api.start_errors import CannotStart
from api.text import routes as text_routes
from api.text.service import TextService
from api.users import routes as user_routes
from api.users.export import ExportService
from api.users.passwords import Cost, Passwords
from api.users.preferences import Preferences
from api.users.service import Eraser, UserService
from api.version import VERSION
from api.wake import Wake

log = get_logger("api")

JSON_MAX = 1_000_000
SANDBOX_KEY = "sandbox"
ROUTES = (
    auth_routes,
    user_routes,
    link_routes,
    catalog_routes,
    gallery_routes,
    generation_routes,
    text_routes,
    media_routes,
    delivery_routes,
    budget_routes,
    admin_routes,
    generation_admin_routes,
    delivery_admin_routes,
    inbox_routes,
    webhooks,
    health,
    metrics_routes,
    command_line,
)


_Built = tuple[Services, Steps]


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            with_errors(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        return Edge(super().build_middleware_stack(), self.state.metrics)


def create_app(
    settings: Settings, *, password_cost: Cost | None = None, times: Times | None = None
) -> FastAPI:
    """`password_cost` and `times` are for tests: hashing as strong as it should be takes 0.1 s."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            worker = (times or Times()) if settings.worker == "inside" else None
            stop = Stop(settings.drain_seconds)
            app.state.services = await start(
                settings, stack, password_cost or Cost(), metrics, stop, worker=worker
            )
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


async def start(
    settings: Settings,
    stack: AsyncExitStack,
    cost: Cost,
    metrics: Metrics,
    stop: Stop,
    *,
    worker: Times | None,
) -> Services:
    """Opens everything on `stack`, in the order in which it has to be closed backwards. `worker`:
    this process makes jobs, at this pace. Raises `CannotStart`."""
    secrets = ensure_secrets(settings.data_dir)
    db = await open_database(settings)
    stack.push_async_callback(db.close)
    provider = _provider(settings, metrics)
    stack.push_async_callback(provider.close)
    services, steps = _build(settings, secrets, db, provider, metrics, cost, stop)
    await services.auth.bots.adopt_keys(secrets.bot_keys)
    await services.catalog.load()
    await services.deliveries.start()
    await services.text.start()
    stack.push_async_callback(services.text.close)
    stack.push_async_callback(services.media.close)
    await services.media.look()
    if (why := await services.media.refused()) is not None:
        raise _no_store(settings, why)
    stack.push_async_callback(services.background.close)
    _keep_up(services)
    if worker is not None:
        making = Worker(db, services.wake, steps, sweeper_of(services), stop, worker)
        await making.start(services.background)
        services.background.add(
            "late-costs", LateCosts(db, provider, services.budget).run, first=ASKED_EVERY
        )
        stack.push_async_callback(making.close)
    return services


def _keep_up(services: Services) -> None:
    """What every process does beside its calls."""
    add = services.background.add
    add("models", services.catalog.keep_fresh, least=RETRY_FIRST)
    if services.db.engine == "postgresql":
        add("models-read", services.catalog.keep_read, first=REREAD_SECONDS)
    add("text-holds", services.text.sweep)
    add("text-prices", services.text.lookups.turn)
    add("purge", services.admin.keep_purged)
    add("books", services.budget.keep_compared)
    add("deliveries", services.deliveries.expire)
    add("broadcasts", services.board.broadcasts.keep_fed)
    add("files", services.media.tend)
    add("backups", services.board.backups.keep_made, least=AGAIN_AFTER, most=AGAIN_AFTER)


def _provider(settings: Settings, metrics: Metrics) -> Provider:
    key = (
        settings.openrouter_api_key.get_secret_value()
        if settings.openrouter_api_key
        else SANDBOX_KEY
    )
    return OpenRouter(
        settings.provider_url,
        key,
        app_url=settings.public_url,
        sandbox=settings.is_sandbox,
        watch=metrics.provider_call,
        fetch=ImageFetcher().stream,
    )


def _build(
    settings: Settings,
    secrets: Secrets,
    db: Db,
    provider: Provider,
    metrics: Metrics,
    cost: Cost,
    stop: Stop,
) -> _Built:
    wake = Wake()
    key = settings.secret_key.get_secret_value() if settings.secret_key else secrets.secret_key
    budget = BudgetService(
        db,
        None if settings.global_monthly_usd is None else micro(settings.global_monthly_usd),
        provider,
    )
    media = _media(settings, secrets, db, key)
    catalog = Catalog(db, provider)
    reader = GenerationReader(db, media)
    erasers: list[Eraser] = []
    contents: list[Eraser] = []
    users = _users(settings, db, budget, erasers, contents, cost)
    preferences = Preferences(db, catalog)
    owners = Accounts(users, preferences, lambda user_id, platform: links.chats(user_id, platform))  # noqa: PLW0108  (built below)
    deliveries = DeliveryService(db, wake, reader.render, owners)
    mail = Mailer(settings.mail_server)
    links = LinkService(db, users=users, notify=deliveries.notify, ring=deliveries.ring)
    auth = _auth(settings, secrets, db, key, users, links, mail)
    text = TextService(db, provider, preferences, budget, media, users)
    generation_service = GenerationService(
        db,
        wake,
        users,
        preferences,
        catalog,
        budget,
        media,
        deliveries,
        reader,
        sandbox=settings.is_sandbox,
    )
    contents += [
        generation_service.erase_user,
        text.erase_user,
        media.erase_user,
        deliveries.erase_user,
    ]
    erasers += [*contents, links.erase, auth.erase, Anonymiser(db).erase_user]
    secret, callbacks = _hooks(settings)
    steps = Steps(db, wake, provider, catalog, budget, users, media, deliveries, callbacks)
    board = board_of(settings, db, provider, budget, deliveries, media)
    services = Services(
        settings=settings,
        db=db,
        provider=provider,
        auth=auth,
        users=users,
        preferences=preferences,
        export=ExportService(db, media),
        admin=AdminService(db, users=users, auth=auth, links=links),
        board=board,
        links=links,
        catalog=catalog,
        budget=budget,
        spending=Spending(db, users.names),
        media=media,
        text=text,
        generations=generation_service,
        gallery=Gallery(
            db, generation_service, media, signing_key=key, public_url=settings.public_url
        ),
        generation_admin=GenerationAdmin(
            db, wake, users, board.studio, budget, deliveries, generation_service
        ),
        deliveries=deliveries,
        delivery_admin=DeliveryAdmin(db, deliveries, reader.render, owners),
        inbox=Inbox(db, deliveries, reader.render, owners),
        webhooks=Webhooks(db, wake, secret),
        mail=mail,
        wake=wake,
        stop=stop,
        background=Background(metrics),
    )
    return services, steps


def _hooks(settings: Settings) -> tuple[str | None, Callbacks | None]:
    """What signs them, and where they are sent to."""
    secret = (
        settings.openrouter_webhook_secret.get_secret_value()
        if settings.openrouter_webhook_secret
        else None
    )
    return secret, Callbacks(
        settings.public_api_url
    ) if secret and settings.public_api_url else None


def _media(settings: Settings, secrets: Secrets, db: Db, key: str) -> MediaService:
    try:
        files = MediaStore(
            settings.media_root, settings.data_dir / "spool", installation=secrets.installation
        )
    except (StorageFull, StorageUnavailable) as error:
        raise _no_store(settings, error.detail) from error
    folders = [
        settings.data_dir,
        *([] if settings.is_postgres else [settings.duckdb_path.parent]),
        *([files.root] if files.root else []),
    ]
    return MediaService(db, files, Room(folders, settings.disk_floor), signing_key=key)


def _no_store(settings: Settings, why: str) -> CannotStart:
    return CannotStart(
        f"{why} ({'MEDIA_URL' if settings.media_url else 'DATA_DIR'}: {settings.media_root})."
    )


def sweeper_of(services: Services) -> Sweeper:
    settings = services.settings
    live = None if settings.is_postgres else settings.duckdb_path
    folders = [settings.data_dir, settings.backups, *([live.parent] if live else [])]
    return Sweeper(services.db, services.budget, services.media.sweep_of(folders, live))


def _users(
    settings: Settings,
    db: Db,
    budget: BudgetService,
    erasers: list[Eraser],
    contents: list[Eraser],
    cost: Cost,
) -> UserService:
    return UserService(
        db,
        passwords=Passwords(cost),
        figures=budget,
        monthly_usd=settings.default_monthly_usd,
        guest_monthly_usd=settings.guest_monthly_usd,
        erasers=erasers,
        contents=contents,
        hosts=_hosts(settings),
    )


def _auth(
    settings: Settings,
    secrets: Secrets,
    db: Db,
    key: str,
    users: UserService,
    links: LinkService,
    mail: Mailer,
) -> AuthService:
    return AuthService(
        db,
        signer=TokenSigner(
            [key, settings.secret_key_previous.get_secret_value()]
            if settings.secret_key_previous
            else [key]
        ),
        users=users,
        links=links,
        mail=mail,
        public_url=settings.public_url,
        setup_token=secrets.setup_token,
        web_signup=settings.web_signup,
        chat_signup=settings.chat_signup,
        new_bot_key=lambda platform: renew_bot_key(settings.data_dir, platform).bot_keys[platform],
    )


def _hosts(settings: Settings) -> list[str]:
    """The names under which this server is known: `studio.example.org`, and `example` and `studio`
    alone."""
    found = [
        urlsplit(url).hostname or ""
        for url in (settings.public_url, settings.public_api_url)
        if url
    ]
    return sorted(
        {word for host in (*found, socket.gethostname()) for word in (host, *host.split(".")[:-1])}
    )
