import asyncio
from dataclasses import replace

from bots.core.types import (
    Address,
    Button,
    Inbound,
    Messenger,
    Reply,
    ShownMessages,
)
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

PERSON, DM = "500000000000000007", "600000000000000007"
PNG = b"\x89PNG fake"


async def test_commands_are_registered_once(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()):
        scene = fake.scene()
    names = [one["name"] for one in scene.commands]
    assert {"ask", "image", "video", "jobs", "cancel", "balance", "link", "help", "start"} <= set(
        names
    )
    video = next(one for one in scene.commands if one["name"] == "video")
    kinds = {option["name"]: option["type"] for option in video["options"]}
    assert kinds["prompt"] == 3
    assert kinds["image"] == 11
    assert kinds["duration"] == 4
    assert kinds["generate_audio"] == 5
    resolution = next(one for one in video["options"] if one["name"] == "resolution")
    assert {"name": "720p", "value": "720p"} in resolution["choices"]
    assert video["integration_types"] == [0, 1]
    assert next(one for one in scene.commands if one["name"] == "link")["contexts"] == [1]
    async with connect(Script()):
        assert fake.scene().commands_put == 1


async def test_a_slow_answer_is_deferred_at_once(fake: FakeDiscord, connect: Connect) -> None:
    go = asyncio.Event()

    async def slow(chat: Messenger, inbound: Inbound) -> None:
        await go.wait()
        await chat.show(inbound.address, Reply("there"))

    async with connect(Script(slow)):
        interaction = fake.slash(
            PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID
        )
        scene = await fake.until(
            lambda one: one if one.interactions[interaction].answered_after is not None else None
        )
        seen = scene.interactions[interaction]
        assert seen.answer_type == 5
        assert seen.answered_after is not None
        assert seen.answered_after < 3
        assert next(one for one in scene.messages if one.id == seen.original_id).loading
        fake.advance(60)
        go.set()
        shown = await fake.answer(interaction, "there")
    assert shown.id == seen.original_id
    assert shown.allowed_mentions is not None
    assert shown.allowed_mentions["parse"] == []
    assert shown.flags & 4


async def test_what_a_person_sends(fake: FakeDiscord, connect: Connect) -> None:
    files: list[bytes] = []

    async def read(chat: Messenger, inbound: Inbound) -> None:
        files.append(await inbound.attachments[0].read())
        await chat.show(inbound.address, Reply("ok"))

    script = Script(read)
    async with connect(script):
        interaction = fake.slash(
            PERSON,
            GUILD_CHANNEL_ID,
            "video",
            {"prompt": "waves", "duration": 8, "generate_audio": True, "resolution": "720p"},
            guild=GUILD_ID,
            attachment=("sea.png", "image/png", PNG),
            language="de",
        )
        shown = await fake.answer(interaction, "ok")
    asked = script.asked[0]
    assert asked.command == "video"
    assert asked.text == "waves"
    assert asked.options == {"duration": "8", "generate_audio": "true", "resolution": "720p"}
    assert asked.address == Address(
        "discord", GUILD_CHANNEL_ID, message_id=shown.id, private=False, answer_id=shown.id
    )
    assert asked.sender.id == PERSON
    assert asked.sender.language == "de"
    assert asked.update_id == interaction
    assert (
        asked.attachments[0].name,
        asked.attachments[0].content_type,
        asked.attachments[0].size,
    ) == ("sea.png", "image/png", len(PNG))
    assert files == [PNG]


async def test_a_private_command_is_ephemeral(fake: FakeDiscord, connect: Connect) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply(f"answer to {inbound.command}", secret=True))

    async with connect(Script(play)):
        for command in ("balance", "jobs", "help"):
            interaction = fake.slash(PERSON, GUILD_CHANNEL_ID, command, guild=GUILD_ID)
            shown = await fake.answer(interaction, command)
            assert shown.ephemeral
            assert fake.scene().interactions[interaction].ephemeral


