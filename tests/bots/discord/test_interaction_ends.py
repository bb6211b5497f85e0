"""Interactions that end: taken by another process, over, cut off, or refused."""

import asyncio

import pytest

from bots.core.types import (
    Button,
    Inbound,
    Messenger,
    Reply,
    ReplyFile,
    SendFailed,
    ShownMessages,
)
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import APPLICATION_ID, GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

PERSON, DM = "500000000000000007", "600000000000000007"
PNG = b"\x89PNG fake"


async def test_a_card_is_edited_after_the_interaction_has_died(
    fake: FakeDiscord, connect: Connect
) -> None:
    cards: list[ShownMessages] = []

    async def play(chat: Messenger, inbound: Inbound) -> None:
        cards.append(
            await chat.show(
                inbound.address,
                Reply("waiting", buttons=((Button("Cancel", "cancel", "k7m2"),),), card="g1"),
            )
        )

    script = Script(play)
    async with connect(script) as client:
        interaction = fake.slash(
            PERSON, GUILD_CHANNEL_ID, "image", {"prompt": "fox"}, guild=GUILD_ID
        )
        card = await fake.answer(interaction, "waiting")
        assert card.buttons == ["Cancel"]
        fake.advance(16 * 60)
        address = script.asked[0].address
        chat = client.channel_chat
        await chat.show(
            address,
            Reply("done", files=(ReplyFile("photo", "fox.png", "image/png", PNG),), nonce="n1"),
        )
        await chat.show(address, Reply("closed"), replacing=cards[0])
        scene = fake.scene()
    first, pushed = scene.by_bot(GUILD_CHANNEL_ID)
    assert first.id == card.id == cards[0].message_ids[0]
    assert first.content == "closed"
    assert first.buttons == []
    assert first.edited_by == ["webhook", "channel"]
    assert pushed.reference == card.id
    assert fake.content(pushed.attachments[0]) == PNG


@pytest.mark.parametrize("began", [False, True])
async def test_an_answer_that_comes_after_the_token_died_uses_the_channel(
    fake: FakeDiscord, connect: Connect, began: bool
) -> None:
    go = asyncio.Event()

    async def play(chat: Messenger, inbound: Inbound) -> None:
        shown = await chat.show(inbound.address, Reply("la …", preview=True)) if began else None
        await go.wait()
        await chat.show(inbound.address, Reply("late"), replacing=shown)

    async with connect(Script(play)):
        interaction = fake.slash(
            PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID
        )
        await fake.until(
            lambda scene: (
                scene.answers(interaction) if began else scene.interactions[interaction].original_id
            )
        )
        fake.advance(16 * 60)
        go.set()
        shown = await fake.answer(interaction, "late")
        assert shown.edited_by[-1] == "channel"


@pytest.mark.parametrize(("command", "options"), [("balance", {}), ("image", {"prompt": "fox"})])
async def test_a_late_secret_goes_to_the_persons_direct_messages(
    fake: FakeDiscord, connect: Connect, command: str, options: dict[str, str]
) -> None:
    go = asyncio.Event()

    async def play(chat: Messenger, inbound: Inbound) -> None:
        first = await chat.show(inbound.address, Reply("let me see", secret=True))
        await go.wait()
        with pytest.raises(SendFailed, match="message_gone") as failed:
            await chat.show(inbound.address, Reply("your balance", secret=True), replacing=first)
        assert failed.value.final
        await chat.show(inbound.address, Reply("your balance", secret=True))

    async with connect(Script(play)):
        interaction = fake.slash(PERSON, GUILD_CHANNEL_ID, command, options, guild=GUILD_ID)
        await fake.until(
            lambda scene: [one for one in scene.answers(interaction) if one.content == "let me see"]
        )
        fake.advance(16 * 60)
        go.set()
        shown = await fake.until(
            lambda scene: [one for one in scene.messages if "balance" in one.content]
        )
    assert [one.channel_id == GUILD_CHANNEL_ID for one in shown] == [False]


