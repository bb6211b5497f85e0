"""The check-up: everything that an installation needs, each thing tried once.

Nothing is changed by it: the file that it writes into the media store is deleted again, and no mail
is sent.
"""

import asyncio
import smtplib
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from structlog import get_logger

from api.admin.backups import Backups
from api.admin.db_health import DbHealth
from api.admin.stats import Stats
from api.admin.warnings import CREDIT_LOW_MICRO, FREE_BYTES_LEAST, KEY_ENDS_WITHIN, Warnings
from api.check_up.schemas import CheckUpOut, FindingOut, InstallationOut, State, Subject
from api.db import Db, DbUnavailable
from api.errors import DomainError
from api.ids import now
from api.mail import Mailer
from api.media.service import MediaService
from api.provider.domain_errors import domain_error
from api.provider.http_client import http_client
from api.provider.types import Provider, ProviderError
from api.settings import Settings
from api.version import VERSION

log = get_logger("check-up")

WITHIN = 15.0
SLOW_ANSWER_MS, SLOW_WRITE_MS = 250, 1000
CLOCK_SECONDS = 30
"""A clock that is further off makes signed links, sign-ins and requests to an S3 store fail."""
_AWAY = (httpx.HTTPError, httpx.InvalidURL, OSError, smtplib.SMTPException, ValueError)
"""Failures of other programs, whose own words are the best that there is to say."""

_Look = Callable[[], Awaitable[Sequence[FindingOut]]]


