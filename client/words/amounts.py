"""Amounts of money as people read them, in each language."""

from decimal import Decimal

PLACES_MOST = 6
"""Micro-dollars: nothing is booked in smaller parts."""
_COMMAS = str.maketrans(",.", ".,")


def dollars(usd: Decimal, language: str) -> str:
    """Two decimals, more for small amounts: `$0.04`, `$0.0035`, `$12.50`; in German `0,04 $`."""
    places = 2
    while (
        places < PLACES_MOST
        and abs(usd) < Decimal(10) ** (1 - places)
        and usd != round(usd, places)
    ):
        places += 1
    return _written(usd, places, language)


def price(usd: Decimal, language: str) -> str:
    """As exact as prices are: at most four decimals below a dollar."""
    places = 2 if usd >= 1 else next(n for n in (2, 3, 4) if n == 4 or usd == round(usd, n))
    return _written(usd, places, language)


def _written(usd: Decimal, places: int, language: str) -> str:
    amount = f"{usd:,.{places}f}"
    return f"{amount.translate(_COMMAS)} $" if language == "de" else f"${amount}"
