"""Every fault at every call of a delivery to Telegram: a person there sees the result once, or
twice where the answer to a send was lost. Never not at all."""

import itertools
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from bots.core import texts
from bots.telegram.adapter import make_bot
from bots.telegram.chat import TelegramChat
from tests.fakes.telegram import FakeTelegram, SeenMessage, running_telegram
from tests.faults.deliveries.api_faults import Kind
from tests.faults.deliveries.waiting_results import Desk, Waiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = {
    "photo": "sendPhoto",
    "album": "sendMediaGroup",
    "video": "sendVideo",
    "failed": "sendMessage",
}
CLEAR = ["flood"]
UNCLEAR = ["status", "reset_before", "reset_after"]
SHOWN_TWICE = {"reset_after", "hang_after"}


class Telegram:
    platform = "telegram"

    def __init__(self, fake: FakeTelegram, chat: TelegramChat) -> None:
        self.fake = fake
        self.chat = chat
        self._numbers = itertools.count(2001)

    def new_chat(self) -> tuple[str, str]:
        chat_id = next(self._numbers)
        return str(chat_id), str(self.fake.user_says(chat_id, chat_id, "/image a fox"))

    def seen(self, waiting: Waiting) -> list[SeenMessage]:
        return [
            one
            for one in self.fake.scene().by_bot(int(waiting.chat_id))
            if str(one.message_id) != waiting.card
        ]

    def copies(self, waiting: Waiting) -> int:
        """Return the number of copies of the result that a person sees."""
        shown = self.seen(waiting)
        if waiting.event == "failed":
            return len(shown)
        files = [one for one in shown if one.file is not None]
        each = 2 if waiting.event == "album" else 1
        assert len(files) % each == 0
        return len(files) // each

    def card(self, waiting: Waiting) -> SeenMessage | None:
        found = [
            one
            for one in self.fake.scene().by_bot(int(waiting.chat_id))
            if str(one.message_id) == waiting.card
        ]
        return found[0] if found else None


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTelegram]:
    with running_telegram() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(fake: FakeTelegram) -> AsyncIterator[Telegram]:
    fake.settings(paced=False)
    bot = make_bot(fake.token, fake.api_url)
    await bot.initialize()
    yield Telegram(fake, TelegramChat(bot))
    await bot.shutdown()


def closed(side: Telegram, waiting: Waiting) -> None:
    """Check that the card is closed; after a failure the message about it has taken its place."""
    card = side.card(waiting)
    if waiting.event == "failed":
        assert card is None
    else:
        assert card is not None
        assert (card.text[:4], card.buttons) == ("Done", {})


@pytest.mark.parametrize("events", [("photo", "video", "failed"), ("album",)], ids=len)
@pytest.mark.parametrize("kind", CLEAR + UNCLEAR)
async def test_a_send_that_fails(
    desk: Desk, side: Telegram, events: tuple[str, ...], kind: str
) -> None:
    """An album is sent alone: the message below it would meet the fault of a message."""
    waiting = [await desk.put(side, event) for event in events]
    for event in events:
        side.fake.fault(METHODS[event], kind)
    async with desk.bot(side):
        assert [await desk.settled(one) for one in waiting] == ["done"] * len(events)
    for one in waiting:
        assert side.copies(one) == (2 if kind in SHOWN_TWICE else 1), one.event
        closed(side, one)
        words = [seen.text for seen in side.seen(one) if seen.text]
        assert all(one.short_id in text for text in words)
        assert (texts.maybe_second() in words[-1]) == (kind in UNCLEAR)
        assert all(texts.maybe_second() not in text for text in words[:-1])


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
async def test_a_send_that_is_never_answered(desk: Desk, side: Telegram, kind: str) -> None:
    waiting = [await desk.put(side, event) for event in ("photo", "failed")]
    for one in waiting:
        side.fake.fault(METHODS[one.event], kind)
    bot = make_bot(side.fake.token, side.fake.api_url)
    bot.request._client.timeout = httpx.Timeout(5.0)  # type: ignore[attr-defined]
    await bot.initialize()
    async with desk.bot(side, TelegramChat(bot)):
        for one in waiting:
            assert await desk.settled(one) in ("done", "inbox")
    await bot.shutdown()
    for one in waiting:
        assert side.copies(one) == (2 if kind in SHOWN_TWICE else 1), one.event


@pytest.mark.parametrize("kind", ["status", "flood", "reset_before", "reset_after"])
async def test_a_card_that_does_not_close_at_once(desk: Desk, side: Telegram, kind: str) -> None:
    waiting = await desk.put(side, "photo")
    side.fake.fault("editMessageText", kind)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    assert side.copies(waiting) == 1
    closed(side, waiting)


CALLS = {
    "claim": "/claim$",
    "begin": "/begin$",
    "media": "^/media/",
    "shown": "/ack$",
    "settled": "/ack$",
}


