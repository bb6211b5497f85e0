"""Messages of people: to the bot, about it, and beside it."""

import asyncio

import pytest

from bots.core.types import Address, Inbound, Messenger, Reply, ReplyFile
from bots.discord.inbound import AttachmentReader
from client.errors import ApiError
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import APPLICATION_ID, GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord
from tests.fakes.discord_world import THREAD_ID

PERSON, OTHER, DM = "500000000000000007", "500000000000000008", "600000000000000007"
HERE = Address("discord", GUILD_CHANNEL_ID, private=False)
ME = f"<@{APPLICATION_ID}>"
FOX = ReplyFile("photo", "fox.png", "image/png", b"a fox")


async def hear(chat: Messenger, inbound: Inbound) -> None:
    await chat.show(inbound.address, Reply(f"{inbound.command}: {inbound.text}"))


async def test_a_direct_message_is_a_question(fake: FakeDiscord, connect: Connect) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.busy(inbound.address)
        await hear(chat, inbound)

    script = Script(play)
    async with connect(script):
        said = fake.says(
            PERSON, DM, "why is the sky blue", attachment=("sky.png", "image/png", b"sky")
        )
        shown = await fake.message(DM, "ask: why is the sky blue")
        assert shown.reference == said
        assert fake.scene().typing[DM] == 1
        assert await script.asked[0].attachments[0].read() == b"sky"
        fake.says(PERSON, DM, "/image a fox --ar 16:9")
        await fake.message(DM, "image: a fox --ar 16:9")
        fake.says(PERSON, DM, "half a \ud83d letter")
        await fake.message(DM, "half a � letter")
    first = script.asked[0]
    assert first.address == Address("discord", DM, message_id=said, private=True)
    assert (first.sender.id, first.update_id) == (PERSON, said)


async def test_in_a_server_only_who_speaks_to_the_bot_is_heard(
    fake: FakeDiscord, connect: Connect
) -> None:
    script = Script(hear)
    async with connect(script):
        fake.says(PERSON, GUILD_CHANNEL_ID, "not for you", guild=GUILD_ID)
        fake.says(PERSON, GUILD_CHANNEL_ID, "@everyone look", guild=GUILD_ID)
        fake.says(PERSON, GUILD_CHANNEL_ID, f"{ME} why", guild=GUILD_ID)
        await fake.message(GUILD_CHANNEL_ID, "why")
    assert [one.text for one in script.asked] == ["why"]
    assert script.asked[0].address == Address(
        "discord", GUILD_CHANNEL_ID, message_id=script.asked[0].update_id, private=False
    )


async def test_an_answer_to_a_result_brings_it_along(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(hear)
    async with connect(script) as client:
        (result,) = (
            await client.channel_chat.show(HERE, Reply("a_fox *k7m2*", files=(FOX,)))
        ).message_ids
        fake.says(PERSON, GUILD_CHANNEL_ID, "make it night", guild=GUILD_ID, reply_to=result)
        await fake.message(GUILD_CHANNEL_ID, "make it night")
        quoted = script.asked[0].quoted
        assert quoted is not None
        assert (quoted.message_id, quoted.text, quoted.mine) == (result, "a_fox *k7m2*", True)
        assert await quoted.attachments[0].read() == b"a fox"


async def test_what_is_forwarded_is_what_was_said(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(hear)
    async with connect(script):
        theirs = fake.says(
            OTHER,
            GUILD_CHANNEL_ID,
            "/image of their cat",
            guild=GUILD_ID,
            attachment=("cat.png", "image/png", b"a cat"),
        )
        fake.says(PERSON, DM, "", forwards=theirs)
        await fake.message(DM, "their cat")
        assert [await one.read() for one in script.asked[0].attachments] == [b"a cat"]
    (passed,) = script.asked
    assert (passed.command, passed.text, passed.plain, passed.quoted) == (
        "ask",
        "/image of their cat",
        True,
        None,
    )


@pytest.mark.parametrize("intent", ["off", "granted"])
async def test_what_the_content_intent_adds(
    fake: FakeDiscord, connect: Connect, intent: str
) -> None:
    """Without it a bot hears mentions, and answers that ping it, but not answers to what it said by
    an interaction."""
    fake.portal(content_intent=intent)
    script = Script(hear)
    async with connect(script) as client:
        (result,) = (await client.channel_chat.show(HERE, Reply("a fox"))).message_ids
        theirs = fake.says(
            OTHER,
            GUILD_CHANNEL_ID,
            "my cat",
            guild=GUILD_ID,
            attachment=("cat.png", "image/png", b"a cat"),
        )
        fake.says(
            PERSON, GUILD_CHANNEL_ID, "without a ping", guild=GUILD_ID, reply_to=result, ping=False
        )
        fake.says(PERSON, GUILD_CHANNEL_ID, f"{ME} and this", guild=GUILD_ID, reply_to=theirs)
        await fake.message(GUILD_CHANNEL_ID, "and this")
        slash = await fake.answer(
            fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "first"}, guild=GUILD_ID),
            "first",
        )
        fake.says(PERSON, GUILD_CHANNEL_ID, "second", guild=GUILD_ID, reply_to=slash.id)
        fake.says(PERSON, GUILD_CHANNEL_ID, f"{ME} last", guild=GUILD_ID)
        await fake.message(GUILD_CHANNEL_ID, "last")
    heard = [(one.command, one.text) for one in script.asked]
    pinned = next(one.quoted for one in script.asked if one.text == "and this")
    assert pinned is not None
    if intent == "granted":
        assert pinned.author.startswith("Person")
        assert heard == [
            ("ask", "without a ping"),
            ("ask", "and this"),
            ("ask", "first"),
            ("ask", "second"),
            ("ask", "last"),
        ]
        assert (pinned.text, len(pinned.attachments)) == ("my cat", 1)
    else:
        assert heard == [("ask", "and this"), ("ask", "first"), ("unreadable", ""), ("ask", "last")]
        assert (pinned.message_id, pinned.text, pinned.mine) == (theirs, "", False)


