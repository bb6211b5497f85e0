"""/ask, the small commands, and what people read when something is broken."""

import asyncio
import dataclasses
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
import pytest_asyncio

from bots.core import dispatch, texts
from bots.core.commands.quotes import with_quoted
from bots.core.types import Address, Attachment, QuotedMessage, Reply, SendFailed
from client.bot import BotApi
from sandbox.faults import Fault
from tests.bots.core.recording_chat import LIMITS, Place, attachment, served, trouble_once
from tests.bots.core.samples import told
from tests.bots.core.test_image_video import png
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def test_an_answer_grows_in_one_message_and_ends_whole(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=0.01)
    before = len(place.stage.acts)
    replies = await place.say("/ask why is the sky blue?")
    acts = place.stage.acts[before:]
    assert len(replies) > 1
    assert all(reply.preview and reply.text.endswith(texts.WRITING) for reply in replies[:-1])
    assert not replies[-1].preview
    assert replies[-1].text.startswith(replies[0].text.removesuffix(texts.WRITING))
    assert len({act.shown for act in acts}) == 1
    assert all(one.text != other.text for one, other in pairwise(replies))


async def test_a_chat_remembers_until_it_begins_anew(place: Place, sandbox: Sandbox) -> None:
    async def sent() -> int:
        """The number of messages that go to the model with a question."""
        await place.say("/ask and then?")
        return len(sandbox.calls("chat")[-1]["body"]["messages"])

    assert [await sent(), await sent()] == [1, 3]
    for command in ("/new", "/reset"):
        assert (await place.say(command))[-1].text == texts.new_conversation()
        assert [await sent(), await sent()] == [1, 3]


async def test_ask_with_nothing_to_ask(place: Place) -> None:
    assert (await place.say("/ask"))[-1].text == texts.ask_what()


async def test_ask_shows_a_sign_of_life_before_the_first_word(place: Place) -> None:
    await place.say("/ask why?")
    assert place.stage.busy_signs >= 1


async def test_a_provider_that_is_down_is_told_in_words(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=503))
    (reply,) = await place.say("/ask why?")
    assert reply.text.startswith("The AI provider is overloaded right now.")
    assert reply.text.endswith("Nothing was charged.")


async def test_an_answer_that_breaks_off_keeps_what_was_written(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="cut", after=3))
    last = (await place.say("/ask why is the sky blue?"))[-1]
    assert not last.preview
    written, _, why = last.text.partition("\n\n[The answer stops here. ")
    assert written
    spent = Decimal((await place.web.get("/users/me")).json()["spent_usd"])
    assert (
        why == f"{told('provider_unavailable', 'connection_lost')} It cost {texts.money(spent)}.]"
    )


async def test_the_last_reply_is_shown_although_the_platform_had_enough_of_previews(
    place: Place,
) -> None:
    slow_down = SendFailed("flood", retry_after=0.01)
    place.stage.trouble = trouble_once(slow_down, slow_down)
    last = (await place.say("/ask why is the sky blue?"))[-1]
    assert not last.preview


