"""What only admins need, in one place of the running app."""

from dataclasses import dataclass

from api.admin.backups import BackupPlan, Backups
from api.admin.broadcasts import Broadcasts
from api.admin.db_health import DbHealth
from api.admin.stats import Stats
from api.admin.studio_settings import Studio
from api.admin.warnings import Warnings
from api.budget.service import BudgetService
from api.db import Db
from api.deliveries.service import DeliveryService
from api.media.service import MediaService
from api.provider.types import Provider
from api.settings import Settings


@dataclass(frozen=True, slots=True)
class Board:
    studio: Studio
    stats: Stats
    warnings: Warnings
    db_health: DbHealth
    backups: Backups
    broadcasts: Broadcasts


def board_of(
    settings: Settings,
    db: Db,
    provider: Provider,
    budget: BudgetService,
    deliveries: DeliveryService,
    media: MediaService,
) -> Board:
    stats = Stats(db)
    backups = Backups(db, BackupPlan.of(settings))
    return Board(
        studio=Studio(db),
        stats=stats,
        warnings=Warnings(db, stats, budget, provider, backups, media),
        db_health=DbHealth(db, None if settings.is_postgres else settings.duckdb_path),
        backups=backups,
        broadcasts=Broadcasts(db, deliveries),
    )
