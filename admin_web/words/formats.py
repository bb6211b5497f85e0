"""Amounts of money, days, times and lengths, in the language of the page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import TIMEDELTA_UNITS, format_datetime, format_timedelta

from admin_web.words.language import _, chosen, locale, ngettext, zone
from client.schemas.catalog import Per, PriceOut
from client.schemas.text import DocumentOut
from client.words import amounts
from client.words.language import N_

MINUTE, HOUR, DAYS = 60, 3600, 30 * 86_400
THOUGHT_LEAST = 0.95
_EACH: dict[Per, str] = {
    "image": N_("%(usd)s an image"),
    "second": N_("%(usd)s a second"),
    "video": N_("%(usd)s a video"),
    "answer": N_("%(usd)s an answer"),
    "minute": N_("%(usd)s a minute"),
    "characters": N_("%(usd)s per 1,000 characters"),
}


def document_size(document: DocumentOut) -> str:
    """Say the name of a document, and the pages of a PDF."""
    if document.pages is None:
        return document.name
    pages = ngettext("%(n)s page", "%(n)s pages", document.pages)
    return f"{document.name} ({pages})"


def thought(seconds: float) -> str:
    """Say how long the model thought; empty when it was no time to speak of."""
    if seconds < THOUGHT_LEAST:
        return ""
    return _("thought for %(seconds)s s", seconds=round(seconds))


def moment(at: datetime) -> str:
    """Say day and time, to the minute."""
    return format_datetime(at, _("MMM d, y, HH:mm"), tzinfo=zone(), locale=locale())


def day(at: datetime) -> str:
    return format_datetime(at, _("MMMM d, y"), tzinfo=zone(), locale=locale())


def clock(at: datetime) -> str:
    return format_datetime(at, "HH:mm", tzinfo=zone(), locale=locale())


def ago(at: datetime) -> str:
    """Say how long ago or ahead it is, in the largest unit that fits; after a month say the day."""
    passed = (datetime.now(UTC) - at).total_seconds()
    if abs(passed) < MINUTE:
        return _("just now")
    if passed > DAYS:
        return day(at)
    size = next(seconds for _name, seconds in TIMEDELTA_UNITS if seconds <= abs(passed))
    return _ago(round(passed / size) * size, chosen())


@lru_cache(1024)
def _ago(seconds: int, language: str) -> str:
    """Kept, because long tables repeat a few."""
    return format_timedelta(
        timedelta(seconds=-seconds), add_direction=True, threshold=1, locale=Locale(language)
    )


def lasting(time: timedelta) -> str:
    """Say a length of time in the largest unit of which there are two."""
    return format_timedelta(time, threshold=2, locale=locale())


def money(value: Decimal | None) -> str:
    """Say an amount in dollars."""
    return _("unknown") if value is None else amounts.dollars(value, chosen())


def amount(value: Decimal) -> str:
    """Write an amount for an input: sent back unchanged, it loses no digit."""
    whole, _, cents = f"{value:.6f}".partition(".")
    return f"{whole}{',' if chosen() == 'de' else '.'}{cents.rstrip('0').ljust(2, '0')}"


def price_words(price: PriceOut) -> str:
    """Say a price, such as `about $0.04 an image`."""
    if price.usd is None or price.per is None:
        return _("price not known")
    if not price.usd and not price.output_usd:
        return _("free")
    if price.output_usd is not None:
        return _(
            "%(read)s in, %(written)s out per million tokens",
            read=amounts.price(price.usd, chosen()),
            written=amounts.price(price.output_usd, chosen()),
        )
    one = _(_EACH[price.per], usd=amounts.price(price.usd, chosen()))
    if price.is_least:
        return _("from %(price)s", price=one)
    return _("about %(price)s", price=one) if price.is_about else one


def duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < HOUR:
        return f"{whole} s" if whole < MINUTE else f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
