"""Telegram's bad days: what surely did not arrive is sent again, what may have arrived is reported,
what is refused is final."""

import asyncio
import socket

import pytest

from bots.core.types import Reply, SendFailed
from bots.telegram import calls
from bots.telegram.adapter import make_bot
from bots.telegram.calls import Calls
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, place
from tests.bots.telegram.test_sending import CANCEL, TO, photo
from tests.fakes.telegram import FakeTelegram


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "UNSENT_PAUSES", (0.05,) * 200)


async def test_not_sent_is_sent_again_exactly_once(chat: TelegramChat, fake: FakeTelegram) -> None:
    await asyncio.to_thread(fake.away)
    sent = asyncio.create_task(chat.show(TO, Reply("hello")))
    done, _ = await asyncio.wait({sent}, timeout=0.3)
    assert not done
    fake.away(False)
    await asyncio.wait_for(sent, 10)
    assert [one.text for one in fake.scene().by_bot(CHAT)] == ["hello"]


async def test_not_sent_for_long_is_told_as_such(
    chat: TelegramChat, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "UNSENT_PAUSES", (0.01,))
    await asyncio.to_thread(fake.away)
    with pytest.raises(SendFailed, match="platform_unreachable") as raised:
        await chat.show(TO, Reply("hello"))
    assert (raised.value.final, raised.value.uncertain) == (False, False)


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [("reset_before", 0), ("reset_after", 1), ("status", 0)],
)
@pytest.mark.parametrize("method", ["sendMessage", "sendPhoto"])
async def test_unclear_outcome_is_never_repeated(
    chat: TelegramChat, fake: FakeTelegram, method: str, kind: str, arrived: int
) -> None:
    reply = Reply("hello", files=(photo(),) if method == "sendPhoto" else ())
    fake.fault(method, kind, times=1)
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, reply)
    assert (raised.value.final, raised.value.uncertain) == (False, True)
    assert raised.value.reason == ("platform_failed" if kind == "status" else "unclear")
    scene = fake.scene()
    assert (len(scene.calls_of(method)), len(scene.by_bot(CHAT))) == (1, arrived)


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
async def test_answer_that_never_comes_is_unclear(
    chat: TelegramChat, fake: FakeTelegram, kind: str
) -> None:
    chat._bot.request._client.timeout = 0.3  # type: ignore[attr-defined]
    fake.fault("sendMessage", kind)
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, Reply("hello"))
    assert (raised.value.reason, raised.value.uncertain) == ("unclear", True)
    assert len(fake.scene().calls_of("sendMessage")) == 1


async def test_an_upload_of_which_nothing_leaves_any_more_is_unclear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes what its buffers hold
        bot = make_bot("1:x", f"http://127.0.0.1:{server.getsockname()[1]}", upload_seconds=0.2)
        async with asyncio.timeout(10):
            with pytest.raises(SendFailed) as raised:
                await Calls().make(bot.send_document, CHAT, document=bytes(20_000_000))
        await bot.shutdown()
    assert (raised.value.reason, raised.value.uncertain) == ("unclear", True)


