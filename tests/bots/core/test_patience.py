"""An api that is slow, hangs, starts anew or is away: nobody is told to try again, nothing is paid
twice, and everybody is answered."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.dispatch import SILENT_SECONDS, answer
from client.bot import BotApi
from client.call import ACTING
from client.patience import Patience
from sandbox.faults import Fault
from tests.bots.core.recording_chat import Place, attachment, served
from tests.bots.core.test_image_video import png
from tests.faults.deliveries.api_faults import ApiFaults, Kind
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUICK = Patience(known=20.0, held=60.0, least=0.02, most=0.1)
HANGS_SECONDS = 0.5
"""After this the tests' bots take a silent api for one that does not answer."""
UNAVAILABLE = texts.ERRORS["api_unavailable"]


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


@asynccontextmanager
async def impatient(place: Place, url: str, patience: Patience = QUICK) -> AsyncIterator[None]:
    """A bot with short times, whose api is there."""
    async with BotApi(url, await place.bot._access.token(), patience=patience) as bot:
        bot.http.timeout = httpx.Timeout(HANGS_SECONDS)
        place.bot = bot
        yield


@asynccontextmanager
async def between(place: Place, patience: Patience = QUICK) -> AsyncIterator[ApiFaults]:
    """The api on another port, where it can be broken."""
    faults = ApiFaults(place.api.app)
    async with served(faults) as port, impatient(place, f"http://127.0.0.1:{port}", patience):
        yield faults


@asynccontextmanager
async def away(place: Place, patience: Patience = QUICK) -> AsyncIterator[int]:
    """The port of an api that is down."""
    async with served(place.api.app) as port:
        pass
    async with impatient(place, f"http://127.0.0.1:{port}", patience):
        yield port


def said(place: Place) -> list[str]:
    return [act.reply.text for act in place.stage.acts]


async def jobs(place: Place) -> list[dict[str, Any]]:
    return list((await place.web.get("/generations")).json()["items"])


async def test_people_know_within_five_seconds() -> None:
    assert SILENT_SECONDS < 5
    assert ACTING < 5


async def test_what_is_written_while_the_api_is_down_is_answered_when_it_is_back(
    place: Place,
) -> None:
    """One notice at once, and no more words until the answers."""
    async with away(place) as port:
        answering = [asyncio.create_task(place.say("/balance")) for _ in range(5)]
        answering.append(asyncio.create_task(place.say("/balance", chat="other", person="77")))
        await place.stage.until(lambda: len(place.stage.acts) == 2)
        assert said(place) == [texts.still_waiting()] * 2
        assert {act.to.chat_id for act in place.stage.acts} == {"77", "other"}
        assert all(act.reply.notice and not act.reply.preview for act in place.stage.acts)
        async with served(place.api.app, port):
            await asyncio.gather(*answering)
        answers = place.stage.acts[2:]
        assert len(answers) == 6
        assert all(act.reply.text.startswith("You have") for act in answers)
        assert [act.edited for act in answers].count(None) == 4, (
            "two have taken the notices' places"
        )
    assert not place.bot.waiters.away


async def test_a_command_that_needs_no_api_is_answered_without(place: Place) -> None:
    async with away(place):
        (first,) = await place.say("/help")
        (second,) = await place.say("/help")
    assert first.text == second.text
    assert "/image prompt" in first.text


async def test_more_people_than_may_wait_are_told_to_come_again(place: Place) -> None:
    async with away(place, Patience(waiting=1, least=0.02, most=0.1)) as port:
        first = asyncio.create_task(place.say("/balance"))
        await place.stage.seen(texts.still_waiting())
        (told,) = await place.say("/balance", chat="other")
        assert told.text == UNAVAILABLE
        async with served(place.api.app, port):
            await first
    assert place.stage.last.text.startswith("You have")


@pytest.mark.parametrize("kind", ["status", "reset_before", "reset_after", "hang"])
@pytest.mark.parametrize(
    ("line", "path"), [("/image a fox", "^/generate/image$"), ("/video waves", "^/generate/video$")]
)
async def test_a_request_whose_answer_is_lost_is_made_and_paid_once(
    place: Place, kind: Kind, line: str, path: str
) -> None:
    async with between(place) as faults:
        faults.set(path, kind)
        *before, card = [
            reply for reply in await place.say(line) if not reply.text.startswith("Done")
        ]
        assert faults.struck == 1
        assert [reply.text for reply in before] == [texts.still_waiting()]
        (job,) = await jobs(place)
        assert card.card == job["id"]
    assert UNAVAILABLE not in said(place)


async def test_a_picture_that_was_sent_along_is_the_same_picture_when_it_is_sent_again(
    place: Place,
) -> None:
    async with between(place) as faults:
        for path in ("^/uploads$", "^/generate/image$"):
            faults.set(path, "reset_after")
            inbound = place.inbound("/edit at night", attachments=(attachment(png()),))
            await place.answer(inbound)
            assert faults.struck == 1
            before = await jobs(place)
            await place.answer(inbound)
            assert [job["id"] for job in await jobs(place)] == [job["id"] for job in before], (
                "the update came once more"
            )
    assert not [text for text in said(place) if "Idempotency" in text]


async def test_what_an_api_that_hangs_for_good_has_done_is_not_known(place: Place) -> None:
    patience = Patience(known=0.6, held=60.0, least=0.02, most=0.1)
    async with between(place, patience) as faults:
        faults.always = "^/(generate|healthz)"
        waiting, told = await place.say("/image a fox")
    assert (waiting.text, waiting.notice) == (texts.still_waiting(), True)
    assert "/jobs" in told.text
    assert told.text == texts.ERRORS["not_known"]


