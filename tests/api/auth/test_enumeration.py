"""A refused login does not tell whether the account exists: the answer and the work are the same.
Times are measured in `tests/bench`."""

from typing import Any, Literal

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from tests.api.auth.account_services import World, one_engine

WRONG = "not the right password"


class Counting(PasswordHasher):
    """A hasher that records the cost of each hash it checked, and how many it made."""

    def __init__(self, like: PasswordHasher) -> None:
        super().__init__(like.time_cost, like.memory_cost, like.parallelism, type=Type.ID)
        self.checked: list[Any] = []
        self.made = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.checked.append(extract_parameters(hash.decode() if isinstance(hash, bytes) else hash))
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.made += 1
        return super().hash(password, salt=salt)


@one_engine
@pytest.mark.parametrize(
    "who", ["has an account", "has none", "is disabled", "is invited", "is a guest"]
)
async def test_a_refusal_costs_one_check_whoever_it_is(world: World, who: str) -> None:
    await world.person("alice")
    await world.person("dora")
    await world.db.execute("UPDATE users SET status = 'disabled' WHERE email = 'dora@example.org'")
    await world.person("ivan")
    await world.db.execute("UPDATE users SET password_hash = NULL WHERE email = 'ivan@example.org'")
    await world.person("gus")
    await world.db.execute(
        "UPDATE users SET password_hash = NULL, guest = TRUE WHERE email = 'gus@example.org'"
    )
    name = {
        "has an account": "alice",
        "has none": "nobody",
        "is disabled": "dora",
        "is invited": "ivan",
        "is a guest": "gus",
    }[who]
    passwords = world.users._passwords
    counting = passwords._hasher = Counting(passwords._hasher)
    answer = await world.ask(
        "POST", "/auth/login", json={"email": f"{name}@example.org", "password": WRONG}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.json()["detail"] == "E-mail address or password is not right."
    [cost] = counting.checked
    seen = (cost.type, cost.time_cost, cost.memory_cost, cost.parallelism)
    assert seen == (Type.ID, counting.time_cost, counting.memory_cost, counting.parallelism)
    assert counting.made == 0