async def test_blocked_chat_and_unknown_chat_are_final(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    fake.block(CHAT)
    for chat_id, words in (
        (CHAT, "blocked_by_user: .*blocked"),
        (CHAT + 1, "chat_gone: Chat not found"),
    ):
        with pytest.raises(SendFailed, match=words) as raised:
            await chat.show(place(chat_id), Reply("hello"))
        assert raised.value.final
    assert len(fake.scene().calls_of("sendMessage")) == 2


@pytest.mark.parametrize(
    ("status", "description", "reason"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked_by_user"),
        (403, "Forbidden: bot can't initiate conversation with a user", "chat_not_started"),
        (403, "Forbidden: user is deactivated", "account_gone"),
        (403, "Forbidden: bot was kicked from the supergroup chat", "bot_removed"),
        (403, "Forbidden: bot is not a member of the channel chat", "chat_gone"),
        (403, "Forbidden: the group chat was deleted", "chat_gone"),
        (400, "Bad Request: chat not found", "chat_gone"),
        (400, "Bad Request: PEER_ID_INVALID", "chat_gone"),
        (400, "Bad Request: not enough rights to send photos to the chat", "no_permission"),
        (400, "Bad Request: have no rights to send a message", "no_permission"),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "no_permission"),
        (400, "Bad Request: TOPIC_CLOSED", "topic_closed"),
        (400, "Bad Request: message thread not found", "topic_gone"),
        (400, "Bad Request: message to edit not found", "message_gone"),
        (413, "Request Entity Too Large", "too_large"),
        (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", "file_refused"),
        (400, "Bad Request: wrong file identifier/HTTP URL specified", "file_refused"),
        (400, "Bad Request: something new", "request_refused"),
        (401, "Unauthorized", "token_refused"),
        (502, "Bad Gateway", "platform_failed"),
    ],
)
async def test_what_telegram_answers_has_its_reason(
    chat: TelegramChat, fake: FakeTelegram, status: int, description: str, reason: str
) -> None:
    fake.fault("sendMessage", "status", status=status, description=description)
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, Reply("hello"))
    assert raised.value.reason == reason
    assert raised.value.final == (status in (400, 403, 413))


async def test_flood_answer_holds_the_chat_back(chat: TelegramChat, fake: FakeTelegram) -> None:
    fake.fault("sendMessage", "flood", retry_after=2)
    with pytest.raises(SendFailed, match="flood") as raised:
        await chat.show(TO, Reply("hello"))
    assert (raised.value.retry_after, raised.value.final, raised.value.uncertain) == (
        2.0,
        False,
        False,
    )
    with pytest.raises(SendFailed) as again:
        await chat.show(TO, Reply("hello"))
    await chat.busy(TO)
    assert again.value.retry_after is not None
    assert again.value.retry_after <= 2.0
    scene = fake.scene()
    assert (scene.ignored_floods, len(scene.calls_of("sendMessage")), scene.actions) == (0, 1, [])
    await asyncio.sleep(again.value.retry_after + 0.05)
    await chat.show(TO, Reply("hello"))
    assert len(fake.scene().by_bot(CHAT)) == 1


async def test_reply_broken_in_its_middle_goes_on_behind_what_arrived(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    reply = Reply("Foxes", files=(photo("1.png"), photo("2.png")), buttons=CANCEL, nonce="d2")
    fake.fault("sendMessage", "status", status=502)
    with pytest.raises(SendFailed) as raised:
        await chat.show(TO, reply)
    assert raised.value.uncertain
    await chat.show(TO, reply)
    assert [one.kind for one in fake.scene().by_bot(CHAT)] == ["photo", "photo", "text"]


async def test_long_answer_broken_in_its_middle_is_not_doubled(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = await chat.show(TO, Reply("word", preview=True))
    text = "word " * 2000
    fake.fault("sendMessage", "status", times=1, status=500)
    with pytest.raises(SendFailed):
        await chat.show(TO, Reply(text), replacing=shown)
    await chat.show(TO, Reply(text), replacing=shown)
    assert " ".join(one.text for one in fake.scene().by_bot(CHAT)) == text.strip()


async def test_refused_reply_is_forgotten(chat: TelegramChat, fake: FakeTelegram) -> None:
    """The core then says something else under the same nonce."""
    fake.fault("sendPhoto", "status", status=400, description="Bad Request: not today")
    with pytest.raises(SendFailed, match="request_refused: Not today"):
        await chat.show(TO, Reply("Foxes", files=(photo(),) * 11, nonce="d3"))
    await chat.show(TO, Reply("They are in the gallery", nonce="d3"))
    assert [one.kind for one in fake.scene().by_bot(CHAT)] == ["photo"] * 10 + ["text"]
