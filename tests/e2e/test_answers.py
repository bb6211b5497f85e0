"""Recorded answers of the provider in the chats of the real processes: the shown cost is the booked
one."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bots.core import texts
from tests.api.provider.test_answers import events, said
from tests.api.text.test_endings import replay, with_picture
from tests.cases import case
from tests.e2e.people import Account, Person, Shown, containing, person_on
from tests.sandbox_server import Sandbox
from tests.stack import running_stack

pytestmark = pytest.mark.timeout(180)


class World:
    def __init__(self, person: Person, account: Account, sandbox: Sandbox) -> None:
        self.person = person
        self.account = account
        self.sandbox = sandbox

    async def asks(self, stream: str, *shown: str, breaks: bool = False, files: int = 0) -> Shown:
        """Ask with this stream as the answer, and return the message that the chat shows in the
        end."""
        self.sandbox.break_with(replay(stream, breaks=breaks))
        self.person.says("ask", "why?")
        return await self.person.sees(containing(*shown, files=files))

    def spent(self) -> Decimal:
        return Decimal(self.account.get("/users/me")["spent_usd"])


@pytest.fixture(params=["telegram", "discord"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with (
        person_on(request.param) as person,
        running_stack(**person.env(), without=frozenset({"web"})) as stack,
    ):
        await person.connected()
        account = Account(stack)
        await account.link(person)
        yield World(person, account, Sandbox(stack.sandbox_url))
        account.close()


async def test_the_shown_cost_is_the_booked_one(world: World) -> None:
    for name, breaks in (("cut_mid", True), ("no_finish", False)):
        before = world.spent()
        words = "Half of the answer" if name == "cut_mid" else "All the words"
        shown = await world.asks(
            case(f"charged-but-says-not/{name}.sse"), words, "The answer stops here", breaks=breaks
        )
        booked = world.spent() - before
        assert booked > 0
        assert f"It cost {texts.money(booked)}." in shown.text
        assert "Nothing was charged" not in shown.text
    await world.asks(
        case("charged-but-says-not/nonjson_mid.sse"),
        "Half of the answer is here and then the rest.",
        "$0.0012",
    )
    for name, why in (
        ("reasoning_length", "all its room for thinking"),
        ("tool_calls", "The model gave no answer"),
    ):
        before = world.spent()
        shown = await world.asks(case(f"empty-answer-charged/{name}.sse"), why)
        assert f"It cost {texts.money(world.spent() - before)}." in shown.text


async def test_thinking_sources_pictures_and_going_on(world: World) -> None:
    for name in ("think_tags", "think_close_only"):
        shown = await world.asks(case(f"think-tags/{name}.sse"), "The answer is", "$0.0012")
        assert "think>" not in shown.text
        assert "user wants" not in shown.text
    assert "😀" in (await world.asks(said("\ud83d", "\ude00 smiles"), "smiles")).text
    cited = {
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "https://a.example/", "title": "A title"},
            }
        ]
    }
    await world.asks(events({"content": "Cited."}, cited), "Cited.", "[1]", "A title")
    await world.asks(with_picture("Here it is."), "", files=1)
    cut = await world.asks(
        case("finish-reason/length.sse"), "This answer was cut", "Cut at the limit"
    )
    assert cut.buttons == ("▶️ Go on", "🔊 Read aloud")
    await world.asks(
        case("finish-reason/content_filter.sse"), "A content filter stopped the answer here."
    )
    world.sandbox.break_with(token=0)
    world.person.press(cut, "▶️ Go on")
    await world.person.sees(containing("local sandbox"))
    kept = next(one for one in world.person.messages() if one.id == cut.id)
    assert "This answer was cut" in kept.text
    sent = [message["content"] for message in world.sandbox.calls("chat")[-1]["body"]["messages"]]
    assert sent[-2:] == ["This answer was cut in the middle of a sen", texts.go_on()]
