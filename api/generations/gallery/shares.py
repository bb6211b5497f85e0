"""Public links to one generation, which expire and can be taken back. The link is signed: who reads
the table alone can open nothing."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api import ids
from api.db import Sql


@dataclass(frozen=True, slots=True)
class Share:
    id: str
    generation_id: str
    created_at: datetime
    expires_at: datetime


class Signer:
    """`keys` are the server's secrets: the first one signs, and what another one signed stays good.
    The signing keys are derived from them, apart from every other use."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [
            hmac.new(key.encode(), b"share links", hashlib.sha256).digest() for key in keys
        ]

    def token(self, share_id: str) -> str:
        return f"{share_id}.{self._sign(self._keys[0], share_id)}"

    def share_id(self, token: str) -> str | None:
        """Return the id in a token; None when it was not signed here."""
        share_id, _, signature = token.partition(".")
        made = [self._sign(key, share_id) for key in self._keys]
        good = [hmac.compare_digest(each.encode(), signature.encode()) for each in made]
        return share_id if any(good) else None

    @staticmethod
    def _sign(key: bytes, share_id: str) -> str:
        digest = hmac.new(key, share_id.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


_COLUMNS = "id, generation_id, created_at, expires_at"


async def add(sql: Sql, share: Share) -> None:
    query = f"INSERT INTO shares ({_COLUMNS}) VALUES ($1, $2, $3, $4)"
    await sql.execute(query, share.id, share.generation_id, share.created_at, share.expires_at)


async def get(sql: Sql, share_id: str) -> Share | None:
    row = await sql.fetch_one(f"SELECT {_COLUMNS} FROM shares WHERE id = $1", share_id)
    return Share(**row) if row and row["expires_at"] > ids.now() else None


async def of_generation(sql: Sql, generation_id: str) -> list[Share]:
    """Return those that still open, the newest first."""
    query = f"SELECT {_COLUMNS} FROM shares WHERE generation_id = $1"
    open_ones = [
        Share(**row)
        for row in await sql.fetch(query, generation_id)
        if row["expires_at"] > ids.now()
    ]
    return sorted(open_ones, key=lambda each: each.id, reverse=True)


async def delete(sql: Sql, share_id: str, generation_id: str) -> bool:
    query = "DELETE FROM shares WHERE id = $1 AND generation_id = $2 RETURNING id"
    return await sql.fetch_one(query, share_id, generation_id) is not None


async def purge(sql: Sql) -> None:
    await sql.execute("DELETE FROM shares WHERE expires_at <= $1", ids.now())
