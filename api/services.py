"""Everything that a process of the api runs: built once, opened and closed in order."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr
from structlog import get_logger

from api.admin.backups import AGAIN_AFTER, BackupPlan, Backups
from api.admin.broadcasts import Broadcasts
from api.admin.db_health import DbHealth
from api.admin.service import AdminService
from api.admin.stats import Stats
from api.admin.studio_settings import StudioSettings
from api.admin.warnings import Warnings
from api.auth.bearers import Bearers
from api.auth.bots import BotService
from api.auth.recovery import Recovery
from api.auth.service import AuthService
from api.auth.tokens import TokenSigner
from api.background import Background
from api.bots.service import BotProcesses, BotUpdates
from api.budget.anonymiser import Anonymiser
from api.budget.service import BudgetService
from api.budget.spending import Spending
from api.callers import CallerLookup
from api.catalog.service import RETRY_FIRST, Catalog
from api.check_up.invariants import Invariants
from api.check_up.service import CheckUp, Status
from api.database import open_database
from api.db import Db
from api.db.duckdb import DuckDb
from api.deliveries.admin import DeliveryAdmin
from api.deliveries.inbox import Inbox
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.owners import Owners
from api.deliveries.service import DeliveryService
from api.duties import Duties
from api.errors import StorageFull, StorageUnavailable
from api.generations.accepting.cards import OpenCards
from api.generations.accepting.service import GenerationService
from api.generations.announcer import Announcer
from api.generations.erasure import GenerationEraser
from api.generations.gallery.service import Gallery
from api.generations.making.asks import Callbacks
from api.generations.making.late_costs import ASKED_EVERY, LateCosts
from api.generations.making.polls import Polls
from api.generations.making.steps import Steps
from api.generations.making.webhooks import Webhooks
from api.generations.making.worker import Worker, WorkerTimes
from api.generations.operating.service import GenerationAdmin
from api.generations.operating.sweep import Sweeper
from api.generations.reader import GenerationReader
from api.internal_routes import Shell
from api.joins.service import JoinService
from api.leases import Leases
from api.links.service import LinkService
from api.live_processes import LiveProcesses
from api.mail import Mailer
from api.media.decoders import Decoders
from api.media.disk_space import DiskSpace
from api.media.fetcher import ImageFetcher
from api.media.files import MediaStore
from api.media.presigned import PresignedLinks
from api.media.service import MediaService
from api.metrics import Metrics
from api.notices.service import Notices
from api.places.service import PlaceService
from api.provider.openrouter import OpenRouter
from api.provider.shared_pauses import LonePauses, Pauses, SharedPauses
from api.provider.types import Provider
from api.retention.service import Retention
from api.schemas import micro
from api.secrets import Secrets, ensure_secrets, renew_bot_key
from api.settings import Settings, host_names
from api.shutdown import Stop
from api.sound.service import SoundService
from api.start_errors import CannotStart
from api.text.conversations import Conversations
from api.text.service import TextService
from api.users.erasure import AccountEraser
from api.users.export import ExportService
from api.users.passwords import Cost, Passwords
from api.users.preferences import Preferences
from api.users.service import UserService
from api.wake import Wake

SANDBOX_KEY = "sandbox"
RINGS_MOST = 5.0
"""Seconds between tries to hear the other processes again."""

log = get_logger("api")


class Services:
    """The services of a process, each made of those above it. Routes find them in `by_type`."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        db: Db,
        files: MediaStore,
        metrics: Metrics,
        stop: Stop,
        cost: Cost,
        decoders: Decoders,
        processes: LiveProcesses,
    ) -> None:
        limit = settings.global_monthly_usd
        keys = _keys(settings, secrets)
        self.settings = settings
        self.db = db
        db.timed = metrics.statement
        self.metrics = metrics
        self.stop = stop
        self.wake = Wake()
        self.background = Background(metrics)
        self.leases = Leases(db)
        self.duties = self.duties_of("duties")
        shared = db.engine == "postgresql"
        self.processes = processes
        self.pauses = SharedPauses(db, self.leases, self.wake) if shared else LonePauses()
        self.provider = _provider(settings, metrics, self.pauses)
        self.budget = BudgetService(db, None if limit is None else micro(limit), self.provider)
        space = _disk_space(settings, files)
        self.media = MediaService(
            db, files, space, decoders, signing_keys=keys, direct=_direct_links(settings)
        )
        self.catalog = Catalog(db, self.provider, self.wake)
        self.preferences = Preferences(db, self.catalog)
        self.outbox = DeliveryOutbox(db, self.wake)
        self._add_accounts(secrets, cost, keys)
        self._add_generations(keys)
        self.conversations = Conversations(db, self.media)
        made_of = self.provider, self.preferences, self.budget, self.media, self.users
        fallbacks = settings.text_fallbacks.replace(",", " ").split()
        self.text = TextService(
            db, *made_of, self.conversations, processes, self.wake, self.places, fallbacks=fallbacks
        )
        self.sound = SoundService(db, *made_of, self.conversations, self.text.lookups, processes)
        self._add_operations()
        self.by_type: dict[type, object] = {type(each): each for each in vars(self).values()} | {
            Db: db,
            Provider: self.provider,
            CallerLookup: self.callers,
        }

    def duties_of(self, name: str) -> Duties:
        """Return duties under a lease of this name. With the embedded engine there is one process,
        and nobody to share them with."""
        leases = None if self.db.engine == "duckdb" else self.leases
        return Duties(name, self.background, leases, self.wake)

    def _add_accounts(self, secrets: Secrets, cost: Cost, keys: list[str]) -> None:
        settings, db = self.settings, self.db
        signer = TokenSigner(keys)
        self.mailer = Mailer(settings.mail_server)
        self.users = UserService(
            db,
            passwords=Passwords(cost),
            figures=self.budget,
            monthly_usd=settings.default_monthly_usd,
            guest_monthly_usd=settings.guest_monthly_usd,
            hosts=host_names(settings),
        )
        self.links = LinkService(db, self.users, self.outbox)
        self.joins = JoinService(db, self.users, self.links, self.outbox)
        self.places = PlaceService(
            db, self.users, self.budget, self.catalog, chat_signup=settings.chat_signup
        )
        self.recovery = Recovery(
            db,
            users=self.users,
            mail=self.mailer,
            background=self.background,
            count=self.metrics,
            public_url=settings.public_url,
        )
        token, signup = secrets.setup_token, settings.web_signup
        self.auth = AuthService(
            db, signer, self.users, self.recovery, setup_token=token, web_signup=signup
        )
        self.bots = BotService(
            db,
            signer,
            self.users,
            self.links,
            self.places,
            chat_signup=settings.chat_signup,
            new_key=lambda name: renew_bot_key(settings.data_dir, name).bot_keys[name],
        )
        self.callers = Bearers(db, signer, self.users, self.bots.act)
        self.bot_processes = BotProcesses(db, self.leases, self.outbox)
        self.bot_updates = BotUpdates(db, self.links.links)
        self.shell = Shell(db, self.users)
        self.spending = Spending(db, self.users.names)

    def _add_generations(self, keys: list[str]) -> None:
        settings, db, wake = self.settings, self.db, self.wake
        media, outbox = self.media, self.outbox
        secret = _text(settings.openrouter_webhook_secret)
        address = settings.public_api_url if secret else None
        owners = Owners(self.users, self.preferences, self.links)
        self.announcer = Announcer(wake, outbox)
        self.generation_eraser = GenerationEraser(db, self.budget, outbox, media)
        self.reader = GenerationReader(db, media, self.catalog.capabilities)
        self.deliveries = DeliveryService(db, wake, outbox, self.reader.render, owners, self.places)
        self.delivery_admin = DeliveryAdmin(db, outbox, self.reader.render, owners)
        self.inbox = Inbox(db, outbox, self.reader.render, owners)
        self.generations = GenerationService(
            db,
            wake,
            self.users,
            self.preferences,
            self.places,
            self.catalog,
            self.budget,
            media,
            self.announcer,
            self.generation_eraser,
            self.reader,
            sandbox=settings.is_sandbox,
        )
        self.open_cards = OpenCards(db, self.leases, self.reader, self.deliveries, owners)
        self.gallery = Gallery(
            db,
            self.reader,
            self.generation_eraser,
            media,
            signing_keys=keys,
            public_url=settings.public_url,
        )
        self.webhooks = Webhooks(db, wake, secret)
        self.steps = Steps(
            db,
            wake,
            self.provider,
            self.catalog,
            self.budget,
            self.users,
            media,
            self.announcer,
            Callbacks(address) if address else None,
            self.pauses,
        )
        self.polls = Polls(
            db,
            wake,
            self.provider,
            self.steps,
            self.pauses,
            self.processes,
            webhooks=address is not None,
        )
        self.media_sweep = media.sweep_of(*_databases(settings))
        self.sweeper = Sweeper(db, self.budget, self.media_sweep)

    def _add_operations(self) -> None:
        settings, db = self.settings, self.db
        self.export = ExportService(db, self.media, self.budget)
        money = Anonymiser(self.budget)
        self.eraser = AccountEraser(
            db,
            self.users,
            contents=[
                self.generations.erase_user,
                self.text.erase_user,
                self.media.erase_user,
                self.outbox.erase_user,
                self.bot_updates.erase_user,
            ],
            records=[self.joins.erase, self.links.erase, self.auth.erase, money.erase_user],
            guests_of=self.links.guests_of,
        )
        self.notices = Notices(db, self.users, self.preferences, self.outbox)
        self.retention = Retention(db, self.generation_eraser, self.conversations, self.media)
        self.admin = AdminService(db, self.users, self.eraser, self.auth, self.links)
        self.studio = StudioSettings(db)
        self.stats = Stats(db, self.bot_processes)
        self.db_health = DbHealth(db, None if settings.is_postgres else settings.duckdb_path)
        self.backups = Backups(db, BackupPlan.of(settings))
        self.broadcasts = Broadcasts(db, self.wake, self.outbox, self.places)
        self.warnings = Warnings(
            db, self.stats, self.budget, self.provider, self.backups, self.media
        )
        self.invariants = Invariants(db, self.media.files, self.media_sweep.named_elsewhere)
        self.check_up = CheckUp(
            settings,
            db,
            self.media,
            self.provider,
            self.backups,
            self.db_health,
            self.stats,
            self.mailer,
        )
        self.status = Status(settings, db, self.stats, self.warnings, self.backups)
        self.generation_admin = GenerationAdmin(
            db,
            self.wake,
            self.users,
            self.studio,
            self.budget,
            self.announcer,
            self.generation_eraser,
            self.reader,
            self.generations,
        )