class CheckUp:
    def __init__(
        self,
        settings: Settings,
        db: Db,
        media: MediaService,
        provider: Provider,
        backups: Backups,
        db_health: DbHealth,
        stats: Stats,
        mailer: Mailer,
        *,
        within: float = WITHIN,
    ) -> None:
        self._settings = settings
        self._db = db
        self._media = media
        self._provider = provider
        self._backups = backups
        self._db_health = db_health
        self._stats = stats
        self._mailer = mailer
        self._within = within

    async def all(self, without: Collection[Subject] = ()) -> CheckUpOut:
        """Look at everything at the same time, at most `within` seconds each."""
        looks: dict[Subject, _Look] = {
            "database": self._database,
            "media": self._files,
            "disk": self._disk,
            "clock": self._clock,
            "provider": self._at_provider,
            "mail": self._mail,
            "public_url": self._public_web,
            "public_api_url": self._public_api,
            "backup": self._backup,
            "bots": self._bots,
        }
        found = await asyncio.gather(
            *(self._look(*look) for look in looks.items() if look[0] not in without)
        )
        return CheckUpOut(
            at=now(), version=VERSION, findings=[one for each in found for one in each]
        )

    async def _look(self, subject: Subject, look: _Look) -> Sequence[FindingOut]:
        try:
            async with asyncio.timeout(self._within):
                return await look()
        except TimeoutError:
            return [FindingOut.of(subject, "bad", "no_answer", seconds=round(self._within))]
        except ProviderError as error:
            return [refused(subject, domain_error(error))]
        except DomainError as error:
            return [refused(subject, error)]
        except (DbUnavailable, *_AWAY) as error:
            return [failed(subject, error)]
        except Exception as error:
            log.exception("check_up_failed", subject=subject)
            return [FindingOut.of(subject, "bad", "failed", said=type(error).__name__)]

    async def _database(self) -> Sequence[FindingOut]:
        found = await self._db_health.look()
        slow = found.answered_ms > SLOW_ANSWER_MS or found.write_ms > SLOW_WRITE_MS
        return [
            FindingOut.of(
                "database",
                "warn" if slow else "good",
                "database_slow" if slow else "database_answers",
                engine="PostgreSQL" if found.engine == "postgresql" else "DuckDB",
                version=found.version,
                size_mb=found.size_bytes // 1_000_000,
                read_ms=round(found.answered_ms),
                write_ms=round(found.write_ms),
            )
        ]

    async def _files(self) -> Sequence[FindingOut]:
        began = time.perf_counter()
        await self._media.files.rehearse()
        ms = round((time.perf_counter() - began) * 1000)
        state, where = self._media.files.state, _without_secrets(self._settings.media_root)
        found = [FindingOut.of("media", "good", "media_works", where=where, ms=ms)]
        if state.waiting:
            found.append(FindingOut.of("media", "warn", "media_waiting", waiting=state.waiting))
        if state.others:
            found.append(FindingOut.of("media", "warn", "media_shared", others=state.others))
        return found

    async def _disk(self) -> Sequence[FindingOut]:
        space = await self._media.disk_space.tightest()
        facts = {"free_mb": space.free // 1_000_000, "floor_mb": space.floor // 1_000_000}
        if space.short:
            return [FindingOut.of("disk", "bad", "disk_full", **facts)]
        if space.free < max(FREE_BYTES_LEAST, space.floor):
            return [FindingOut.of("disk", "warn", "disk_nearly_full", **facts)]
        return [FindingOut.of("disk", "good", "disk_has_room", **facts)]

    async def _clock(self) -> Sequence[FindingOut]:
        """Compare with whoever tells the time: the provider's server, else the database's."""
        if not self._settings.is_sandbox:
            host = urlsplit(self._settings.provider_url)
            async with http_client(outside=True) as http:
                asked = now()
                answer = await http.head(f"{host.scheme}://{host.netloc}/")
            if (said := answer.headers.get("date")) is not None:
                # a header has whole seconds only, and the answer took its time
                took = (now() - asked).total_seconds()
                off = (parsedate_to_datetime(said).astimezone(UTC) - asked).total_seconds()
                return [_of_clock(off, took + 1, host.hostname or "")]
        if self._db.engine == "postgresql":
            asked = now()
            row = await self._db.fetch_one("SELECT clock_timestamp() AS at")
            at: datetime = row["at"] if row else asked
            took = (now() - asked).total_seconds()
            return [_of_clock((at - asked).total_seconds(), took, "PostgreSQL")]
        return [FindingOut.of("clock", "off", "clock_not_compared")]

    async def _at_provider(self) -> Sequence[FindingOut]:
        if self._provider.is_sandbox:
            return [FindingOut.of("provider", "off", "provider_is_sandbox")]
        name = urlsplit(self._settings.provider_url).hostname or ""
        key = await self._provider.key()
        found = [FindingOut.of("provider", "good", "provider_works", host=name)]
        left = key.left_micro
        if left is None:
            found.append(FindingOut.of("credit", "good", "credit_without_limit"))
        elif left <= 0:
            found.append(FindingOut.of("credit", "bad", "credit_used_up"))
        else:
            low = left < CREDIT_LOW_MICRO
            found.append(
                FindingOut.of(
                    "credit",
                    "warn" if low else "good",
                    "credit_low" if low else "credit_left",
                    left_usd=f"{left / 1_000_000:.2f}",
                )
            )
        if key.expires_at is not None and key.expires_at < now() + KEY_ENDS_WITHIN:
            days = max(0, (key.expires_at - now()).days)
            found.append(FindingOut.of("provider", "warn", "key_ends", days=days))
        return found

    async def _mail(self) -> Sequence[FindingOut]:
        server = self._settings.mail_server
        if server is None:
            return [FindingOut.of("mail", "off", "mail_off")]
        await self._mailer.greet()
        return [FindingOut.of("mail", "good", "mail_works", server=server.host)]

    async def _public_web(self) -> Sequence[FindingOut]:
        return [await _address("public_url", self._settings.public_url, '"ok"')]

    async def _public_api(self) -> Sequence[FindingOut]:
        if self._settings.public_api_url is None:
            return []  # only webhooks of the provider need it
        return [await _address("public_api_url", self._settings.public_api_url, '"alive"')]

    async def _backup(self) -> Sequence[FindingOut]:
        found = await self._backups.all()
        if self._backups.trouble is not None:
            raise self._backups.trouble
        newest = found.items[0].created_at if found.items else None
        if newest is None:
            if not found.every_hours:
                return [FindingOut.of("backup", "off", "backup_off")]
            due = await self._backups.due_at()
            state: State = "warn" if due is None or due < now() else "good"
            return [FindingOut.of("backup", state, "backup_missing", hours=found.every_hours)]
        age = now() - newest
        old = bool(found.every_hours) and age > 2 * timedelta(hours=found.every_hours)
        return [
            FindingOut.of(
                "backup",
                "warn" if old else "good",
                "backup_old" if old else "backup_new",
                hours=round(age.total_seconds() / 3600),
            )
        ]

    async def _bots(self) -> Sequence[FindingOut]:
        """A bot that was never here is not said to be missing: most studios have one platform."""
        found = []
        for bot in await self._stats.bots():
            if bot.connected:
                found.append(FindingOut.of(bot.platform, "good", "bot_connected"))
            elif bot.last_seen_at is not None and bot.platform != "terminal":
                minutes = round((now() - bot.last_seen_at).total_seconds() / 60)
                found.append(FindingOut.of(bot.platform, "warn", "bot_away", minutes=minutes))
        return found


class Status:
    """The short state of an installation, for the shell."""

    def __init__(
        self, settings: Settings, db: Db, stats: Stats, warnings: Warnings, backups: Backups
    ) -> None:
        self._settings = settings
        self._db = db
        self._stats = stats
        self._warnings = warnings
        self._backups = backups

    async def now(self) -> InstallationOut:
        backups = (await self._backups.all(lately=True)).items
        return InstallationOut(
            version=VERSION,
            at=now(),
            engine=self._db.engine,
            sandbox=self._settings.is_sandbox,
            queue=await self._stats.queue(),
            deliveries=await self._stats.deliveries(),
            bots=await self._stats.bots(),
            warnings=await self._warnings.now(),
            backup=backups[0] if backups else None,
        )


def refused(subject: Subject, error: DomainError) -> FindingOut:
    return FindingOut(
        subject=subject, state="bad", finding="refused", reason=error.reason, params=error.params
    )


def failed(subject: Subject, error: BaseException) -> FindingOut:
    said = str(error).partition("\n")[0] or type(error).__name__
    return FindingOut.of(subject, "bad", "failed", said=said)


def _of_clock(off: float, doubt: float, host: str) -> FindingOut:
    wrong = abs(off) - doubt > CLOCK_SECONDS
    return FindingOut.of(
        "clock",
        "bad" if wrong else "good",
        "clock_wrong" if wrong else "clock_right",
        seconds=round(max(0.0, abs(off) - doubt)),
        host=host,
    )


async def _address(subject: Subject, url: str | None, sign: str) -> FindingOut:
    """`sign`: part of the answer to `/healthz` by which our process is known."""
    if url is None:
        return FindingOut.of(subject, "off", "address_unset")
    async with http_client(outside=True) as http:
        answer = await http.get(f"{url}/healthz")
    ours = answer.status_code == 200 and sign in answer.text[:200]
    return FindingOut.of(
        subject,
        "good" if ours else "bad",
        "address_works" if ours else "address_of_others",
        url=_without_secrets(url),
        status=answer.status_code,
    )


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
