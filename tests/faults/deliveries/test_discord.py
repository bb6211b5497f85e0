"""Every fault at every call of a delivery to Discord: a person there sees the result exactly
once."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.core import texts
from bots.discord import rest
from bots.discord.adapter import DiscordBot, point_at
from bots.discord.chat import ChannelChat
from tests.bots.discord.conftest import Script, no_models
from tests.fakes.discord import FakeDiscord, SeenMessage, running_discord
from tests.faults.deliveries.test_telegram import CALLS
from tests.faults.deliveries.waiting_results import Desk, Waiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = {"photo": 1, "album": 2, "video": 1, "failed": 0}


class Discord:
    platform = "discord"

    def __init__(self, fake: FakeDiscord, client: DiscordBot) -> None:
        self.fake = fake
        self.client = client
        self._numbers = itertools.count(11)

    @property
    def chat(self) -> ChannelChat:
        return self.client.channel_chat

    def new_chat(self) -> tuple[str, str]:
        number = next(self._numbers)
        channel = f"6000000000000000{number}"
        return channel, self.fake.says(f"5000000000000000{number}", channel, "a fox")

    def seen(self, waiting: Waiting) -> list[SeenMessage]:
        return [one for one in self.fake.scene().by_bot(waiting.chat_id) if one.id != waiting.card]

    def once(self, waiting: Waiting) -> None:
        """Check that the result is there once, with all its files, and that the card is closed, or
        gone after a failure."""
        (shown,) = self.seen(waiting)
        found = (len(shown.attachments), waiting.short_id in shown.content)
        assert found == (FILES[waiting.event], True)
        assert texts.maybe_second() not in shown.content
        cards = [
            one.content[:4]
            for one in self.fake.scene().by_bot(waiting.chat_id)
            if one.id == waiting.card
        ]
        assert cards == ([] if waiting.event == "failed" else ["Done"])

    def fault(self, waiting: Waiting, method: str, kind: str, **more: object) -> None:
        self.fake.fault(method, f"/channels/{waiting.chat_id}/messages", kind, **more)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeDiscord]:
    with pytest.MonkeyPatch.context() as patch, running_discord() as running:
        patch.setattr(Route, "BASE", Route.BASE)
        patch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
        patch.setattr(rest, "AGAIN_SECONDS", 0.1)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(fake: FakeDiscord) -> AsyncIterator[Discord]:
    """Connect without the gateway, which deliveries do not need: the client is only logged in."""
    client = DiscordBot(Script(), no_models, point_at(fake.api_url))
    await client.login(fake.token)
    yield Discord(fake, client)
    await client.leave()


@pytest.mark.parametrize("kind", ["status", "limited", "reset_before", "reset_after"])
async def test_a_send_that_fails(desk: Desk, side: Discord, kind: str) -> None:
    waiting = [await desk.put(side, event) for event in FILES]
    for one in waiting:
        side.fault(one, "POST", kind)
    async with desk.bot(side):
        assert [await desk.settled(one) for one in waiting] == ["done"] * len(FILES)
    for one in waiting:
        side.once(one)


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
async def test_a_send_that_is_never_answered(
    desk: Desk, side: Discord, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "TEXT_SECONDS", 2.0)
    monkeypatch.setattr(rest, "FILES_SECONDS", 2.0)
    waiting = [await desk.put(side, event) for event in ("photo", "failed")]
    for one in waiting:
        side.fault(one, "POST", kind)
    async with desk.bot(side):
        assert [await desk.settled(one) for one in waiting] == ["done", "done"]
    for one in waiting:
        side.once(one)


@pytest.mark.parametrize("kind", ["limited", "reset_before", "reset_after"])
async def test_a_send_that_fails_for_long(desk: Desk, side: Discord, kind: str) -> None:
    """It fails more often than the adapter tries by itself: then the outbox tries again."""
    waiting = await desk.put(side, "photo")
    side.fault(waiting, "POST", kind, times=6)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    side.once(waiting)


@pytest.mark.parametrize("kind", ["status", "limited", "reset_before", "reset_after"])
async def test_a_card_that_does_not_close_at_once(desk: Desk, side: Discord, kind: str) -> None:
    waiting = await desk.put(side, "photo")
    side.fault(waiting, "PATCH", kind)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    side.once(waiting)


@pytest.mark.parametrize("call", CALLS)
async def test_an_api_whose_answer_is_lost(desk: Desk, side: Discord, call: str) -> None:
    waiting = await desk.put(side, "photo")
    desk.faults.set(CALLS[call], "reset_after", skip=1 if call == "settled" else 0)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "done"
    assert desk.faults.struck == 1
    side.once(waiting)


@pytest.mark.parametrize("later", [0.0, 3600.0])
async def test_a_bot_that_dies_between_its_send_and_its_ack(
    desk: Desk, side: Discord, later: float
) -> None:
    """The next bot remembers nothing: Discord knows the nonce for minutes, and after that the
    channel is searched."""
    waiting = await desk.put(side, "photo")
    desk.faults.set("/ack$", "hang")
    async with desk.bot(side) as bot:
        await desk.until_struck()
        bot.kill()
    side.fake.advance(later)
    client = DiscordBot(Script(), no_models, point_at(side.fake.api_url))
    await client.login(side.fake.token)
    async with desk.bot(side, client.channel_chat):
        assert await desk.settled(waiting) == "done"
    await client.leave()
    side.once(waiting)


async def test_a_chat_that_is_closed_leaves_the_result_to_the_web(
    desk: Desk, side: Discord
) -> None:
    waiting = await desk.put(side, "photo")
    side.fake.reach(waiting.chat_id, False)
    async with desk.bot(side):
        assert await desk.settled(waiting) == "inbox"
    assert side.seen(waiting) == []