async def test_an_interaction_that_another_process_took_is_left_alone(
    fake: FakeDiscord, connect: Connect
) -> None:
    script = Script()
    async with connect(script):
        fake.fault(
            "POST",
            "/callback",
            "status",
            status=400,
            code=40060,
            message="Interaction has already been acknowledged.",
        )
        fake.slash(PERSON, DM, "ask", {"question": "taken"})
        await fake.until(
            lambda scene: [one for one in scene.requests if one["path"].endswith("/callback")]
        )
        second = fake.slash(PERSON, DM, "ask", {"question": "kept"})
        await fake.until(lambda scene: scene.interactions[second].original_id)
        await fake.until(lambda _scene: script.asked)
    assert [one.text for one in script.asked] == ["kept"]


@pytest.mark.parametrize("secret", [False, True])
async def test_an_interaction_that_is_over_already_is_answered_all_the_same(
    fake: FakeDiscord, connect: Connect, secret: bool
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        shown = await chat.show(inbound.address, Reply("there …", preview=True))
        await chat.show(
            inbound.address, Reply("there", secret=secret), replacing=None if secret else shown
        )

    async with connect(Script(play)):
        fake.fault(
            "POST", "/callback", "status", status=404, code=10062, message="Unknown interaction"
        )
        fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID)
        shown = await fake.until(
            lambda scene: [one for one in scene.by_bot() if one.content == "there"]
        )
    assert [one.channel_id == GUILD_CHANNEL_ID for one in shown] == [not secret]


@pytest.mark.parametrize("fault", ["reset_after", "status_after", "reset_before"])
async def test_a_deferral_whose_answer_was_lost_still_counts(
    fake: FakeDiscord, connect: Connect, fault: str
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("there"))

    async with connect(Script(play)):
        fake.fault("POST", "/callback", fault)
        interaction = fake.slash(PERSON, DM, "ask", {"question": "why"})
        assert (await fake.answer(interaction, "there")).author_id == APPLICATION_ID


async def test_the_sixth_follow_up_of_an_installed_app_is_a_direct_message(
    fake: FakeDiscord, connect: Connect
) -> None:
    away = "710000000000000099"

    async def play(chat: Messenger, inbound: Inbound) -> None:
        for number in range(7):
            await chat.show(inbound.address, Reply(f"part {number}"))

    async with connect(Script(play)):
        fake.slash(
            PERSON,
            away,
            "ask",
            {"question": "why"},
            guild="700000000000000099",
            user_installed=True,
        )
        last = await fake.until(
            lambda scene: [one for one in scene.by_bot() if one.content == "part 6"]
        )
        shown = {one.content: one.channel_id for one in fake.scene().by_bot()}
    assert last[0].channel_id != away
    assert [shown[f"part {number}"] == away for number in range(7)] == [True] * 6 + [False]


async def test_where_the_channel_refuses_the_interaction_still_answers(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("first"))
        await chat.show(inbound.address, Reply("second"))

    async with connect(Script(play)):
        fake.fault(
            "POST",
            r"/channels/\d+/messages$",
            "status",
            status=403,
            code=50013,
            message="Missing Permissions",
            times=5,
        )
        asked = fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID)
        await fake.until(
            lambda scene: [one for one in scene.answers(asked) if one.content == "second"]
        )


async def test_previews_stop_while_discord_asks_to_wait_and_the_answer_still_comes(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        shown = await chat.show(inbound.address, Reply("a", preview=True))
        fake.fault("PATCH", "/messages/", "limited", retry_after=120.0)
        for text in ("a b", "a b c", "a b c d"):
            with pytest.raises(SendFailed) as failed:
                await chat.show(inbound.address, Reply(text, preview=True), replacing=shown)
            assert failed.value.retry_after is not None
        await chat.show(inbound.address, Reply("a b c d e"), replacing=shown)

    async with connect(Script(play)):
        asked = fake.slash(PERSON, DM, "ask", {"question": "why"})
        shown = await fake.answer(asked, "a b c d e")
        edits = [one["status"] for one in fake.scene().requests if one["method"] == "PATCH"]
    assert edits == [200, 429, 200]
    assert shown.history == ["a"]