async def test_an_api_without_its_database_is_no_refusal(place: Place) -> None:
    async with between(place) as faults:
        faults.set("^/generate/image$", "no_database")
        replies = await place.say("/image a fox")
    assert faults.struck == 1
    assert any(reply.card for reply in replies)


async def test_a_question_whose_answer_is_cut_is_asked_again_with_its_key(
    place: Place, sandbox: Sandbox
) -> None:
    async with between(place) as faults:
        for kind in ("status", "reset_before"):
            faults.set("^/generate/text$", kind)
            assert "sandbox" in (await place.say("/ask why is the sky blue?"))[-1].text
            assert faults.struck == 1
    assert len(sandbox.calls("chat")) == 2


async def test_an_api_that_starts_anew_while_it_answers_gives_what_there_is(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=3600, first_token=0)
    async with AsyncExitStack() as up:
        port = await up.enter_async_context(served(place.api.app))
        async with impatient(place, f"http://127.0.0.1:{port}"):
            asking = asyncio.create_task(place.say("/ask why is the sky blue?"))
            await place.stage.until(lambda: any(act.reply.preview for act in place.stage.acts))
            await up.aclose()
            async with served(place.api.app, port):
                last = (await asking)[-1]
    assert not last.preview
    assert [each.label for row in last.buttons for each in row] == [texts.read_aloud_button()]
    written, _, why = last.text.partition("\n\n[The answer stops here. ")
    assert written
    assert why.startswith(texts.interrupted())
    assert len(sandbox.calls("chat")) == 1, "and it is not asked and paid once more"


async def test_a_press_keeps_its_message_while_the_api_is_waited_for(place: Place) -> None:
    """The word about the waiting stands beside it, for whoever pressed, and goes when the answer
    comes."""
    async with between(place) as faults:
        await place.say("/image a fox")
        (job,) = await jobs(place)
        before = len(place.stage.acts)
        faults.set(f"^/generations/{job['id']}/again$", "hang")
        await place.answer(place.inbound(f"/again {job['id']}", pressed="m1"))
        notice, card, gone = place.stage.acts[before : before + 3]
    assert (notice.reply.text, notice.reply.secret, notice.edited) == (
        texts.still_waiting(),
        True,
        None,
    )
    assert (card.reply.card is not None, card.edited) == (True, None)
    assert (gone.reply.gone, gone.edited) == (True, notice.shown.message_ids[-1])


@pytest.mark.parametrize("kind", ["status", "reset_before", "reset_after", "hang"])
async def test_the_api_is_told_which_message_is_the_card_until_it_knows(
    place: Place, sandbox: Sandbox, kind: Kind
) -> None:
    sandbox.break_with(video=3600)
    async with between(place, Patience(known=0.0, held=60.0, least=0.02, most=0.1)) as faults:
        faults.set("/card$", kind)
        await place.say("/video waves")
        assert faults.struck == 1
    row = await place.api.services.db.fetch_one("SELECT card_message_id FROM generations")
    assert row == {"card_message_id": place.stage.acts[-1].shown.message_ids[-1]}


async def test_a_refusal_is_told_at_once(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=503))
    async with between(place):
        (reply,) = await place.say("/ask why?")
    assert reply.text.startswith("The AI provider")


async def test_nobody_waits_who_is_cut(place: Place) -> None:
    async with away(place):
        task = asyncio.create_task(answer(place.stage, place.bot, place.inbound("/balance")))
        await place.stage.seen(texts.still_waiting())
        task.cancel()
        await asyncio.wait({task})
        assert place.bot.waiters._waiting == set()


async def test_a_card_that_is_known_beforehand_waits_for_nobody_to_tell_of_it(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(video=3600)
    async with between(place) as faults:
        faults.always = "/card$"
        inbound = place.inbound("/video waves")
        asked = dataclasses.replace(
            inbound, address=dataclasses.replace(inbound.address, answer_id="m9")
        )
        task = asyncio.create_task(answer(place.stage, place.bot, asked))
        await place.stage.until(lambda: any(act.reply.card for act in place.stage.acts))
        task.cancel()
        await asyncio.wait({task})
    row = await place.api.services.db.fetch_one("SELECT card_message_id FROM generations")
    assert row == {"card_message_id": "m9"}


async def test_an_answer_that_nobody_brings_again_has_a_last_word(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(token=3600, first_token=0)
    for last_word in (True, False):
        before = len(place.stage.acts)
        task = asyncio.create_task(
            answer(place.stage, place.bot, place.inbound("/ask why?"), last_word=last_word)
        )
        await place.stage.until(lambda before=before: len(place.stage.acts) > before)  # type: ignore[misc]
        growing = place.stage.last.text.removesuffix(texts.WRITING)
        task.cancel()
        await asyncio.wait({task})
        assert (place.stage.last.text == texts.cut_short(growing, texts.interrupted())) == last_word
    async with away(place):
        task = asyncio.create_task(
            answer(place.stage, place.bot, place.inbound("/balance"), last_word=True)
        )
        await place.stage.seen(texts.still_waiting())
        task.cancel()
        await asyncio.wait({task})
    assert place.stage.last.text == texts.interrupted()
    assert place.stage.acts[-1].edited is not None