async def start(
    settings: Settings,
    stack: AsyncExitStack,
    cost: Cost,
    metrics: Metrics,
    stop: Stop,
    *,
    worker: WorkerTimes | None,
    decoders: Decoders | None = None,
) -> Services:
    """Open everything on `stack`, in the order in which it has to be closed backwards. `worker`:
    this process makes generations, at this pace. `decoders`: those of the caller, instead of its
    own. Raises `CannotStart`."""
    if decoders is None:
        decoders = Decoders(metrics.decoder_failed)
        stack.push_async_callback(asyncio.to_thread, decoders.close)
    secrets = ensure_secrets(settings.data_dir)
    db = await open_database(settings)
    stack.push_async_callback(db.close)
    role = "api" if worker is None else "worker"
    processes = LiveProcesses(None if db.engine == "duckdb" else Leases(db), role)
    stack.push_async_callback(processes.close)
    files = files_of(settings, secrets)
    services = Services(settings, secrets, db, files, metrics, stop, cost, decoders, processes)
    stack.push_async_callback(services.provider.close)
    await services.bots.adopt_keys({**secrets.bot_keys, **settings.bot_keys})
    await services.catalog.load()
    await services.deliveries.start()
    await services.text.start()
    stack.push_async_callback(services.text.close)
    await services.sound.start()
    stack.push_async_callback(services.sound.close)
    stack.push_async_callback(services.media.close)
    await services.media.files.look()
    if (why := await services.media.files.refused()) is not None:
        raise _no_store(settings, why)
    if db.engine == "postgresql":
        await _join_others(services, stack)
    worker_duties = services.duties_of("worker-duties")
    stack.push_async_callback(services.duties.close)
    stack.push_async_callback(worker_duties.close)
    stack.push_async_callback(services.background.close)
    stack.push_async_callback(services.recovery.close)
    _keep_up(services)
    if worker is not None:
        making = Worker(db, services.wake, services.steps, services.polls, stop, worker, processes)
        await making.start(services.background)
        services.sweeper.start(worker_duties, worker.sweep, worker.sweep_files)
        late_costs = LateCosts(db, services.provider, services.budget)
        worker_duties.add("late-costs", late_costs.run, first=ASKED_EVERY)
        worker_duties.start()
        stack.push_async_callback(making.close)
    return services