async def test_a_reply_is_not_given_up_because_the_platform_is_busy(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when many answers to one chat are made up for at the same moment."""
    monkeypatch.setattr(dispatch, "FLOOD_LEAST_SECONDS", 0.01)
    busy = [SendFailed("flood", retry_after=0.01) for _ in range(10)]
    place.stage.trouble = trouble_once(*busy)
    (reply,) = await place.say("/balance")
    assert reply.text.startswith("You have")


async def test_a_platform_that_is_busy_for_no_time_is_not_asked_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "FLOOD_LEAST_SECONDS", 0.01)
    monkeypatch.setattr(dispatch, "PATIENCE_SECONDS", 0.025)
    tries = []

    async def trouble(_to: Address, reply: Reply) -> None:
        tries.append(reply)
        raise SendFailed("flood", retry_after=0.0)

    place.stage.trouble = trouble
    async with asyncio.timeout(5):
        await place.say("/balance")
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("fates", "sent"),
    [
        ("uuu", 2),  # the chat may show two copies by now
        ("cuu", 3),  # nothing came of the first: two copies again
        ("ucu", 3),
        ("ccc", 3),
        ("u", 2),
    ],
)
async def test_a_reply_whose_fate_is_not_known_is_sent_twice_at_most(
    place: Place, fates: str, sent: int
) -> None:
    """`u`: it may have arrived, `c`: it certainly has not."""
    kinds = {
        "u": SendFailed("unclear", uncertain=True, retry_after=0.0),
        "c": SendFailed("platform_failed", retry_after=0.0),
    }
    left, tries = [kinds[one] for one in fates], []

    async def trouble(_to: Address, reply: Reply) -> None:
        tries.append(reply)
        if left:
            raise left.pop(0)

    place.stage.trouble = trouble
    await place.say("/balance")
    assert len(tries) == sent
    assert len({one.nonce for one in tries}) == 1, "the platform must see that it is the same"


async def test_a_message_that_can_not_be_edited_any_more_is_said_anew(place: Place) -> None:
    place.stage.trouble = trouble_once(SendFailed("message_gone", final=True))
    (reply,) = await place.say("/balance", pressed="m1")
    assert reply.text.startswith("You have")
    assert place.stage.acts[-1].edited is None


async def test_an_answer_is_stopped_by_its_button_by_its_asker_only(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=3600, first_token=0)
    asking = asyncio.create_task(place.say("/ask why is the sky blue?"))
    await place.stage.until(lambda: any(act.reply.preview for act in place.stage.acts))
    stop = place.stage.last.buttons[0][0]
    assert (stop.label, stop.action) == ("⏹ Stop", "stop_answer")
    (foreign,) = await place.say(f"/stop_answer {stop.value}", person="88", pressed="m1")
    assert foreign.text == texts.not_yours()
    await place.answer(place.inbound(f"/stop_answer {stop.value}", pressed="m1"))
    said = (await asking)[-1]
    assert not said.preview
    _, _, stopped = said.text.partition("\n\n[Stopped. It cost ")
    me = (await place.web.get("/users/me")).json()
    assert stopped == f"{texts.money(Decimal(me['spent_usd']))}.]"
    assert said.buttons == ()
    (late,) = await place.say(f"/stop_answer {stop.value}", pressed="m1")
    assert late.text == texts.nothing_to_stop()
    # closing the stream ended the answer: what was asked for is settled, and nothing is held any
    # more
    await place.stage.until_true(lambda: held_nothing(place))


async def held_nothing(place: Place) -> bool:
    return str((await place.web.get("/users/me")).json()["held_usd"]) == "0.000000"


async def test_stop_as_a_command_ends_the_answer_too(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(token=3600, first_token=3600)
    asking = asyncio.create_task(place.say("/ask why is the sky blue?"))
    while not asking.done():
        await place.answer(place.inbound("/stop"))
    assert any(reply.text.startswith("Stopped.") for reply in asking.result())


async def test_pictures_go_along_to_a_model_that_can_see(place: Place, sandbox: Sandbox) -> None:
    for more in (
        {"attachments": (attachment(png()),)},
        {"quoted": QuotedMessage("m2", "look at this", attachments=(attachment(png()),))},
    ):
        last = (await place.say("/ask", **more))[-1]
        assert "I was given 1 picture with it" in last.text
        assert last.markdown
        sent = sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"]
        assert {part["type"] for part in sent} == {"text", "image_url"}


@pytest.mark.parametrize(
    ("quoted", "private", "asked"),
    [
        (
            QuotedMessage("m2", "The moon is cheese.\nMostly.", author="Ana"),
            True,
            "Ana wrote:\n> The moon is cheese.\n> Mostly.\n\nis that so?",
        ),
        (
            QuotedMessage("m2", "The moon is cheese."),
            False,
            "Somebody wrote:\n> The moon is cheese.\n\nis that so?",
        ),
        (
            QuotedMessage("m2", "It is rock.", mine=True),
            False,
            "You wrote:\n> It is rock.\n\nis that so?",
        ),
        (
            QuotedMessage("m2", "It is rock.", mine=True, picked=True),
            True,
            "You wrote:\n> It is rock.\n\nis that so?",
        ),
        (QuotedMessage("m2", "It is rock.", mine=True), True, "is that so?"),
        (QuotedMessage("m2", "", author="Ana"), True, "is that so?"),
    ],
)
async def test_the_words_that_a_question_answers_go_along(
    place: Place, sandbox: Sandbox, quoted: QuotedMessage, private: bool, asked: str
) -> None:
    await place.answer(
        dataclasses.replace(
            place.inbound("/ask is that so?", quoted=quoted),
            address=Address("terminal", "c1", private=private),
        )
    )
    assert sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"] == asked


async def test_words_of_others_alone_are_asked_about_and_long_ones_shortened(
    place: Place, sandbox: Sandbox
) -> None:
    await place.say("/ask", quoted=QuotedMessage("m2", "The moon is cheese.", author="Ana"))
    assert (
        sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"]
        == "Ana wrote:\n> The moon is cheese.\n\nWhat is this about?"
    )
    sent = with_quoted(
        place.inbound("/ask", quoted=QuotedMessage("m2", "moon\n" * 4_000, author="Ana")), "why?"
    )
    assert sent.startswith("Ana wrote:\n> moon\n> moon\n")
    assert sent.endswith("…\n\nwhy?")
    assert len(sent) <= 10_000


async def test_a_file_whose_name_is_no_text_is_taken(place: Place, sandbox: Sandbox) -> None:
    for name in ("half \ud83d.png", "nul\x00.png", "\ude00"):
        for more in (
            {"attachments": (attachment(png(), name=name),)},
            {"quoted": QuotedMessage("m2", attachments=(attachment(png(), name=name),))},
        ):
            assert (
                "I was given 1 picture with it"
                in (await place.say("/ask what is it?", **more))[-1].text
            )


async def test_an_answer_of_many_messages_comes_as_a_file(place: Place) -> None:
    place.stage.limits = dataclasses.replace(LIMITS, text=400)
    replies = [
        reply for reply in await place.say("/ask tell me something long") if not reply.preview
    ]
    beginning, file = replies
    assert beginning.text.endswith(texts.answer_as_file())
    assert len(beginning.text) <= 400
    assert file.files[0].name == "answer.md"
    whole = file.files[0].data.decode()
    assert len(whole) > 2000
    assert whole.startswith(beginning.text.partition("\n…\n")[0])


RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd"
BAD_TEXTS = [
    "",
    "   ",
    "x" * 6000,
    "x" * 4097,
    "half \ud83d of a sign",
    "nul \x00 inside",
    RIGHT_TO_LEFT,
    "@everyone look",
    "**bold _and `open",
]


async def test_any_text_is_answered(place: Place) -> None:
    for text in BAD_TEXTS:
        for line in (
            f"/ask {text}",
            f"/image {text}",
            f"/edit {text}",
            f"/fly{text[:1]} {text}",
            f"/model {text}",
            f"/cancel {text}",
        ):
            last = (await place.say(line))[-1]
            assert last.text or last.ask, line
            assert "Something went wrong" not in last.text, line


async def test_help_in_a_group_explains_who_is_heard(place: Place) -> None:
    (reply,) = await place.say("/help", chat="-5", private=False)
    assert "privacy mode" in reply.text
    assert reply.secret


async def test_help_lists_the_commands_and_the_options(place: Place) -> None:
    (reply,) = await place.say("/help")
    assert "/image prompt: Make a picture" in reply.text
    assert "Just write, and I answer." in reply.text
    assert "/start" not in reply.text
    assert "aspect_ratio" in reply.text


async def test_an_unknown_command_is_named_in_private_and_ignored_in_groups(place: Place) -> None:
    assert (await place.say("/fly"))[-1].text == "I don't know /fly. /help shows what I can do."
    assert await place.say("/fly", chat="-5", private=False) == []


async def test_a_defect_is_a_sentence_with_a_reference_never_a_traceback(place: Place) -> None:
    async def broken() -> bytes:
        raise RuntimeError("secret inner detail")

    cat = Attachment("cat.png", "image/png", 3, broken)
    (reply,) = await place.say("/video waves", attachments=(cat,))
    assert reply.text.startswith("Something went wrong on my side.")
    assert "secret inner detail" not in reply.text
    assert len(reply.text.rsplit(" ", 1)[1]) == 9


async def test_something_else_on_the_apis_port_is_told_in_words(place: Place) -> None:
    async def other(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"<html>hello</html>"})  # type: ignore[operator]

    async with served(other) as port, BotApi(f"http://127.0.0.1:{port}", "key") as stranger:
        place.bot = stranger
        (reply,) = await place.say("/balance")
    assert reply.text == texts.ERRORS["bad_answer"]


async def test_an_expired_act_token_is_renewed_without_a_word(place: Place) -> None:
    await place.say("/balance")
    ours = next(iter(place.bot._acts))
    kept = place.bot._acts[ours]
    place.bot._acts[ours] = replace(kept, token="not.a.token")
    assert (await place.say("/balance"))[-1].text.startswith("You have $10.00")
    place.bot._acts[ours] = replace(kept, token="not.a.token")
    assert not (await place.say("/ask why?"))[-1].text.startswith("The server does not accept")
