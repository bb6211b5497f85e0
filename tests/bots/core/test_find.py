"""/find: own results and conversations by their words, for their person alone."""

import pytest

from bots.core import texts
from bots.core.types import Reply
from tests.bots.core.recording_chat import Place
from tests.bots.core.test_results import press, result

pytestmark = pytest.mark.asyncio(loop_scope="module")


def labels(reply: Reply) -> list[str]:
    return [one.label for row in reply.buttons for one in row]


async def test_a_picture_is_shown_again_and_a_conversation_gone_on_with(joined: Place) -> None:
    await result(joined, "/image a heron at dawn")
    await joined.say("/ask how tall is a heron?")
    await joined.say("/new")
    await joined.say("/ask what is tin?")
    (found,) = await joined.say("/find  HERON ")
    assert found.text.startswith("Found for “HERON”:\n#")
    assert "a heron at dawn" in found.text
    assert "💬 how tall is a heron?" in found.text
    assert "tin" not in found.text
    assert found.secret
    (shown,) = await press(joined, found, "show")
    assert shown.files
    (took,) = await press(joined, found, "take_up")
    assert "how tall is a heron?" in took.text
    await joined.say("/ask and how heavy?")
    talks = (await joined.web.get("/conversations")).json()["items"]
    going_on = (await joined.web.get(f"/conversations/{talks[0]['id']}")).json()
    asked = [one["text"] for one in going_on["messages"] if one["role"] == "user"]
    assert asked == ["how tall is a heron?", "and how heavy?"]


async def test_nobody_finds_or_takes_up_what_others_have(joined: Place) -> None:
    await joined.say("/ask my secret badger")
    (found,) = await joined.say("/find badger")
    async with await joined.api.user("finder") as other:
        joined.web, mine = other, joined.web
        await joined.join(person="79", chat="79")
        joined.web = mine
    stranger = {"person": "79", "chat": "79"}
    assert (await joined.say("/find badger", **stranger))[-1].text == texts.found_nothing("badger")
    (refused,) = await press(joined, found, "take_up", **stranger)
    assert "secret badger" not in refused.text


async def test_pages_work_after_a_restart_and_long_words_only_before(joined: Place) -> None:
    for number in range(5):
        await joined.say(f"/ask otter number {number} and many more words about the same animal")
        await joined.say("/new")
    (first,) = await joined.say("/find otter")
    assert labels(first)[-1] == texts.more()
    (second,) = await press(joined, first, "find_page")
    assert labels(second)[-1] == texts.back()
    shown = {one for one in (*labels(first), *labels(second)) if one.startswith("💬")}
    assert len(shown) == 5
    (long,) = await joined.say("/find and many more words about the same animal")
    more = long.buttons[-1][-1]
    assert len(f"{more.action}:{more.value}".encode()) <= 60
    (second,) = await joined.say(f"/{more.action} {more.value}", pressed="m1")
    assert labels(second)[-1] == texts.back()
    (gone,) = await joined.say("/find_page 1:@0123456789ab", pressed="m1")
    assert gone.text == texts.say_it_again()


async def test_without_words_it_asks_for_some(joined: Place) -> None:
    assert (await joined.say("/find"))[-1].text == texts.find_what()