async def _count_connections(services: Services) -> None:
    """Warn when all processes together may open more connections than the server takes."""
    await services.processes.turn()
    row = await services.db.fetch_one(
        "SELECT current_setting('max_connections')::bigint "
        "- current_setting('superuser_reserved_connections')::bigint AS most"
    )
    pool, number = services.settings.database_pool, services.processes.all
    needed = number * (pool + 1)
    if row is not None and needed > row["most"]:
        log.warning(
            "connections_may_run_out",
            processes=number,
            pool=pool,
            needed=needed,
            most=row["most"],
            hint="set a smaller DATABASE_POOL, or raise max_connections of the server",
        )


async def _join_others(services: Services, stack: AsyncExitStack) -> None:
    """Hear the other processes on the server, and be heard."""
    settings, wake = services.settings, services.wake
    if settings.database_pooler == "none":
        await _count_connections(services)
    # here, because its library would make every other start longer
    from api.db.rings import Rings

    if settings.listen_url is None:
        log.warning(
            "rings_not_heard",
            hint="processes look for each other's work every second: set DATABASE_LISTEN_URL",
        )
        wake.connect(lambda _: None)
        return
    rings = Rings(settings.listen_url, wake)
    wake.connect(rings.relay)
    services.background.add("rings", rings.turn, most=RINGS_MOST)
    stack.push_async_callback(rings.close)