API_FAULTS = [
    (call, kind) for call in CALLS for kind in ("status", "reset_before", "reset_after")
] + [("claim", "half"), ("media", "half")]


@pytest.mark.parametrize(("call", "kind"), API_FAULTS)
async def test_an_api_that_fails(desk: Desk, side: Telegram, call: str, kind: Kind) -> None:
    """The process does not show a result again that it has shown, even if the api could not be
    told."""
    waiting = await desk.put(side, "photo")
    desk.faults.set(CALLS[call], kind, skip=1 if call == "settled" else 0)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    assert desk.faults.struck == 1
    assert side.copies(waiting) == 1
    closed(side, waiting)


async def test_a_file_goes_up_once_and_then_by_its_id(desk: Desk, side: Telegram) -> None:
    for number, by_id in enumerate([False, True]):
        waiting = await desk.put(side, "photo", forget=number == 0)
        async with desk.bot(side):
            assert await desk.settled(waiting) == "done"
        assert side.copies(waiting) == 1
        assert ("photo" in side.fake.scene().calls_of("sendPhoto")[-1].params) == by_id


async def test_an_id_that_telegram_does_not_know_any_more_costs_an_upload(
    desk: Desk, side: Telegram
) -> None:
    for number in range(2):
        waiting = await desk.put(side, "photo", forget=number == 0)
        async with desk.bot(side):
            assert await desk.settled(waiting) == "done"
        assert side.copies(waiting) == 1
        await desk.api.services.db.execute("UPDATE platform_files SET ref = 'photo:AgACnobody'")


async def test_a_video_comes_with_its_measures_and_a_poster(desk: Desk, side: Telegram) -> None:
    waiting = await desk.put(side, "video")
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    (film,) = side.seen(waiting)
    assert min(film.width, film.height, film.duration) > 0
    assert film.thumbnail is not None
    actions = {data.partition(":")[0] for data in film.buttons.values()}
    assert actions >= {"again", "vary", "edit", "original", "favourite", "delete"}


async def test_two_lost_answers_are_two_copies_and_a_note_on_the_web(
    desk: Desk, side: Telegram
) -> None:
    waiting = await desk.put(side, "photo")
    side.fake.fault("sendPhoto", "reset_after", times=5)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "inbox"
    side.fake.clear()
    assert side.copies(waiting) == 2
    (item,) = (await desk.web.get("/inbox")).json()["items"]
    assert (item["id"], item["maybe_shown"]) == (waiting.id, True)
    await desk.web.delete(f"/inbox/{item['id']}")


async def test_a_bot_that_dies_between_its_send_and_its_ack(desk: Desk, side: Telegram) -> None:
    """The next bot cannot know that the result was shown: a second copy says so."""
    waiting = await desk.put(side, "photo")
    desk.faults.set("/ack$", "hang")
    async with desk.bot(side) as bot:
        await desk.until_struck()
        bot.kill()
    assert side.copies(waiting) == 1
    async with desk.bot(side, TelegramChat(side.chat._bot)):
        assert await desk.settled(waiting) == "done"
    assert side.copies(waiting) == 2
    assert [texts.maybe_second() in one.text for one in side.seen(waiting)] == [False, True]
    closed(side, waiting)


async def test_a_bot_that_is_stopped_in_the_middle_shows_what_it_began_and_gives_back_the_rest(
    desk: Desk, side: Telegram
) -> None:
    first = await desk.put(side, "photo")
    async with desk.bot(side) as bot:
        desk.faults.set("/begin$", "reset_after")
        await desk.until_struck()
        bot.stop.set()
    async with desk.bot(side):
        assert await desk.settled(first) == "done"
    assert side.copies(first) == 1


async def test_a_group_that_threw_the_bot_out_is_replaced_by_the_private_chat(
    desk: Desk, side: Telegram
) -> None:
    group, private = await desk.put(side, "photo"), side.new_chat()[0]
    side.fake.block(int(group.chat_id))
    await desk.link(side, private)
    await desk.api.services.db.execute(
        "UPDATE deliveries SET chat_private = false WHERE id = $1", group.id
    )
    async with desk.bot(side):
        assert await desk.settled(group) == "done"
    await desk.unlink()
    (shown,) = side.fake.scene().by_bot(int(private))
    found = (shown.kind, texts.moved() in shown.text, group.short_id in shown.text)
    assert found == ("photo", True, True)


async def test_a_chat_that_is_closed_leaves_the_result_to_the_web(
    desk: Desk, side: Telegram
) -> None:
    waiting = await desk.put(side, "photo")
    side.fake.block(int(waiting.chat_id))
    async with desk.bot(side):
        assert await desk.settled(waiting) == "inbox"
    assert side.copies(waiting) == 0
    (item,) = (await desk.web.get("/inbox")).json()["items"]
    assert item["id"] == waiting.id
