"""Passwords that are guessed first are refused; good ones are accepted, even if they contain a
common word."""

import gzip

import pytest

from api.users import weak_passwords
from api.users.weak_passwords import LIST, common, reason
from tests.api.auth.account_services import World, one_engine

WORDS = ("alice", "allucanget", "studio.example.org", "studio")


def test_the_list_is_long_and_clean() -> None:
    with gzip.open(LIST, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    assert len(lines) == len(set(lines)) == len(common()) >= 10_000
    assert all(line and line == line.strip().casefold() for line in lines)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("Password1234", "password_common"),
        ("password!!!!", "password_common"),
        ("1234iloveyou", "password_common"),
        ("P@ssw0rd1234", "password_common"),
        ("!princess!2024", "password_common"),
        ("sun.shine.1234", "password_common"),
        ("passwordpassword", "password_repeats"),
        ("abcabcabcabc", "password_repeats"),
        ("aaaaaaaaaaaaaaa", "password_repeats"),
        ("k3jd8k3jd8k3", "password_repeats"),
        ("123456789012", "password_run"),
        ("qwertyuiopasdf", "password_run"),
        ("zyxwvutsrqponm", "password_run"),
        ("allucanget2026!", "password_named"),
        ("Alice+Alice+42x", "password_named"),
        ("studio.example.org", "password_named"),
    ],
)
def test_passwords_that_are_guessed_first_are_refused(password: str, why: str) -> None:
    assert reason(password, WORDS) == why


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "a good password",
        "an admin's long password",
        "x7GhT!99kLmQ",
        "alice likes green tea",
        "Grüße aus 1 Dorf",
    ],
)
def test_a_good_one_is_not(password: str) -> None:
    assert reason(password, WORDS) is None


def test_short_names_are_in_too_many_passwords() -> None:
    assert reason("do-re-mi-fa-sol", ("do", "re")) is None


def test_it_is_quick_also_for_a_long_one() -> None:
    assert weak_passwords.reason("ab1-" * 256) == "password_repeats"
    assert (
        weak_passwords.reason("".join(chr(97 + number * number % 26) for number in range(1024)))
        is None
    )


@one_engine
@pytest.mark.parametrize("password", ["password1234", "aliceexample.org", "allucanget!!!!"])
async def test_nobody_can_choose_one(world: World, password: str) -> None:
    asked = {"email": "alice@example.org", "password": password}
    refused = await world.ask("POST", "/auth/register", json=asked)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "password")
    alice = await world.person()
    change = {"current_password": "a good password", "new_password": password}
    refused = await world.ask("PUT", "/users/me", as_=alice.access_token, json=change)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "new_password")
