import asyncio
from dataclasses import replace

import pytest

from bots.core.types import (
    Address,
    Button,
    Inbound,
    Messenger,
    Reply,
    ReplyFile,
    SendFailed,
    ShownMessages,
)
from bots.discord.render import FILE_BYTES, MIB, REQUEST_BYTES
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord
from tests.fakes.discord_world import THREAD_ID

PERSON = "500000000000000007"
HERE = Address("discord", GUILD_CHANNEL_ID, private=False)
POST = r"/channels/\d+/messages$"


def photo(name: str, size: int = 10) -> ReplyFile:
    return ReplyFile("photo", name, "image/png", b"p" * size)


async def test_a_push_whose_answer_was_lost_is_seen_once(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "reset_after")
        shown = await client.channel_chat.show(
            HERE, Reply("your fox", files=(photo("fox.png"),), nonce="n" * 25)
        )
        seen = fake.scene().by_bot(GUILD_CHANNEL_ID)
        posts = [
            one
            for one in fake.scene().requests
            if one["method"] == "POST" and one["path"].endswith("/messages")
        ]
    assert len(posts) == 2
    assert [one.id for one in seen] == list(shown.message_ids)
    assert seen[0].nonce == "n" * 25
    assert len(seen[0].attachments) == 1


async def test_the_same_delivery_again_is_the_same_message(
    fake: FakeDiscord, connect: Connect
) -> None:
    reply = Reply("word " * 900, nonce="delivery-1")
    async with connect(Script()) as client:
        first = await client.channel_chat.show(HERE, reply)
        assert await client.channel_chat.show(HERE, reply) == first
        assert len(fake.scene().by_bot(GUILD_CHANNEL_ID)) == len(first.message_ids) == 3
        assert await client.channel_chat.show(HERE, Reply("word", nonce="delivery-2")) != first


async def test_a_line_that_stays_broken_is_tried_again_soon_for_the_nonce_holds(
    fake: FakeDiscord, connect: Connect
) -> None:
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


REFUSALS = [
    (403, 50001, "channel_hidden"),
    (403, 50007, "direct_messages_closed"),
    (403, 50013, "no_permission"),
    (404, 10003, "channel_gone"),
    (404, 10004, "chat_gone"),
    (404, 10013, "account_gone"),
    (403, 50278, "no_shared_server"),
    (403, 20009, "moderated"),
    (400, 200000, "moderated"),
    (400, 240000, "moderated"),
    (413, 40005, "too_large"),
    (413, 0, "too_large"),
    (400, 50045, "too_large"),
    (400, 50046, "file_refused"),
    (400, 50083, "topic_closed"),
    (403, 160005, "topic_closed"),
    (400, 50035, "request_refused"),
    (403, 0, "request_refused"),
]


@pytest.mark.parametrize(("status", "code", "reason"), REFUSALS)
async def test_a_refusal_is_final_and_says_why(
    fake: FakeDiscord, connect: Connect, status: int, code: int, reason: str
) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "status", status=status, code=code, message="no")
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert failed.value.final
    assert not failed.value.uncertain
    assert failed.value.reason == reason
    assert failed.value.said == f"Discord {status}, code {code}: no"


async def test_a_server_error_is_tried_again_soon(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "status", status=503, times=2)
        with pytest.raises(SendFailed, match="platform_failed") as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert failed.value.retry_after
    assert not failed.value.final


