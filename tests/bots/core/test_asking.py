"""/ask, the small commands, and what people read when something is broken."""

from dataclasses import replace
from itertools import pairwise

import pytest

from api.provider.sandbox_faults import Fault
from bots.core import texts
from bots.core.api import BotApi
from bots.core.types import Attachment, SendFailed
from tests.bots.core.stage import Place, served, trouble_once
from tests.sandbox_server import Sandbox


@pytest.fixture
async def place(place: Place) -> Place:
    await place.link()
    return place


async def test_an_answer_grows_in_one_message_and_ends_whole(place: Place, sandbox: Sandbox) -> None:
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
        """How many messages go to the model with a question."""
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
    assert reply.text.startswith("The AI provider can't be reached right now. Nothing was charged.")


async def test_an_answer_that_breaks_off_keeps_what_was_written(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="cut", after=3))
    last = (await place.say("/ask why is the sky blue?"))[-1]
    assert not last.preview
    written, _, why = last.text.partition("\n\n[The answer stops here. ")
    assert written
    assert why.endswith("]")


async def test_the_last_reply_is_shown_although_the_platform_had_enough_of_previews(place: Place) -> None:
    slow_down = SendFailed("flood", retry_after=0.01)
    place.stage.trouble = trouble_once(slow_down, slow_down)
    last = (await place.say("/ask why is the sky blue?"))[-1]
    assert not last.preview


async def test_a_message_that_can_not_be_edited_any_more_is_said_anew(place: Place) -> None:
    place.stage.trouble = trouble_once(SendFailed("message to edit not found", final=True))
    (reply,) = await place.say("/balance", pressed="m1")
    assert reply.text.startswith("You have")
    assert place.stage.acts[-1].edited is None


async def test_help_lists_the_commands_and_the_options(place: Place) -> None:
    (reply,) = await place.say("/help")
    assert "/image prompt: Make a picture" in reply.text
    assert "/start" not in reply.text
    assert "--ar 16:9" in reply.text


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
    assert len(reply.text.rsplit(" ", 1)[1]) == 8


async def test_an_api_that_is_away_is_told_in_words(place: Place) -> None:
    async with BotApi("http://127.0.0.1:9", "key") as nobody:
        place.bot = nobody
        (reply,) = await place.say("/balance")
    assert reply.text == texts.ERRORS["api_unavailable"]


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
