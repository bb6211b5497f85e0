"""Amounts, times and short words."""

from decimal import Decimal

from bots.core.language import _, ngettext, spoken
from client.schemas import MediaKind
from client.schemas.generations import GenerationStatus
from client.words import amounts
from client.words.language import N_

PROMPT_IN_CAPTION = 200
PROMPT_IN_LIST = 60

_KINDS: dict[MediaKind, str] = {"image": N_("image"), "video": N_("video")}
_STATES: dict[GenerationStatus, str] = {
    "queued": N_("waiting"),
    "processing": N_("being made"),
    "completed": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
_COMMAS = str.maketrans(",.", ".,")


def kind(of: MediaKind) -> str:
    return _(_KINDS[of])


def state(of: GenerationStatus) -> str:
    return _(_STATES[of])


def money(usd: Decimal) -> str:
    return amounts.dollars(usd, spoken())


def number(amount: int) -> str:
    return f"{amount:,}".translate(_COMMAS) if spoken() == "de" else f"{amount:,}"


def seconds(amount: float) -> str:
    """`20 seconds`, `3 minutes`, `2 hours`, rounded up."""
    whole = max(1, int(-(-amount // 1)))
    if whole > 3600:
        return ngettext("%(n)s hour", "%(n)s hours", -(-whole // 3600))
    if whole > 60:
        return ngettext("%(n)s minute", "%(n)s minutes", -(-whole // 60))
    return ngettext("%(n)s second", "%(n)s seconds", whole)


def span(least: int, most: int) -> str:
    """`20 to 40 seconds`, `1 to 2 minutes`."""
    if most <= 90:
        return (
            _("%(least)s to %(most)s seconds", least=least, most=most)
            if least < most
            else seconds(most)
        )
    low, high = max(1, round(least / 60)), max(1, -(-most // 60))
    if low >= high:
        return seconds(high * 60)
    return _("%(least)s to %(most)s minutes", least=low, most=high)