async def test_discord_away_was_not_sent(
    fake: FakeDiscord, connect: Connect, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(Script()) as client:
        monkeypatch.setattr(
            "discord.http.Route.BASE", f"http://127.0.0.1:{unused_tcp_port}/api/v10"
        )
        with pytest.raises(SendFailed, match="platform_unreachable") as failed:
            await client.channel_chat.show(HERE, Reply("x", nonce="n1"))
    assert not failed.value.uncertain
    assert not failed.value.final


async def test_a_short_wait_is_waited_and_a_long_one_is_reported(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        fake.fault("POST", POST, "limited", retry_after=0.05)
        await client.channel_chat.show(HERE, Reply("patient", nonce="n1"))
        fake.fault("POST", POST, "limited", retry_after=120.0)
        with pytest.raises(SendFailed, match="flood") as failed:
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


async def test_several_photos_are_one_message_until_they_are_too_much(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        small = await client.channel_chat.show(
            HERE, Reply("three", files=tuple(photo(f"{n}.png") for n in range(3)), nonce="n1")
        )
        assert len(small.message_ids) == 1
        big = await client.channel_chat.show(
            HERE,
            Reply(
                "heavy", files=tuple(photo(f"{n}.png", FILE_BYTES) for n in range(3)), nonce="n2"
            ),
        )
        assert len(big.message_ids) == 2
        first, *heavy = fake.scene().by_bot()
    assert [one.filename for one in first.attachments] == ["0.png", "1.png", "2.png"]
    assert [(one.content, len(one.attachments)) for one in heavy] == [("heavy", 2), ("", 1)]


async def test_a_file_beyond_the_limit_is_refused_for_good(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(
                HERE, Reply("", files=(photo("big.png", FILE_BYTES + 1),), nonce="n1")
            )
    assert failed.value.final


async def test_a_push_answers_its_request_and_mentions_nobody(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        request = fake.says(PERSON, GUILD_CHANNEL_ID, "a fox", guild=GUILD_ID)
        to = Address("discord", GUILD_CHANNEL_ID, message_id=request, private=False)
        await client.channel_chat.show(
            to, Reply("@everyone https://example.org", quiet=True, nonce="n1")
        )
        gone = Address("discord", GUILD_CHANNEL_ID, message_id="1", private=False)
        await client.channel_chat.show(gone, Reply("without its request", nonce="n2"))
        first, second = fake.scene().by_bot()
    assert first.reference == request
    assert first.allowed_mentions == {"parse": [], "replied_user": False}
    assert first.flags == 4 | 4096
    assert second.reference is None


async def test_a_shorter_text_takes_its_last_messages_away(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        shown = await client.channel_chat.show(HERE, Reply("word " * 900, nonce="n1"))
        assert await client.channel_chat.show(
            HERE, Reply("short"), replacing=shown
        ) == ShownMessages(shown.message_ids[:1])
        assert [one.content for one in fake.scene().by_bot()] == ["short"]
        assert await client.channel_chat.show(HERE, Reply("  "), replacing=shown) == shown


async def test_a_hanging_call_ends(
    fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.rest.TEXT_SECONDS", 0.2)
    async with connect(Script()) as client:
        fake.fault("POST", POST, "hang_before", times=2, seconds=30)
        with pytest.raises(SendFailed) as failed:
            await asyncio.wait_for(client.channel_chat.show(HERE, Reply("x", nonce="n1")), 10)
    assert failed.value.retry_after
    assert failed.value.reason == "unclear"


async def test_a_later_part_that_failed_does_not_repeat_the_earlier_ones(
    fake: FakeDiscord, connect: Connect
) -> None:
    """Even when Discord has forgotten the nonces of those that came through."""
    reply = Reply("word " * 900, nonce="delivery-1")
    async with connect(Script()) as client:
        fake.limit("POST", POST, limit=2, per=100)
        with pytest.raises(SendFailed) as failed:
            await client.channel_chat.show(HERE, reply)
        assert failed.value.retry_after is not None
        fake.clear()
        fake.advance(600)
        client.http._buckets.clear()
        shown = await client.channel_chat.show(HERE, reply)
        assert [one.id for one in fake.scene().by_bot()] == list(shown.message_ids)
        assert len(shown.message_ids) == 3


async def test_a_wait_in_one_channel_is_no_wait_in_another(
    fake: FakeDiscord, connect: Connect
) -> None:
    there = Address("discord", THREAD_ID, private=False)
    async with connect(Script()) as client:
        fake.fault("POST", rf"/channels/{GUILD_CHANNEL_ID}/messages$", "limited", retry_after=2.0)
        slow = asyncio.ensure_future(client.channel_chat.show(HERE, Reply("slow", nonce="n1")))
        await fake.until(lambda scene: [one for one in scene.requests if one["status"] == 429])
        await client.channel_chat.show(there, Reply("quick", nonce="n2"))
        assert not slow.done()
        slow.cancel()


async def test_a_call_cut_off_in_a_global_wait_does_not_hold_the_others(
    fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(Script()) as client:
        monkeypatch.setattr("bots.discord.rest.TEXT_SECONDS", 0.2)
        fake.fault("POST", POST, "limited", retry_after=25.0, is_global=True, times=2)
        with pytest.raises(SendFailed):
            await client.channel_chat.show(HERE, Reply("never", nonce="n1"))
        monkeypatch.setattr("bots.discord.rest.TEXT_SECONDS", 10.0)
        await client.channel_chat.show(HERE, Reply("after", nonce="n2"))
    assert [one.content for one in fake.scene().by_bot()] == ["after"]


async def test_what_can_not_be_answered_to_is_said_all_the_same(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        request = fake.says(PERSON, GUILD_CHANNEL_ID, "a fox", guild=GUILD_ID)
        fake.reach(GUILD_CHANNEL_ID, True, history=False)
        to = Address("discord", GUILD_CHANNEL_ID, message_id=request, private=False)
        await client.channel_chat.show(to, Reply("your fox", nonce="n1"))
        (shown,) = fake.scene().by_bot()
    assert (shown.content, shown.reference) == ("your fox", None)


@pytest.mark.parametrize(("tier", "most"), [(0, 10 * MIB), (2, REQUEST_BYTES)])
async def test_how_large_a_file_may_be_is_the_servers_matter(
    fake: FakeDiscord, connect: Connect, tier: int, most: int
) -> None:
    fake.portal(tier=tier)
    heard: list[int] = []

    async def play(chat: Messenger, inbound: Inbound) -> None:
        heard.append((await chat.limits_for(inbound.address)).upload_bytes)
        await chat.show(inbound.address, Reply("ok"))

    async with connect(Script(play)) as client:
        await fake.answer(
            fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID), "ok"
        )
        limits = await client.channel_chat.limits_for(HERE)
        in_thread = await client.channel_chat.limits_for(
            Address("discord", THREAD_ID, private=False)
        )
        elsewhere = await client.channel_chat.limits_for(Address("discord", "1"))
        await client.channel_chat.show(
            HERE, Reply("as large as can be", files=(photo("fox.png", most),), nonce="n1")
        )
    assert limits.upload_bytes == in_thread.upload_bytes == heard[0] == most
    assert elsewhere.upload_bytes == 10 * MIB


async def test_a_spoiler_is_one_for_discord(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()) as client:
        await client.channel_chat.show(
            HERE, Reply("", files=(replace(photo("fox.png"), spoiler=True),), nonce="n1")
        )
    assert fake.scene().by_bot()[0].attachments[0].filename == "SPOILER_fox.png"


async def test_an_edit_keeps_the_files_and_is_not_sent_twice(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script()) as client:
        shown = await client.channel_chat.show(
            HERE, Reply("your fox", files=(photo("fox.png"),), nonce="n1")
        )
        for _ in range(2):
            await client.channel_chat.show(
                HERE,
                Reply("your fox \u2605", buttons=((Button("Again", "again", "1"),),)),
                replacing=shown,
            )
        (seen,) = fake.scene().by_bot()
    assert (seen.text, len(seen.attachments), seen.buttons, len(seen.edited_by)) == (
        "your fox \u2605",
        1,
        ["Again"],
        1,
    )
