"""Ids and secrets, and the one clock."""

import hashlib
import secrets
from datetime import UTC, datetime

import uuid_utils

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Return a UUIDv7: unique, and sorted by time."""
    return str(uuid_utils.uuid7())


def floor(moment: datetime) -> str:
    """Return an id that is not above any made from this moment on, and above those of the second
    before: it finds young rows by their ids."""
    ms = f"{int(moment.timestamp() * 1000):012x}"
    return f"{ms[:8]}-{ms[8:]}-0000-0000-000000000000"


def moment(row_id: str) -> datetime | None:
    """Return the time at which an id was made, to the millisecond; None for a text that is no id of
    ours."""
    try:
        return datetime.fromtimestamp(int(row_id[:8] + row_id[9:13], 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def short_id() -> str:
    """Return seven characters that a person can read out and type; there are 2 * 10^10 of them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(7))


def token(bits: int = 256) -> str:
    """Return a random URL-safe secret."""
    return secrets.token_urlsafe(bits // 8)


def digest(secret: str) -> str:
    """Return the SHA-256 in hex, the form in which high-entropy secrets are stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def now() -> datetime:
    return datetime.now(UTC)
