import asyncio

import pytest

from bots.core.types import Address, File, Reply, SendFailed, Shown
from bots.discord.render import FILE_BYTES
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

PERSON = "500000000000000007"
HERE = Address("discord", GUILD_CHANNEL_ID, private=False)
POST = r"/channels/\d+/messages$"


def photo(name: str, size: int = 10) -> File:
    return File("photo", name, "image/png", b"p" * size)


async def test_a_push_whose_answer_was_lost_is_seen_once(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "reset_after")
        shown = await client.channel_chat.show(HERE, Reply("your fox", files=(photo("fox.png"),), nonce="n" * 25))
        seen = fake.scene().by_bot(GUILD_CHANNEL_ID)
        posts = [one for one in fake.scene().requests if one["method"] == "POST" and one["path"].endswith("/messages")]
    assert len(posts) == 2
    assert [one.id for one in seen] == list(shown.message_ids)
    assert seen[0].nonce == "n" * 25
    assert len(seen[0].attachments) == 1


async def test_the_same_delivery_again_is_the_same_message(fake: FakeDiscord, connect: Connect) -> None:
    reply = Reply("word " * 900, nonce="delivery-1")
    async with connect(Script()) as client:
        first = await client.channel_chat.show(HERE, reply)
        assert await client.channel_chat.show(HERE, reply) == first
        assert len(fake.scene().by_bot(GUILD_CHANNEL_ID)) == len(first.message_ids) == 3
        assert await client.channel_chat.show(HERE, Reply("word", nonce="delivery-2")) != first


async def test_a_line_that_stays_broken_is_tried_again_soon_for_the_nonce_holds(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "reset_after", times=2)
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
        assert not failed.value.uncertain
        assert not failed.value.final
        assert failed.value.retry_after is not None
        fake.advance(failed.value.retry_after)
        await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
        assert len(fake.scene().by_bot()) == 1


@pytest.mark.parametrize(("status", "code"), [(403, 50001), (404, 10003), (400, 50035), (413, 40005)])
async def test_a_refusal_is_final(fake: FakeDiscord, connect: Connect, status: int, code: int) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "status", status=status, code=code, message="no")
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert failed.value.final
    assert not failed.value.uncertain


async def test_a_server_error_is_tried_again_soon(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "status", status=503, times=2)
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert failed.value.retry_after
    assert not failed.value.final


async def test_discord_away_was_not_sent(
    fake: FakeDiscord, connect: Connect, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(Script()) as client:
        monkeypatch.setattr("discord.http.Route.BASE", f"http://127.0.0.1:{unused_tcp_port}/api/v10")
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert not failed.value.uncertain
    assert not failed.value.final


async def test_a_short_wait_is_waited_and_a_long_one_is_reported(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "limited", retry_after=0.05)
        await client.channel_chat.show(HERE, Reply("patient", nonce="n1"))
        fake.fault("POST", POST, "limited", retry_after=120.0)
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("never", nonce="n2"))
        assert failed.value.retry_after == 120
        assert [one.content for one in fake.scene().by_bot()] == ["patient"]


async def test_rate_limit_headers_are_heeded(fake: FakeDiscord, connect: Connect) -> None:
    fake.limit("POST", POST, limit=2, per=0.4)
    async with connect(Script()) as client:
        for number in range(5):
            await client.channel_chat.show(HERE, Reply(f"{number}", nonce=f"n{number}"))
        scene = fake.scene()
    assert [one.content for one in scene.by_bot()] == ["0", "1", "2", "3", "4"]
    assert not [one for one in scene.requests if one["status"] == 429]


async def test_several_photos_are_one_message_until_they_are_too_much(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        small = await client.channel_chat.show(HERE, Reply("three", files=tuple(photo(f"{n}.png") for n in range(3)), nonce="n1"))
        assert len(small.message_ids) == 1
        big = await client.channel_chat.show(HERE, Reply("heavy", files=tuple(photo(f"{n}.png", FILE_BYTES) for n in range(3)), nonce="n2"))
        assert len(big.message_ids) == 2
        first, *heavy = fake.scene().by_bot()
    assert [one.filename for one in first.attachments] == ["0.png", "1.png", "2.png"]
    assert [(one.content, len(one.attachments)) for one in heavy] == [("heavy", 2), ("", 1)]


async def test_a_file_beyond_the_limit_is_refused_for_good(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("", files=(photo("big.png", FILE_BYTES + 1),), nonce="n1"))
    assert failed.value.final


async def test_a_push_answers_its_request_and_mentions_nobody(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        request = fake.says(PERSON, GUILD_CHANNEL_ID, "a fox", guild=GUILD_ID)
        to = Address("discord", GUILD_CHANNEL_ID, message_id=request, private=False)
        await client.channel_chat.show(to, Reply("@everyone https://example.org", quiet=True, nonce="n1"))
        gone = Address("discord", GUILD_CHANNEL_ID, message_id="1", private=False)
        await client.channel_chat.show(gone, Reply("without its request", nonce="n2"))
        first, second = fake.scene().by_bot()
    assert first.reference == request
    assert first.allowed_mentions == {"parse": [], "replied_user": False}
    assert first.flags == 4 | 4096
    assert second.reference is None


async def test_a_shorter_text_takes_its_last_messages_away(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        shown = await client.channel_chat.show(HERE, Reply("word " * 900, nonce="n1"))
        assert await client.channel_chat.show(HERE, Reply("short"), replacing=shown) == Shown(shown.message_ids[:1])
        assert [one.content for one in fake.scene().by_bot()] == ["short"]
        assert await client.channel_chat.show(HERE, Reply("  "), replacing=shown) == shown


async def test_a_hanging_call_ends(fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.discord.rest.TEXT_SECONDS", 0.2)
    async with connect(Script()) as client:
        fake.fault("POST", POST, "hang_before", times=2, seconds=30)
        with pytest.raises(SendFailed) as failed:
            await asyncio.wait_for(client.channel_chat.show(HERE, Reply("x", nonce="n1")), 10)
    assert failed.value.retry_after
    assert "in time" in failed.value.reason
