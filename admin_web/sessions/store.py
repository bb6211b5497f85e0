"""The stored web sessions: one SQLite file, with sealed contents and hashed ids."""

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

IDLE_SECONDS = 14 * 86_400
ABSOLUTE_SECONDS = 30 * 86_400
SEEN_EVERY_SECONDS = 300
LOCKS = 64

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    tokens BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The api's pair; `expires_at` is the access token's end in Unix seconds."""

    access: str
    refresh: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class StoredSession:
    data: dict[str, object]
    tokens: Tokens


class SessionStore:
    """Stored sessions by their id. A connection is opened for each call, which costs 0.1 ms: none
    crosses a thread or a fork.

    `data` and `tokens` are written apart, so that a page that stores a message never puts back an
    older token pair.
    """

    def __init__(self, directory: Path, fernet: Fernet) -> None:
        self._file = directory / "web-sessions.db"
        self._locks = directory / "web-locks"
        self._fernet = fernet

    def prepare(self) -> None:
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        with self._open() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(_SCHEMA)

    def create(self, sid: str, data: Mapping[str, object], tokens: Tokens) -> None:
        """Also deletes expired sessions: logins are rare, and this keeps the file small."""
        now = int(time.time())
        sealed = self._seal(data), self._seal(asdict(tokens))
        old = "DELETE FROM sessions WHERE expires_at < ? OR seen_at < ?"
        new = "INSERT INTO sessions (id, data, tokens, seen_at, expires_at) VALUES (?, ?, ?, ?, ?)"
        with self._open() as db:
            db.execute(old, (now, now - IDLE_SECONDS))
            db.execute(new, (_hash(sid), *sealed, now, now + ABSOLUTE_SECONDS))

    def load(self, sid: str) -> StoredSession | None:
        """None when there is no such session, it has expired, or it was sealed with another key."""
        now = int(time.time())
        with self._open() as db:
            found = db.execute(
                "SELECT data, tokens, seen_at, expires_at FROM sessions WHERE id = ?", (_hash(sid),)
            ).fetchone()
            if found is None:
                return None
            data, tokens, seen_at, expires_at = found
            if expires_at < now or seen_at < now - IDLE_SECONDS:
                return None
            if seen_at < now - SEEN_EVERY_SECONDS:
                db.execute("UPDATE sessions SET seen_at = ? WHERE id = ?", (now, _hash(sid)))
        try:
            return StoredSession(self._unseal(data), Tokens(**self._unseal(tokens)))  # type: ignore[arg-type]
        except InvalidToken:
            return None

    def save_data(self, sid: str, data: Mapping[str, object]) -> None:
        with self._open() as db:
            db.execute("UPDATE sessions SET data = ? WHERE id = ?", (self._seal(data), _hash(sid)))

    def save_tokens(self, sid: str, tokens: Tokens) -> bool:
        """False when the session has ended meanwhile."""
        with self._open() as db:
            sealed = self._seal(asdict(tokens))
            change = "UPDATE sessions SET tokens = ? WHERE id = ?"
            return db.execute(change, (sealed, _hash(sid))).rowcount == 1

    def delete(self, sid: str) -> None:
        with self._open() as db:
            db.execute("DELETE FROM sessions WHERE id = ?", (_hash(sid),))

    @contextmanager
    def refreshing(self, sid: str) -> Iterator[None]:
        """Only one holder per session, over all threads and worker processes. The system frees it
        when a holder dies."""
        stripe = int(_hash(sid)[:8], 16) % LOCKS
        with (self._locks / f"{stripe}.lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=5, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            yield db

    def _seal(self, value: Mapping[str, object]) -> bytes:
        return self._fernet.encrypt(json.dumps(value).encode())

    def _unseal(self, sealed: bytes) -> dict[str, object]:
        value = json.loads(self._fernet.decrypt(sealed))
        if not isinstance(value, dict):
            raise InvalidToken
        return value


def _hash(sid: str) -> str:
    """A read of the file gives no usable cookie."""
    return hashlib.sha256(sid.encode()).hexdigest()
