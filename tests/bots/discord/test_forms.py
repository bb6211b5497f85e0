"""Forms and suggestions, which must be the very first answer; and the menu of a message."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from api.catalog.schemas import ModelOut
from api.schemas import Kind
from bots.core.commands import Command, Context
from bots.core.options import Option
from bots.core.types import Address, Ask, Button, Inbound, Messenger, Reply, ShownMessages
from client.bot import Who
from tests.bots.discord.conftest import Connect, Script
from tests.fakes.discord import GUILD_CHANNEL_ID, GUILD_ID, FakeDiscord

PERSON, OTHER, DM = "500000000000000007", "500000000000000008", "600000000000000007"
HERE = Address("discord", GUILD_CHANNEL_ID, private=False)
PNG = b"\x89PNG fake"


async def _run(_inbound: Inbound, _context: Context) -> AsyncGenerator[Reply, None]:
    yield Reply("the script answers")


COMMANDS = (
    Command(
        "image",
        "Make a picture",
        _run,
        argument="prompt",
        argument_required=True,
        asks=True,
        options=(
            Option("model", "Which model", ("model",), models=("image",)),
            Option("n", "How many", ("n",), "number"),
        ),
    ),
    Command("edit", "Change a picture", _run, argument="change", asks=True, on_message="Edit"),
    Command("describe", "Say what is in it", _run, on_message="Describe", secret=True),
    Command("model", "Which model", _run, argument="name", argument_models=("text", "video")),
)
CARD = Reply(
    "your fox k7m2", buttons=((Button("Edit", "edit", "k7m2"), Button("Delete", "delete", "k7m2")),)
)
QUESTION = Ask("edit", "k7m2", "What should change?", default="a fox")


async def ask(chat: Messenger, inbound: Inbound) -> None:
    """A core that asks for what is missing."""
    if inbound.command == "card":
        await chat.show(inbound.address, CARD)
    elif inbound.text in ("", "k7m2"):
        pressed = None if inbound.pressed is None else ShownMessages((inbound.pressed,))
        await chat.show(
            inbound.address,
            Reply("What should change?", ask=QUESTION, secret=True),
            replacing=pressed,
        )
    else:
        await chat.show(inbound.address, Reply(f"making {inbound.text}", card="g1"))


async def test_a_command_without_its_text_opens_a_form(fake: FakeDiscord, connect: Connect) -> None:
    script = Script(ask)
    async with connect(script, commands=COMMANDS):
        asked = fake.slash(PERSON, GUILD_CHANNEL_ID, "image", {"n": 2}, guild=GUILD_ID)
        form = await fake.until(lambda scene: scene.interactions[asked].form)
        field = form["components"][0]["component"]
        assert (form["custom_id"], form["title"], field["value"]) == (
            "edit:k7m2",
            "What should change?",
            "a fox",
        )
        answered = fake.submit(asked, "make it night\nand snow")
        shown = await fake.answer(answered, "making")
        scene = fake.scene()
    assert [one.id for one in scene.by_bot()] == [shown.id], "the form itself leaves no message"
    assert scene.interactions[asked].answer_type == 9
    said = script.asked[1]
    assert (said.command, said.text, said.pressed) == ("edit", "k7m2 make it night\nand snow", None)
    assert said.address.message_id == shown.id


async def test_a_button_opens_a_form_and_its_card_stays(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script(ask), commands=COMMANDS) as client:
        card = await client.channel_chat.show(HERE, CARD)
        pressed = fake.press(PERSON, GUILD_CHANNEL_ID, card.message_ids[0], "Edit")
        await fake.until(lambda scene: scene.interactions[pressed].form)
        await fake.answer(fake.submit(pressed, "at night"), "making k7m2 at night")
        first = fake.scene().by_bot()[0]
    assert (first.content, first.buttons) == (CARD.text, ["Edit", "Delete"])


async def test_with_its_text_it_is_deferred_at_once(
    fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.interaction.FORM_SECONDS", 60.0)
    go = asyncio.Event()

    async def slowly(chat: Messenger, inbound: Inbound) -> None:
        await go.wait()
        await ask(chat, inbound)

    async with connect(Script(slowly), commands=COMMANDS):
        asked = fake.slash(PERSON, DM, "image", {"prompt": "a fox"})
        await fake.until(lambda scene: scene.interactions[asked].answer_type == 5)
        go.set()
        await fake.answer(asked, "making a fox")


@pytest.mark.parametrize("remembered", [True, False])
async def test_too_late_for_a_form_it_is_a_button(
    fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch, remembered: bool
) -> None:
    monkeypatch.setattr("bots.discord.interaction.FORM_SECONDS", 0.01)
    go = asyncio.Event()

    async def slowly(chat: Messenger, inbound: Inbound) -> None:
        if inbound.pressed is not None:
            await go.wait()
        await ask(chat, inbound)

    async with connect(Script(slowly), commands=COMMANDS) as client:
        card = (await client.channel_chat.show(HERE, CARD)).message_ids[0]
        pressed = fake.press(PERSON, GUILD_CHANNEL_ID, card, "Edit")
        await fake.until(lambda scene: scene.interactions[pressed].answer_type == 6)
        go.set()
        question = await fake.answer(pressed, "What should change?", seconds=15)
        if question.id == card:
            question = await fake.message(GUILD_CHANNEL_ID, "What should change?")
        assert question.ephemeral
        if not remembered:
            client.channel_chat.memory.asks.clear()
        opened = fake.press(PERSON, GUILD_CHANNEL_ID, question.id, "What should change?")
        form = await fake.until(lambda scene: scene.interactions[opened].form)
        assert form["components"][0]["component"].get("value") == ("a fox" if remembered else None)
        await fake.answer(fake.submit(opened, "at night"), "making k7m2 at night")
        assert fake.scene().by_bot()[0].content == CARD.text


async def test_a_command_that_asks_may_answer_something_else(
    fake: FakeDiscord, connect: Connect
) -> None:
    async def refuse(chat: Messenger, inbound: Inbound) -> None:
        await chat.show(inbound.address, Reply("not yours", secret=True, fresh=True))

    async with connect(Script(refuse), commands=COMMANDS) as client:
        card = (await client.channel_chat.show(HERE, CARD)).message_ids[0]
        fake.press(OTHER, GUILD_CHANNEL_ID, card, "Edit")
        assert (await fake.message(GUILD_CHANNEL_ID, "not yours")).ephemeral
        asked = fake.slash(PERSON, GUILD_CHANNEL_ID, "image", {}, guild=GUILD_ID)
        assert (await fake.answer(asked, "not yours")).ephemeral
        nothing = fake.scene().interactions[asked]
        assert (nothing.answer_type, nothing.ephemeral) == (5, True)


async def test_a_form_that_discord_refuses_becomes_a_question(
    fake: FakeDiscord, connect: Connect
) -> None:
    async with connect(Script(ask), commands=COMMANDS):
        fake.fault(
            "POST", "/callback", "status", status=400, code=50035, message="Invalid Form Body"
        )
        asked = fake.slash(PERSON, GUILD_CHANNEL_ID, "image", {}, guild=GUILD_ID)
        question = await fake.answer(asked, "What should change?")
    assert question.buttons == ["What should change?"]


async def test_the_menu_of_a_message_hands_it_over(fake: FakeDiscord, connect: Connect) -> None:
    read: list[bytes] = []

    async def play(chat: Messenger, inbound: Inbound) -> None:
        assert inbound.quoted is not None
        read.extend([await one.read() for one in inbound.quoted.attachments])
        await chat.show(inbound.address, Reply("a cat"))

    script = Script(play)
    async with connect(script, commands=COMMANDS) as client:
        theirs = fake.says(
            OTHER,
            GUILD_CHANNEL_ID,
            "my cat",
            guild=GUILD_ID,
            attachment=("cat.png", "image/png", PNG),
        )
        assert (await fake.answer(fake.menu(PERSON, theirs, "Describe"), "a cat")).ephemeral
        mine = (await client.channel_chat.show(HERE, Reply("snow_fox *k7m2*"))).message_ids[0]
        await fake.answer(fake.menu(PERSON, mine, "Describe"), "a cat")
    first, second = script.asked
    assert (first.command, first.text, first.quoted and (first.quoted.text, first.quoted.mine)) == (
        "describe",
        "",
        ("my cat", False),
    )
    assert read == [PNG]
    assert second.quoted is not None
    assert (second.quoted.message_id, second.quoted.text, second.quoted.mine) == (
        mine,
        "snow_fox *k7m2*",
        True,
    )


async def test_the_menus_edit_asks_first(fake: FakeDiscord, connect: Connect) -> None:
    async with connect(Script(ask), commands=COMMANDS):
        theirs = fake.says(OTHER, GUILD_CHANNEL_ID, "my cat", guild=GUILD_ID)
        asked = fake.menu(PERSON, theirs, "Edit")
        await fake.until(lambda scene: scene.interactions[asked].form)


def model(number: int) -> ModelOut:
    about = {
        "name": "Model " + "x" * 120,
        "kind": "image",
        "capabilities": {},
        "price": {"items": [], "summary": ""},
    }
    return ModelOut.model_validate({"id": f"maker/model-{number}", "default": False, **about})


async def test_models_are_suggested_while_typing(fake: FakeDiscord, connect: Connect) -> None:
    heard: list[tuple[str, Sequence[Kind], str, int]] = []

    async def suggest(who: Who, kinds: Sequence[Kind], typed: str, most: int) -> list[ModelOut]:
        heard.append((who.platform_user_id, kinds, typed, most))
        return [model(number) for number in range(most)]

    async with connect(Script(), suggest=suggest, commands=COMMANDS):
        typing = fake.types(PERSON, DM, "image", "model", "flu")
        choices = await fake.until(lambda scene: scene.interactions[typing].choices)
        other = fake.types(PERSON, DM, "model", "name", "")
        named = (await fake.until(lambda scene: scene.interactions[other].choices))[0]
    assert len(choices) == 25
    assert choices[0]["value"] == "maker/model-0"
    assert named["value"] == "image maker/model-0"
    assert named["name"].startswith("Images: Model x"), "a model may be of several kinds"
    assert heard == [(PERSON, ("image",), "flu", 25), (PERSON, ("text", "video"), "", 25)]


async def test_suggestions_that_take_too_long_are_none(
    fake: FakeDiscord, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.adapter.SUGGEST_SECONDS", 0.01)

    async def never(*_asked: object) -> list[ModelOut]:
        await asyncio.Event().wait()
        raise AssertionError

    async with connect(Script(), suggest=never, commands=COMMANDS):
        typing = fake.types(PERSON, DM, "image", "model", "flu")
        await fake.until(lambda scene: scene.interactions[typing].answer_type == 8)
        assert fake.scene().interactions[typing].choices == []


async def test_a_gone_message_is_removed(fake: FakeDiscord, connect: Connect) -> None:
    async def play(chat: Messenger, inbound: Inbound) -> None:
        assert inbound.pressed is not None
        assert inbound.moderates is not None
        allowed = await inbound.moderates()
        if allowed:
            await chat.show(
                inbound.address, Reply("", gone=True), replacing=ShownMessages((inbound.pressed,))
            )
        await chat.show(inbound.address, Reply("removed" if allowed else "not yours", secret=True))

    fake.portal(moderators=[OTHER])
    async with connect(Script(play), commands=COMMANDS) as client:
        card = (await client.channel_chat.show(HERE, CARD)).message_ids[0]
        fake.press(PERSON, GUILD_CHANNEL_ID, card, "Delete")
        await fake.message(GUILD_CHANNEL_ID, "not yours")
        fake.press(OTHER, GUILD_CHANNEL_ID, card, "Delete")
        await fake.message(GUILD_CHANNEL_ID, "removed")
        assert card not in [one.id for one in fake.scene().messages]
        assert await client.channel_chat.show(
            HERE, Reply("", gone=True), replacing=ShownMessages((card,))
        ) == ShownMessages(())