async def test_a_secret_after_a_public_deferral_is_seen_by_one(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        shown = await chat.show(inbound.address, Reply("no money", secret=True))
        await chat.show(inbound.address, Reply("no money at all", secret=True), replacing=shown)

    async with connect(Script(play)):
        interaction = fake.slash(
            PERSON, GUILD_CHANNEL_ID, "image", {"prompt": "fox"}, guild=GUILD_ID
        )
        shown = await fake.message(GUILD_CHANNEL_ID, "no money at all")
        assert shown.ephemeral
        assert [one.id for one in fake.scene().by_bot(GUILD_CHANNEL_ID)] == [shown.id]
        assert fake.scene().interactions[interaction].original_id != shown.id


async def test_nothing_to_say_leaves_no_thinking(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script()):
        interaction = fake.slash(PERSON, DM, "ask", {"question": "why"})
        await fake.until(
            lambda scene: scene.interactions[interaction].original_id and not scene.by_bot()
        )


async def test_streaming_edits_one_message_and_grows_into_more(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        shown = await chat.show(inbound.address, Reply("one …", preview=True))
        shown = await chat.show(
            inbound.address, Reply("word " * 500, preview=True), replacing=shown
        )
        await chat.show(
            inbound.address,
            Reply("word " * 900, buttons=((Button("More", "more", "1"),),)),
            replacing=shown,
        )

    async with connect(Script(play)):
        interaction = fake.slash(PERSON, DM, "ask", {"question": "why"})
        last = await fake.until(lambda scene: [one for one in scene.by_bot(DM) if one.buttons])
        messages = fake.scene().by_bot(DM)
    assert messages[0].id == fake.scene().interactions[interaction].original_id
    assert len(messages) == 3
    assert last[0].id == messages[-1].id
    assert all(len(one.content) <= 2000 for one in messages)
    assert sum(one.content.count("word") for one in messages) == 900
    assert len(messages[0].edited_by) == 2, "the full first message is not edited again"


async def test_a_pressed_button_edits_its_message(fake: FakeDiscord, connect: Connect) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is None:
            await chat.show(
                inbound.address,
                Reply("waiting", buttons=((Button("Cancel", "cancel", "k7m2", "danger"),),)),
            )
        else:
            await chat.show(inbound.address, Reply("not yours", secret=True))
            await chat.show(
                inbound.address, Reply("cancelled"), replacing=ShownMessages((inbound.pressed,))
            )

    script = Script(play)
    async with connect(script):
        first = fake.slash(PERSON, GUILD_CHANNEL_ID, "image", {"prompt": "fox"}, guild=GUILD_ID)
        card = await fake.answer(first, "waiting")
        pressed = fake.press(PERSON, GUILD_CHANNEL_ID, card.id, "Cancel")
        shown = await fake.answer(pressed, "cancelled")
        assert shown.id == card.id
        assert shown.buttons == []
        assert fake.scene().interactions[pressed].answer_type == 6
        secret = await fake.message(GUILD_CHANNEL_ID, "not yours")
        assert secret.ephemeral
    asked = script.asked[1]
    assert (asked.command, asked.text, asked.pressed) == ("cancel", "k7m2", card.id)
    assert asked.address.message_id == card.id


async def test_buttons_of_an_ephemeral_question(fake: FakeDiscord, connect: Connect) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is None:
            await chat.show(
                inbound.address,
                Reply("link?", buttons=((Button("Yes", "link_yes", "c1"),),), secret=True),
            )
        else:
            await chat.show(
                inbound.address,
                Reply("linked", secret=True),
                replacing=ShownMessages((inbound.pressed,)),
            )

    async with connect(Script(play)):
        question = await fake.answer(
            fake.slash(PERSON, GUILD_CHANNEL_ID, "unlink", guild=GUILD_ID), "link?"
        )
        assert question.ephemeral
        shown = await fake.answer(
            fake.press(PERSON, GUILD_CHANNEL_ID, question.id, "Yes"), "linked"
        )
        assert shown.id == question.id
        assert shown.buttons == []


async def test_a_user_installed_command_is_pushed_to_direct_messages(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("waiting", card="g1"))

    script = Script(play)
    async with connect(script) as client:
        away = "710000000000000099"
        interaction = fake.slash(
            PERSON,
            away,
            "image",
            {"prompt": "fox"},
            guild="700000000000000099",
            user_installed=True,
        )
        card = await fake.answer(interaction, "waiting")
        address = script.asked[0].address
        assert address.chat_id != away
        assert address.private is False
        there = f"https://discord.com/channels/@me/{address.chat_id}"
        assert there in card.content, "the card says where else to look"
        push = replace(address, message_id=card.id)
        await client.channel_chat.show(push, Reply("your fox", nonce="n1"))
        assert (await fake.message(away, "your fox")).interaction_id == interaction, (
            "in place, while the interaction lasts"
        )
        await client.channel_chat.show(push, Reply("your fox", nonce="n1"))
        assert len([one for one in fake.scene().by_bot() if one.content == "your fox"]) == 1
        for number in range(5):
            await client.channel_chat.show(push, Reply(f"fox {number}", nonce=f"n{number + 2}"))
        pushed = await fake.message(address.chat_id, "fox 4")
        await client.channel_chat.show(
            address, Reply("closed"), replacing=ShownMessages((card.id,))
        )
        closed = await fake.answer(interaction, "closed")
        assert closed.id == card.id
        assert f"{there}/{pushed.id}" in closed.content


async def test_what_was_asked_where_only_the_person_has_the_app_is_taken_back_there(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("waiting", card="g1"))

    script = Script(play)
    async with connect(script) as client:
        interaction = fake.slash(
            PERSON,
            "710000000000000099",
            "image",
            {"prompt": "fox"},
            guild="700000000000000099",
            user_installed=True,
        )
        card = await fake.answer(interaction, "waiting")
        await client.channel_chat.show(
            script.asked[0].address, Reply("", gone=True), replacing=ShownMessages((card.id,))
        )
        await fake.until(lambda scene: card.id not in [one.id for one in scene.by_bot()] or None)


async def test_what_is_chosen_in_a_menu_is_a_pressed_button(
    fake: FakeDiscord, connect: Connect
) -> None:
    rows = tuple((Button(f"row {number}", "set", f"{number}"),) for number in range(8))

    async def play(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is None:
            await chat.show(inbound.address, Reply("settings", buttons=rows))

    script = Script(play)
    async with connect(script):
        shown = await fake.answer(fake.slash(PERSON, DM, "ask", {"question": "why"}), "settings")
        assert shown.buttons == [f"row {number}" for number in range(8)]
        fake.press(PERSON, DM, shown.id, "row 7")
        await fake.until(lambda _scene: len(script.asked) == 2)
    assert (script.asked[1].command, script.asked[1].text, script.asked[1].pressed) == (
        "set",
        "7",
        shown.id,
    )


async def test_all_but_the_first_message_can_be_answered_to(
    fake: FakeDiscord, connect: Connect
) -> None:
    """The bot's own messages have nonces, and their answers can be read without the content
    intent."""

    async def play(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("first"))
        await chat.show(inbound.address, Reply("second", nonce="n2"))

    async with connect(Script(play)):
        fake.fault("POST", r"/channels/\d+/messages$", "reset_after")
        asked = fake.slash(PERSON, GUILD_CHANNEL_ID, "ask", {"question": "why"}, guild=GUILD_ID)
        second = await fake.message(GUILD_CHANNEL_ID, "second")
        messages = fake.scene().by_bot()
    assert [one.content for one in messages] == ["first", "second"]
    assert (second.interaction_id, second.reference) == (None, messages[0].id)
    assert messages[0].interaction_id == asked