async def test_a_thread_keeps_what_is_asked_in_it(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(hear)
    async with connect(script) as client:
        fake.says(PERSON, THREAD_ID, f"{ME} here", guild=GUILD_ID)
        await fake.message(THREAD_ID, "here")
        await fake.answer(
            fake.slash(PERSON, THREAD_ID, "ask", {"question": "there"}, guild=GUILD_ID), "there"
        )
        await client.channel_chat.show(script.asked[1].address, Reply("pushed", nonce="n1"))
        await fake.message(THREAD_ID, "pushed")
    assert {one.address.chat_id for one in script.asked} == {THREAD_ID}


async def test_the_same_event_twice_is_answered_once(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(hear)
    async with connect(script):
        fake.says(PERSON, DM, "once")
        fake.again()
        fake.slash(PERSON, DM, "ask", {"question": "command"})
        fake.again()
        fake.says(PERSON, DM, "end")
        await fake.message(DM, "end")
    assert sorted(one.text for one in script.asked) == ["command", "end", "once"]


async def test_a_request_that_is_changed_or_removed_is_answered_once(
    fake: FakeDiscord, connect: Connect
) -> None:
    go = asyncio.Event()

    async def play(chat: Messenger, inbound: Inbound) -> None:
        await go.wait()
        await hear(chat, inbound)

    script = Script(play)
    async with connect(script):
        said = fake.says(PERSON, DM, "a fox")
        await fake.until(lambda _scene: script.asked)
        fake.edits(said, "a wolf")
        fake.deletes(said)
        go.set()
        shown = await fake.message(DM, "a fox")
        fake.says(PERSON, DM, "end")
        await fake.message(DM, "end")
    assert shown.reference is None
    assert [one.text for one in script.asked] == ["a fox", "end"]


async def test_who_moderates_is_asked_of_discord(fake: FakeDiscord, connect: Connect) -> None:
    fake.portal(moderators=[OTHER])
    allowed: list[bool] = []

    async def play(chat: Messenger, inbound: Inbound) -> None:
        assert inbound.moderates is not None
        allowed.append(await inbound.moderates())
        await hear(chat, inbound)

    async with connect(Script(play)):
        for person in (PERSON, OTHER):
            fake.says(person, GUILD_CHANNEL_ID, f"{ME} message {person}", guild=GUILD_ID)
            await fake.message(GUILD_CHANNEL_ID, f"message {person}")
            await fake.answer(
                fake.slash(
                    person, GUILD_CHANNEL_ID, "ask", {"question": "command"}, guild=GUILD_ID
                ),
                "command",
            )
        fake.says(OTHER, DM, "alone")
        await fake.until(lambda _scene: len(allowed) == 5)
    assert allowed == [False, False, True, True, False]


async def test_files_come_from_discord_only(fake: FakeDiscord) -> None:
    fetched: list[str] = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return b"x"

    files = AttachmentReader(fetch)
    for bad in (
        "http://cdn.discordapp.com/a",
        "https://cdn.discordapp.com.evil.example/a",
        "https://10.0.0.1/a",
        fake.base_url,
    ):
        with pytest.raises(ApiError):
            await files.attachment("a", None, 1, bad).read()
    assert await files.attachment("a", None, 1, "https://cdn.discordapp.com/a").read() == b"x"
    assert fetched == ["https://cdn.discordapp.com/a"]
