"""Password hashes: argon2id at the cost that OWASP recommends, and renewed where they were made
cheaper."""

import asyncio
import threading

import pytest

from api.auth.schemas import LoginIn
from api.db import Db
from api.errors import InvalidRequest
from api.users.passwords import AT_ONCE, Cost, Passwords, check
from tests.api.auth.account_services import HERE, build


async def test_the_usual_cost_is_argon2id_with_46_mib() -> None:
    passwords = Passwords()
    hashed = await passwords.hash("a good password")
    assert hashed.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert await passwords.matches(hashed, "a good password")
    assert not await passwords.matches(hashed, "a good passwor")
    assert not passwords.is_weaker(hashed)
    assert Passwords(Cost(time=2)).is_weaker(hashed)


@pytest.mark.parametrize("stored", [None, "", "no hash", "$argon2id$v=19$m=8,t=1,p=1$bad$bad"])
async def test_without_a_hash_nothing_matches(stored: str | None) -> None:
    assert not await Passwords(Cost(memory=8)).matches(stored, "a good password")


async def test_a_password_of_any_length_is_not_hashed() -> None:
    passwords, endless = Passwords(Cost(memory=8)), "x" * 2000
    assert not await passwords.matches(await passwords.hash(endless), endless)


class Slow:
    """A hasher that nobody leaves before four have entered."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._four = threading.Barrier(AT_ONCE)

    def hash(self, password: str) -> str:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._four.wait(timeout=30)
        with self._lock:
            self.inside -= 1
        return password


async def test_four_are_hashed_at_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, slow = Passwords(Cost(memory=8)), Slow()
    monkeypatch.setattr(passwords, "_hasher", slow)
    await asyncio.gather(*(passwords.hash("a good password") for _ in range(AT_ONCE * 3)))
    assert slow.most == AT_ONCE


async def test_a_cheap_hash_is_renewed_at_login(db: Db) -> None:
    cheap, dear = build(db), build(db, cost=Cost(memory=16))
    await cheap.person()
    await dear.auth.login(
        LoginIn.model_validate({"email": "alice@example.org", "password": "a good password"}), HERE
    )
    row = await db.fetch_one("SELECT password_hash FROM users")
    assert row is not None
    assert "m=16," in row["password_hash"]
    await dear.login("alice", "a good password")


async def test_an_admins_password_is_longer() -> None:
    await check("twelve chars", "user")
    await check("fifteen chars..", "admin")
    with pytest.raises(InvalidRequest):
        await check("fourteen chars", "admin")
