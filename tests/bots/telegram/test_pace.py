"""The pace of the bot, by a clock of the test's own, and against the fake's flood control."""

import pytest

from bots.core.types import Reply, SendFailed
from bots.telegram import calls
from bots.telegram.calls import GROUP, PRIVATE, SPARE, CallRate, Calls, RateLimits
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, place
from tests.bots.telegram.conftest import GROUP as GROUP_CHAT
from tests.fakes.telegram import FakeTelegram


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_chat_takes_a_burst_and_then_one_at_a_time(clock: Clock) -> None:
    turns = RateLimits(clock)
    waits = [turns.turn(CHAT) for _ in range(PRIVATE.burst + 3)]
    assert waits == pytest.approx([0.0] * PRIVATE.burst + [1.0, 2.0, 3.0])
    clock.now += 60
    assert turns.turn(CHAT) == 0.0


def test_an_idle_edit_leaves_the_turns_of_a_result(clock: Clock) -> None:
    turns = RateLimits(clock)
    for _ in range(GROUP.burst - SPARE):
        assert turns.turn(-5, idle=True) == 0.0
    with pytest.raises(SendFailed, match="flood"):
        turns.turn(-5, idle=True)
    assert turns.turn(-5, cost=10) == turns.turn(-5) == 0.0
    turns.slow_down(-6, 5.0)
    with pytest.raises(SendFailed, match="flood"):
        turns.turn(-6, idle=True)


def test_a_group_takes_twenty_a_minute_and_counts_each_picture_of_an_album(clock: Clock) -> None:
    turns = RateLimits(clock)
    assert [turns.turn(-5, cost=10) for _ in range(2)] == [0.0, 0.0]
    assert turns.turn(-5) == pytest.approx(GROUP.seconds)
    assert turns.turn(-6) == 0.0


def test_all_chats_together_are_held_back_too(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "EVERYWHERE", CallRate(0.1, 5))
    turns = RateLimits(clock)
    assert [turns.turn(chat) for chat in range(1, 8)] == pytest.approx([0.0] * 5 + [0.1, 0.2])


def test_a_chat_that_waits_takes_nobodys_turn(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "EVERYWHERE", CallRate(0.1, 5))
    turns = RateLimits(clock)
    for _ in range(24):
        turns.turn(-5)
        clock.now += 0.1
    assert turns.turn(CHAT) == 0.0


def test_whose_turn_is_far_away_is_told_when_to_come_again(clock: Clock) -> None:
    turns = RateLimits(clock)
    for _ in range(GROUP.burst):
        turns.turn(-5)
    for _ in range(5):
        turns.turn(-5)
    for _ in range(3):  # being told takes no turn
        with pytest.raises(SendFailed) as told:
            turns.turn(-5)
        assert told.value.retry_after == pytest.approx(18.0)
    with pytest.raises(SendFailed):
        turns.turn(-5, patience=0.0)


def test_a_flood_answer_holds_only_its_chat(clock: Clock) -> None:
    turns = RateLimits(clock)
    turns.slow_down(CHAT, 100.0)
    with pytest.raises(SendFailed) as told:
        turns.turn(CHAT)
    assert told.value.retry_after == 100.0
    assert turns.turn(CHAT + 1) == 0.0
    clock.now += 100.1
    assert turns.turn(CHAT) == 0.0


def test_chats_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "REMEMBERED", 10)
    turns = RateLimits(clock)
    for chat in range(1, 100):
        turns.turn(chat)
        clock.now += 1
    assert len(turns._chats) == 10


async def test_the_flood_control_is_never_met(
    chat: TelegramChat, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PRIVATE", CallRate(0.02, 18))
    for number in range(19):
        await chat.show(place(), Reply(f"{number}"))
    scene = fake.scene()
    assert [one.text for one in scene.by_bot(CHAT)] == [str(number) for number in range(19)]
    assert all(one.status == 200 for one in scene.calls_of("sendMessage"))


async def test_without_a_pace_the_flood_control_is_met(
    chat: TelegramChat, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above would prove nothing."""
    monkeypatch.setattr(calls, "PRIVATE", CallRate(0.001, 100))
    told = None
    for number in range(40):
        try:
            await chat.show(place(), Reply(f"{number}"))
        except SendFailed as failed:
            told = failed
            break
    assert told is not None
    assert told.retry_after is not None
    assert 20 <= len(fake.scene().by_bot(CHAT)) < 40
    assert Calls().limits is not Calls().limits


async def test_a_card_that_moves_gives_way_and_keeps_what_it_says(chat: TelegramChat) -> None:
    shown = await chat.show(place(GROUP_CHAT), Reply("card"))
    moved = [
        await chat.show(place(GROUP_CHAT), Reply(f"for {seconds} s", idle=True), shown)
        for seconds in range(GROUP.burst - SPARE - 1)
    ]
    assert moved[-1] == shown
    with pytest.raises(SendFailed, match="flood"):
        await chat.show(place(GROUP_CHAT), Reply("for 60 s", idle=True), shown)
    # a growing answer beside it is not held up
    grows = await chat.show(place(GROUP_CHAT), Reply("It", preview=True))
    assert grows.message_ids
