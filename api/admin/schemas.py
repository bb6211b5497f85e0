"""Bodies and answers of `/admin`: figures and warnings, the audit log, the purge, the bots."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import EmailStr, Field, StringConstraints

from api.bots.schemas import BotProcessOut
from api.schemas import In, Kind, MediaKind, Out, Platform, Time, Usd


class AuditOut(Out):
    """An act with its actor and subject. `actor` and `about` are the accounts' names of now; null
    for nobody, for an account that was deleted, and for a subject that is no account."""

    id: str
    created_at: Time
    action: str
    actor_id: str | None
    actor: str | None
    subject: str
    about: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class PurgeOut(Out):
    """The number of deleted rows of each kind."""

    sessions: int
    refresh_tokens: int
    one_time_tokens: int
    devices: int
    link_codes: int
    throttles: int


class BotCredentialOut(Out):
    """`newest` is the one that a rotation made last; an older one that is not revoked works, too,
    until the next rotation."""

    id: str
    platform: Platform
    created_at: Time
    last_seen_at: Time | None
    revoked_at: Time | None
    newest: bool


class RotatedOut(Out):
    """`key` is shown now and never again. Bots of this machine take it at their next start; to
    others give it as BOT_KEY."""

    id: str
    platform: Platform
    key: str
    created_at: Time


class UserCountOut(Out):
    """`guest`: made by a chat. `invited`: has not taken the invitation up."""

    role: Literal["user", "admin"]
    status: Literal["active", "disabled"]
    guest: bool
    invited: bool
    count: int


class TokenCountsOut(Out):
    """Counts of secrets that open something at the moment: open sessions, refresh tokens that were
    not used, invitations and reset links, bots' keys."""

    sessions: int
    refresh_tokens: int
    one_time_tokens: int
    bot_credentials: int


class GenerationCountOut(Out):
    kind: MediaKind
    model: str
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    count: int


class SpenderOut(Out):
    """`name`: e-mail address or name; null for an account that was deleted. `count`: booked
    requests."""

    user_id: str
    name: str | None
    spent_usd: Usd
    count: int


class ModelSpendOut(Out):
    kind: Kind
    model: str
    spent_usd: Usd
    count: int


class SpendOut(Out):
    """The amounts booked since `since`. `users` and `models` are the 20 that spent most."""

    since: Time
    spent_usd: Usd
    count: int
    users: list[SpenderOut]
    models: list[ModelSpendOut]


class DaySpendOut(Out):
    """A day in UTC."""

    day: date
    spent_usd: Usd
    count: int


class QueueOut(Out):
    """Jobs of one kind that are not over. `waiting_seconds`: how long the oldest queued one waits;
    `running_seconds`: how long the first one of those being made runs."""

    kind: MediaKind
    queued: int
    processing: int
    needs_review: int
    waiting_seconds: int | None
    running_seconds: int | None


class DeliveryCountOut(Out):
    """`waiting_seconds`: how long the oldest pending one is due."""

    platform: Platform
    state: str
    count: int
    waiting_seconds: int | None


class TypicalOut(Out):
    """From the start to the end, of what was completed in the last 7 days: half take up to
    `half_seconds`, nine of ten up to `most_seconds`."""

    kind: MediaKind
    model: str
    count: int
    half_seconds: float
    most_seconds: float


class StatsOut(Out):
    """Queue and waiting deliveries are as of `at`; what has to be counted over everything is up to
    a minute older: `counted_at`. `days`: the last 31, oldest first, those without spend too."""

    at: Time
    counted_at: Time
    users: list[UserCountOut]
    tokens: TokenCountsOut
    generations: list[GenerationCountOut]
    today: SpendOut
    month: SpendOut
    days: list[DaySpendOut]
    queue: list[QueueOut]
    deliveries: list[DeliveryCountOut]
    typical: list[TypicalOut]


class TableOut(Out):
    """`rows` is the engine's own estimate."""

    name: str
    rows: int


class DbHealthOut(Out):
    """`size_bytes`: on DuckDB the file with its log. `free_bytes` of the disk, null for a server
    elsewhere. `answered_ms`: how long the simplest question took just now; `write_ms` the same of a
    write."""

    engine: Literal["duckdb", "postgresql"]
    version: str
    size_bytes: int
    free_bytes: int | None
    answered_ms: float
    write_ms: float
    migrations: list[str]
    tables: list[TableOut]


