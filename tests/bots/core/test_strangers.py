"""Somebody without an account can't flood a group with the bot's answers."""

from dataclasses import replace
from typing import Any

import pytest

from bots.core import texts
from bots.core.activity import Activity
from bots.core.dispatch import answer
from tests.bots.core.recording_chat import LIMITS, Place, Stage
from tests.bots.core.samples import told

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUP: dict[str, Any] = {"chat": "-5", "private": False}
LINES = [
    "/image a fox",
    "/ask why?",
    "/video --nothing 1",
    "/balance",
    "/help",
    "/jobs",
    "/imagine x --n 99",
]


async def test_a_stranger_is_answered_once_in_a_group(place: Place) -> None:
    said = [await place.say(LINES[turn % len(LINES)], person="9101", **GROUP) for turn in range(25)]
    assert [len(one) for one in said] == [1, *[0] * 24]
    assert said[0][0].text.startswith(told("not_linked", "chat_not_linked"))
    assert len(await place.say("/image a fox", person="9102", **GROUP)) == 1
    assert len(await place.say("/image a fox", person="9101", chat="9101")) == 1


async def test_who_has_an_account_is_always_answered(joined: Place) -> None:
    for _ in range(3):
        assert (await joined.say("/balance", **GROUP))[-1].text.startswith("You have $")


async def test_a_code_is_burned_also_in_silence(place: Place) -> None:
    await place.say("/help", person="9111", **GROUP)
    code = (await place.web.post("/links/codes", json={"platform": "telegram"})).json()
    assert await place.say(f"/link {code['code']}", person="9111", **GROUP) == []
    assert (await place.web.get(f"/links/codes/{code['id']}")).json()["state"] == "burned"


async def test_what_only_the_stranger_sees_is_always_shown(place: Place) -> None:
    discreet = Stage(limits=replace(LIMITS, discreet=True))
    for _ in range(3):
        await answer(discreet, place.bot, place.inbound("/image a fox", person="9112", **GROUP))
    assert [act.reply.secret for act in discreet.acts] == [True] * 3


async def test_after_an_hour_a_stranger_is_answered_again(place: Place) -> None:
    inbound = place.inbound("/help", person="9113", **GROUP)
    hourly, always = Activity(), Activity(stranger_seconds=0)
    assert [hourly.may_hear(inbound), hourly.may_hear(inbound)] == [True, False]
    assert [always.may_hear(inbound), always.may_hear(inbound)] == [True, True]


async def test_a_stranger_who_presses_is_told_so_briefly_and_alone(place: Place) -> None:
    for turn in range(3):
        (told,) = await place.say(
            "/again 01a22bdc-70a4-75fa-b091-a4132ee8c352",
            person="9114",
            pressed=f"m{turn}",
            **GROUP,
        )
        assert (told.text, told.secret, told.buttons) == (texts.not_yours(), True, ())
