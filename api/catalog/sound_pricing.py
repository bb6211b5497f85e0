"""The highest and the usual cost of transcriptions and speech by a model's price list.

The lists give a number without its unit. For a recording it is read by its size: a token of sound
costs less than `TOKEN_USD`, a second less than `SECOND_USD`, and everything above is the price of a
minute. Speech is priced by the character, or where the answer has a price too, by the token. See
docs/decisions/0121-sound-without-units.md.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from api.catalog.model import Model
from api.provider.schemas import PriceItem
from api.schemas import micro

TOKEN_USD = Decimal("0.00002")
SECOND_USD = Decimal("0.001")
MINUTE = 60
THOUSAND = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens as models count them: of a second of sound, of the words said in it, and of the sound
    of a character that is read aloud, with those of a short text."""

    heard: int
    written: int
    spoken: int
    least: int


HIGHEST = Counts(heard=50, written=10, spoken=6, least=500)
USUAL = Counts(heard=25, written=4, spoken=2, least=0)


def transcription_micro(model: Model, seconds: float, counts: Counts = HIGHEST) -> int | None:
    """Return the cost of writing down so many seconds. None: it cannot be known."""
    length = math.ceil(seconds)
    if model.price_override_micro is not None:
        return math.ceil(model.price_override_micro * length / MINUTE)
    items = model.price_lines
    if items is None:
        return None
    heard, written = _usd(items, "prompt", "audio"), _usd(items, "completion")
    if written or heard < TOKEN_USD:
        heard *= counts.heard
    elif heard >= SECOND_USD:
        heard /= MINUTE
    # no recording is free: a price of nothing means that nobody has listed one
    whole = (heard + written * counts.written) * length + _usd(items, "request")
    return micro(whole) or None


def speech_micro(model: Model, text: str, counts: Counts = HIGHEST) -> int | None:
    """Return the cost of reading a text aloud. None: it cannot be known."""
    if model.price_override_micro is not None:
        return math.ceil(model.price_override_micro * len(text) / THOUSAND)
    items = model.price_lines
    if items is None:
        return None
    read, spoken = _usd(items, "prompt"), _usd(items, "completion", "audio")
    # a character that is no Latin letter may be several tokens, and none is more than its bytes
    length = len(text.encode()) if counts is HIGHEST else len(text)
    sound = length * counts.spoken + counts.least
    return micro(read * length + spoken * sound + _usd(items, "request")) or None


def _usd(items: tuple[PriceItem, ...], *billables: str) -> Decimal:
    return max((item.usd for item in items if item.billable in billables), default=Decimal(0))
