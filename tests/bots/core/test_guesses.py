"""Mistyped commands lead to the one that was meant, and names from other bots are understood."""

from dataclasses import replace

import pytest

from bots.core import texts
from bots.core.guesses import guessed
from tests.bots.core.recording_chat import Place
from tests.bots.core.test_results import press

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_only_what_is_nearly_a_command_is_guessed() -> None:
    near = {"imgae": "image", "vidoe": "video", "Ballance": "balance", "hlep": "help"}
    near |= {"imagne": "image", "serttings": "settings", "drwa": "image"}
    for typed, meant in near.items():
        found = guessed(typed)
        assert found is not None, typed
        assert found.name == meant
    for foreign in ("fly", "ban", "weather", "x", "", "warn", "roll"):
        assert guessed(foreign) is None, foreign


async def test_the_button_does_it_with_the_same_words(joined: Place) -> None:
    (question,) = await joined.say("/imgae a fox --n 2")
    assert question.text == "I don't know /imgae. Did you mean /image?"
    (foreign,) = await press(joined, question, "repeat", person="78", chat="77")
    assert foreign.text == texts.not_yours()
    (card,) = await press(joined, question, "repeat")
    assert "“a fox”" in card.text
    assert card.card is not None


async def test_a_group_hears_of_it_only_when_the_bot_was_named(joined: Place) -> None:
    said = joined.inbound("/blance", chat="-5", private=False)
    assert await joined.answer(said) == []
    (question,) = await joined.answer(replace(said, addressed=True))
    (balance,) = await press(joined, question, "repeat", chat="-5", private=False)
    assert "left this month" in balance.text
    # not in the place of the question, which everybody reads
    assert (balance.secret, balance.fresh) == (True, True)


async def test_start_help_is_the_help(place: Place) -> None:
    (page,) = await place.say("/start help")
    assert "This is what I can do:" in page.text
