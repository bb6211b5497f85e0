"""Passwords: the check of new ones, and argon2id hashes (OWASP: t=1, m=46 MiB, p=1)."""

import asyncio
import base64
import os
from collections.abc import Collection
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from api.auth.schemas import ADMIN_PASSWORD_MIN, PASSWORD_MAX_BYTES, PASSWORD_MIN
from api.errors import InvalidRequest
from api.users import weak_passwords
from api.users.schemas import Role

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """`memory` is in KiB."""

    time: int = 1
    memory: int = 47_104
    lanes: int = 1


async def check(
    password: str, role: Role, *, words: Collection[str] = (), field: str = "password"
) -> None:
    """Check a new password: long enough for the role, not so long that hashing it is an attack, and
    none that is guessed first: a common password, or one of `words` (names of the user, the product
    and the server), with little around it. Raises `InvalidRequest`."""
    least = ADMIN_PASSWORD_MIN if role == "admin" else PASSWORD_MIN
    if len(password) < least:
        raise InvalidRequest("password_short", field=field, least=least)
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise InvalidRequest("password_long", field=field, most=PASSWORD_MAX_BYTES)
    weak = await asyncio.to_thread(weak_passwords.reason, password, words)
    if weak is not None:
        raise InvalidRequest(weak, field=field)


class Passwords:
    """Hashes in threads, at most four at once: each takes 46 MiB, so more would be a way to use up
    the memory."""

    def __init__(self, cost: Cost | None = None) -> None:
        cost = cost or Cost()
        self._hasher = PasswordHasher(
            time_cost=cost.time, memory_cost=cost.memory, parallelism=cost.lanes, type=Type.ID
        )
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._nobodys = _unmatchable(cost)

    async def hash(self, password: str) -> str:
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether this is the password. It takes as long when there is no stored hash, so that
        the time does not tell who has an account."""
        if len(password.encode()) > PASSWORD_MAX_BYTES:
            return False
        async with self._gate:
            return await asyncio.to_thread(self._verify, stored or self._nobodys, password)

    def is_weaker(self, stored: str) -> bool:
        """Tell whether a hash was made at another cost than ours."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _unmatchable(cost: Cost) -> str:
    """Return a hash that no password has and that costs as much to check as a real one."""
    salt, hashed = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={cost.memory},t={cost.time},p={cost.lanes}${salt}${hashed}"
