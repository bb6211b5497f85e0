"""The end of answers in a chat: the words about it, thinking, sources, pictures and money; and
going on."""

from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.types import Reply
from tests.api.media.samples import picture
from tests.api.provider.test_answers import events, said
from tests.api.text.test_endings import replay, with_picture
from tests.bots.core.recording_chat import Place
from tests.bots.core.samples import told
from tests.cases import case
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def spent(place: Place) -> Decimal:
    return Decimal((await place.web.get("/users/me")).json()["spent_usd"])


async def asked(
    place: Place, sandbox: Sandbox, stream: str, line: str = "/ask why?", **more: Any
) -> list[Reply]:
    sandbox.break_with(replay(stream, breaks=bool(more.pop("breaks", False))))
    return await place.say(line, **more)


async def test_a_whole_answer_says_what_it_cost(place: Place) -> None:
    last = (await place.say("/ask why?"))[-1]
    assert last.text.endswith(f"\n\n{texts.money(await spent(place))}")
    assert [button.action for row in last.buttons for button in row] == ["read_aloud"]


async def test_a_free_answer_says_nothing_of_money(place: Place) -> None:
    assert "$" not in (await place.say("/ask why? --model llama"))[-1].text


async def test_an_answer_that_was_cut_at_its_limit_can_go_on(
    place: Place, sandbox: Sandbox
) -> None:
    cut = (await asked(place, sandbox, case("finish-reason/length.sse")))[-1]
    assert (
        cut.text
        == "This answer was cut in the middle of a sen\n\n[Cut at the limit of its length. It "
        "cost $0.0012.]"
    )
    ((button, aloud),) = cut.buttons
    assert aloud.action == "read_aloud"
    assert (button.label, button.action) == ("▶️ Go on", "go_on")
    assert len(f"{button.action}:{button.value}") <= 60
    sandbox.reset()
    await place.say("/new")
    await place.say("/ask something else?")
    pressed, before = f"/{button.action} {button.value}", len(place.stage.acts)
    on = (await place.say(pressed, pressed="m1"))[-1]
    assert {act.edited for act in place.stage.acts[before:]} & {"m1"} == set(), (
        "the part before stays as it is"
    )
    assert not on.preview
    sent = [message["content"] for message in sandbox.calls("chat")[-1]["body"]["messages"]]
    assert sent == ["why?", "This answer was cut in the middle of a sen", texts.go_on()]
    (twice,) = await place.say(pressed, pressed="m1")
    assert twice.text == texts.pressed_twice()


async def test_only_who_asked_goes_on(place: Place, sandbox: Sandbox) -> None:
    ((button, _),) = (await asked(place, sandbox, case("finish-reason/length.sse")))[-1].buttons
    calls = len(sandbox.calls("chat"))
    (foreign,) = await place.say(f"/{button.action} {button.value}", person="88", pressed="m9")
    assert (foreign.text, foreign.secret) == (texts.only_who_asked(), True)
    assert len(sandbox.calls("chat")) == calls


async def test_a_filter_is_told(place: Place, sandbox: Sandbox) -> None:
    last = (await asked(place, sandbox, case("finish-reason/content_filter.sse")))[-1]
    assert (
        last.text
        == "I was about to say\n\n[A content filter stopped the answer here. It cost $0.0012.]"
    )
    assert [button.action for row in last.buttons for button in row] == ["read_aloud"]


async def test_all_thinking_says_so_what_it_cost_and_what_helps(
    place: Place, sandbox: Sandbox
) -> None:
    thinking, last = await asked(place, sandbox, case("empty-answer-charged/reasoning_length.sse"))
    assert (thinking.text, thinking.preview) == (texts.thinking(), True)
    assert last.text == f"{told('no_answer', 'thinking_only')} It cost $0.016."
    assert "effort" in last.text
    assert await spent(place) == Decimal("0.0164")
    sandbox.reset()
    await place.say("/ask why? --effort low")
    assert sandbox.calls("chat")[-1]["body"]["reasoning"] == {"effort": "low"}
    assert sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"] == "why?"
    wrong = (await place.say("/ask why? --effort none"))[-1]
    assert "--effort should be like low" in wrong.text