WarningCode = Literal[
    "needs_review",
    "jobs_waiting",
    "jobs_late",
    "deliveries_dead",
    "deliveries_stuck",
    "budget_nearly_used",
    "provider_out_of_credit",
    "provider_credit_low",
    "provider_key_expiring",
    "provider_down",
    "disk_nearly_full",
    "storage_full",
    "storage_unavailable",
    "files_missing",
    "store_shared",
    "database_elsewhere",
    "backup_place_away",
    "backup_no_room",
    "backup_missing",
    "backup_old",
    "books_differ",
]
Target = Literal[
    "generations",
    "queue",
    "running",
    "deliveries",
    "budgets",
    "models",
    "health",
    "backups",
    "bots",
]


class WarningOut(Out):
    """Something that needs a person. `target` is the page where it is fixed. `count`: how many
    there are; 1 where counting makes no sense. `facts` fill the sentence: `scope percent` of a
    budget, `platform minutes` of deliveries, `minutes` of generations in line and of late ones,
    `detail` of a provider that is down, `left_usd` and `days` of its key, `free_mb` of the disk and
    `floor_mb` that have to be, `detail` of a store for files that is away and `waiting` for it,
    `days` of the newest backup."""

    code: WarningCode
    count: int
    target: Target
    facts: dict[str, str] = Field(default_factory=dict)


class WarningsOut(Out):
    """The gravest first."""

    items: list[WarningOut]


class BotOut(Out):
    """`connected`: it asked for deliveries just now. `since`: since when without a break, or when
    it was seen last. `name` and `link_template` are what it said of itself. `processes` are those
    that run now."""

    platform: Platform
    connected: bool
    since: Time | None
    last_seen_at: Time | None
    name: str | None
    link_template: str | None
    processes: list[BotProcessOut]


class StudioIn(In):
    """`show_content`: admins see prompts, images and videos of members, too. It is written to the
    audit log."""

    show_content: bool


class StudioOut(Out):
    show_content: bool


class BroadcastIn(In):
    """`platforms` null: all of them. `dry_run`: only say how many chats it would reach."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=1500)]
    platforms: list[Platform] | None = Field(default=None, min_length=1, max_length=3)
    dry_run: bool = False


class ReachOut(Out):
    platform: Platform
    chats: int


BroadcastSort = Literal["newest", "oldest"]


class BroadcastOut(Out):
    """`waiting`: not with their bots yet; `pending`: with them; `inbox`: no chat took it, its
    reader finds it on the web; `unsent`: it is not sent to them any more, because it was stopped or
    they were unlinked. `by`: the admin's e-mail address or name; null for an account that was
    deleted. `id` null: it was a dry run. `stopped_at` null: nobody stopped it."""

    id: str | None
    text: str
    by: str | None
    created_at: Time
    stopped_at: Time | None = None
    chats: int
    reach: list[ReachOut] | None = None
    """The number of chats of each platform; only in the answer to `POST`."""
    waiting: int
    pending: int
    done: int
    inbox: int
    dead: int
    unsent: int = 0


class BackupOut(Out):
    name: str
    size: int
    created_at: Time


class BackupsOut(Out):
    """Newest first. `every_hours`: how often one is made by itself, 0 = never; the newest `keep`
    are kept."""

    every_hours: int
    keep: int
    items: list[BackupOut]


class AdminIn(In):
    """`promote`: whoever has an account with this address already is made an admin."""

    email: EmailStr
    promote: bool = False


class AccountResetIn(In):
    email: EmailStr


class AccountLinkOut(Out):
    """`token` is for the web's page: `invite` chooses a first password, `reset` another one. `user`
    and `admin` say what the account is, and nothing was done; `promoted` needs no link."""

    state: Literal["invite", "reset", "user", "admin", "promoted"]
    token: str | None = None
    expires_at: Time | None = None


class MissingFilesOut(Out):
    """Files that the store lacks, and whose rows the next sweeps delete."""

    files: int


class NamedFilesOut(Out):
    """Files that the database names in one folder of the store."""

    keys: list[str]
