"""A person who was heard lately is introduced to the api by the command's own call, and what has
changed about that person counts with it."""

from typing import Any

import pytest

from bots.core import texts
from tests.bots.core.call_log import CallLog
from tests.bots.core.recording_chat import Place
from tests.bots.core.samples import told

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUP: dict[str, Any] = {"chat": "-5", "private": False}


def token_is_over(place: Place) -> None:
    place.bot._acts.clear()


async def test_the_first_call_brings_the_token_for_the_next(joined: Place) -> None:
    await joined.say("/help")
    token_is_over(joined)
    log = CallLog(joined.bot.http)
    for _ in range(2):
        assert (await joined.say("/balance"))[-1].text.startswith("You have")
    assert log.asking == ["GET /users/me"] * 2
    assert len(joined.bot._acts) == 1


async def test_a_language_that_was_chosen_on_the_web_counts_in_the_next_answer(
    joined: Place,
) -> None:
    assert (await joined.say("/balance"))[-1].text.startswith("You have")
    changed = await joined.web.put("/users/me", json={"language": "de"})
    assert changed.is_success
    token_is_over(joined)
    assert (await joined.say("/balance"))[-1].text.startswith("Du hast")


@pytest.mark.parametrize("token", ["over", "known"])
async def test_unlinking_counts_at_once(joined: Place, token: str) -> None:
    await joined.say("/balance")
    await joined.api.services.db.execute("DELETE FROM links")
    if token == "over":
        token_is_over(joined)
    assert (await joined.say("/image a fox"))[-1].text.startswith(
        told("not_linked", "chat_not_linked")
    )


async def test_disabling_counts_at_once(joined: Place) -> None:
    await joined.say("/balance")
    me = (await joined.web.get("/users/me")).json()["id"]
    disable = "UPDATE users SET status = 'disabled' WHERE id = $1"
    await joined.api.services.db.execute(disable, me)
    for _ in range(2):
        assert (await joined.say("/image a fox"))[-1].text == told(
            "not_allowed", "account_disabled"
        )
        token_is_over(joined)


async def test_who_was_unlinked_is_a_stranger_in_a_group(joined: Place) -> None:
    """Told once an hour, and then in silence."""
    person: dict[str, Any] = {"person": "9301", **GROUP}
    await joined.join("9301", "9301")
    await joined.say("/balance", **person)
    await joined.api.services.db.execute("DELETE FROM links")
    said = [await joined.say("/balance", **person) for _ in range(3)]
    assert [len(one) for one in said] == [1, 0, 0]
    await joined.join("9301", "9301")
    assert texts.not_linked(None) not in (await joined.say("/balance", **person))[-1].text