async def test_an_answer_without_a_word_says_what_it_cost(place: Place, sandbox: Sandbox) -> None:
    last = (await asked(place, sandbox, case("empty-answer-charged/tool_calls.sse")))[-1]
    assert last.text == f"{told('no_answer', 'empty_answer')} It cost $0.0012."


@pytest.mark.parametrize("name", ["think_tags", "think_close_only"])
async def test_thinking_is_seen_and_not_quoted(place: Place, sandbox: Sandbox, name: str) -> None:
    sandbox.break_with(replay(case(f"think-tags/{name}.sse")), token=0.05)
    replies = await place.say("/ask 2+2?")
    assert texts.thinking() in [reply.text for reply in replies if reply.preview]
    assert replies[-1].text == "The answer is **4**.\n\n$0.0012"


@pytest.mark.parametrize(("name", "breaks"), [("cut_mid", True), ("no_finish", False)])
async def test_a_broken_answer_and_the_ledger_agree(
    place: Place, sandbox: Sandbox, name: str, breaks: bool
) -> None:
    last = (await asked(place, sandbox, case(f"charged-but-says-not/{name}.sse"), breaks=breaks))[
        -1
    ]
    booked = await spent(place)
    assert booked > 0
    assert last.text.endswith(f"It cost {texts.money(booked)}.]")
    assert "Nothing was charged" not in last.text


async def test_a_line_that_is_no_json_is_not_noticed(place: Place, sandbox: Sandbox) -> None:
    last = (await asked(place, sandbox, case("charged-but-says-not/nonjson_mid.sse")))[-1]
    assert last.text == "Half of the answer is here and then the rest.\n\n$0.0012"


@pytest.mark.parametrize("name", ["comment_as_data", "ping_events", "sse_bom", "sse_wrong_type"])
async def test_odd_streams_are_answers(place: Place, sandbox: Sandbox, name: str) -> None:
    fault = replay(case(f"sse-oddities/{name}.sse"))
    sandbox.break_with(
        fault.model_copy(update={"media_type": "application/json"})
        if name == "sse_wrong_type"
        else fault
    )
    assert (await place.say("/ask why?"))[-1].text.endswith(".\n\n$0.0012")


async def test_a_character_cut_in_two_is_whole(place: Place, sandbox: Sandbox) -> None:
    assert (
        "🦊 is a fox" in (await asked(place, sandbox, said("\ud83e", "\udd8a is a fox")))[-1].text
    )


async def test_sources_are_numbered_links(place: Place, sandbox: Sandbox) -> None:
    def cited(url: str, title: str) -> dict[str, Any]:
        return {
            "annotations": [{"type": "url_citation", "url_citation": {"url": url, "title": title}}]
        }

    strange = cited("https://a.example/x_(y)", "A [strange](https://evil.example) title")
    stream = events({"content": "Yes [1]."}, strange, cited("https://b.example/", ""))
    last = (await asked(place, sandbox, stream))[-1]
    assert last.markdown
    assert last.text.split("\n\n")[1].splitlines() == [
        r"[1] [A \[strange\]\(https://evil.example\) title](https://a.example/x_%28y%29)",
        "[2] [b.example](https://b.example/)",
    ]


async def test_pictures_of_an_answer_come_as_files(place: Place, sandbox: Sandbox) -> None:
    words, files = [
        reply
        for reply in await asked(place, sandbox, with_picture("Here it is."))
        if not reply.preview
    ]
    assert words.text.startswith("Here it is.")
    (file,) = files.files
    assert (file.kind, file.content_type, file.data) == ("photo", "image/png", picture())
    alone = [reply for reply in await asked(place, sandbox, with_picture()) if not reply.preview]
    assert alone[0].text.startswith("Here is the picture.")
    assert len(alone[1].files) == 1
    assert alone[1].files[0].name != file.name, (
        "where files are saved, none takes the place of another"
    )