def _keep_up(services: Services) -> None:
    """Add what every process does beside its calls, and what one of them does for all."""
    add, duty = services.background.add, services.duties.add
    if isinstance(services.db, DuckDb):
        add("db-memory", services.db.grow)
    else:
        add("models-read", services.catalog.keep_read)
    if isinstance(services.pauses, SharedPauses):
        add("provider-pauses", services.pauses.turn)
        add("processes", services.processes.turn, most=RINGS_MOST)
        add("answers-of-dead", services.text.free_dead)
        add("sounds-of-dead", services.sound.free_dead)
    add("text-prices", services.text.lookups.turn)
    add("files", services.media.tend)
    add("decoders", services.media.tend_decoders)
    duty("models", services.catalog.keep_fresh, least=RETRY_FIRST)
    duty("text-holds", services.text.sweep)
    duty("sound-holds", services.sound.sweep)
    duty("purge", services.admin.keep_purged)
    duty("notices", services.notices.turn)
    duty("joins", services.joins.keep_purged)
    duty("bot-purge", services.bot_processes.keep_purged)
    duty("retention", services.retention.turn)
    duty("books", services.budget.keep_compared)
    duty("deliveries", services.deliveries.expire)
    duty("broadcasts", services.broadcasts.keep_fed)
    duty("backups", services.backups.keep_made, least=AGAIN_AFTER, most=AGAIN_AFTER)
    services.duties.start()


def _keys(settings: Settings, secrets: Secrets) -> list[str]:
    """Return the keys that sign tokens and links: the one in use, then the one before."""
    key = _text(settings.secret_key)
    before = _text(settings.secret_key_previous)
    if key is None:
        key, before = secrets.secret_key, before or secrets.before("secret_key")
    return [key] if before is None else [key, before]


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _provider(settings: Settings, metrics: Metrics, pauses: Pauses) -> Provider:
    return OpenRouter(
        settings.provider_url,
        _text(settings.openrouter_api_key) or SANDBOX_KEY,
        app_url=settings.public_url,
        sandbox=settings.is_sandbox,
        watch=metrics,
        fetch=ImageFetcher().stream,
        pauses=pauses,
    )


def files_of(settings: Settings, secrets: Secrets) -> MediaStore:
    """Raises `CannotStart`."""
    try:
        return MediaStore(
            settings.media_root, settings.data_dir / "spool", installation=secrets.installation
        )
    except (StorageFull, StorageUnavailable) as error:
        raise _no_store(settings, error.detail) from error


def _direct_links(settings: Settings) -> PresignedLinks | None:
    if settings.public_media_url is None:
        return None
    try:
        return PresignedLinks.of(settings.public_media_url, settings.media_root)
    except KeyError as error:
        raise CannotStart(f"PUBLIC_MEDIA_URL needs {error.args[0]}.") from error


def _no_store(settings: Settings, why: str) -> CannotStart:
    name = "MEDIA_URL" if settings.media_url else "DATA_DIR"
    return CannotStart(f"{why} ({name}: {settings.media_root}).")


def _disk_space(settings: Settings, files: MediaStore) -> DiskSpace:
    folders = [settings.data_dir]
    if not settings.is_postgres:
        folders.append(settings.duckdb_path.parent)
    if files.root:
        folders.append(files.root)
    return DiskSpace(folders, settings.disk_floor)


def _databases(settings: Settings) -> tuple[list[Path], Path | None]:
    """Return the folders in which databases of this installation may lie, and the file in use."""
    live = None if settings.is_postgres else settings.duckdb_path
    return [settings.data_dir, settings.backups, *([live.parent] if live else [])], live
