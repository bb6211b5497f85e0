"""The whole product in its worst hours, with the real processes: everybody is answered once, and
nothing is paid twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from bots.core import texts
from tests.e2e.people import Account, DiscordPerson, TelegramPerson
from tests.fakes.discord import running_discord
from tests.fakes.telegram import FakeTelegram, Scene, running_telegram
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(240)
CHAT = TelegramPerson.chat
QUESTIONS, PICTURES, WAITING = 10, 10, 10


class World:
    def __init__(self, stack: Stack, fake: FakeTelegram, account: Account) -> None:
        self.stack = stack
        self.fake = fake
        self.account = account

    def writes(self, text: str) -> int:
        return self.fake.user_says(CHAT, CHAT, text)

    async def taken(self) -> None:
        """Wait until Telegram has forgotten all updates: from now on only the bot knows them."""
        await self.fake.until(lambda scene: scene.waiting_updates == [] or None, 30)

    async def answered(self, asked: list[int], *, but: str = "") -> dict[int, list[str]]:
        """Wait until each message has a whole answer, and return the answers. Results, which come
        besides, and messages with the text `but` are left out."""

        def answers(scene: Scene) -> dict[int, list[str]]:
            found: dict[int, list[str]] = {one: [] for one in asked}
            for message in scene.by_bot(CHAT):
                if (
                    message.reply_to in found
                    and message.file is None
                    and message.text not in ("", but)
                ):
                    found[message.reply_to].append(message.text)
            return found

        def all_whole(scene: Scene) -> dict[int, list[str]] | None:
            found = answers(scene)
            return (
                found
                if all(texts and not texts[-1].endswith("…") for texts in found.values())
                else None
            )

        return await self.fake.until(all_whole, 90)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    with (
        running_telegram() as fake,
        running_stack(telegram=fake, without=frozenset({"web"})) as stack,
    ):
        fake.settings(paced=False)
        person = TelegramPerson(fake)
        await person.connected()
        account = Account(stack)
        await account.link(person)
        yield World(stack, fake, account)
        account.close()


async def test_twenty_of_twenty_are_answered_although_the_api_hung_and_the_bot_was_killed(
    world: World,
) -> None:
    paused = world.stack.pids["api"]
    os.killpg(paused, signal.SIGSTOP)
    pictures = [world.writes(f"/image fox {number}") for number in range(PICTURES)]
    questions = [world.writes(f"what is {number}?") for number in range(QUESTIONS)]
    await world.taken()
    await world.fake.message(CHAT, texts.still_waiting())
    world.stack.kill("telegram")
    os.killpg(paused, signal.SIGCONT)
    world.stack.start("telegram")
    answers = await world.answered([*pictures, *questions], but=texts.still_waiting())
    assert [len(answers[one]) for one in answers] == [1] * (PICTURES + QUESTIONS), answers
    await world.fake.until(
        lambda scene: len([one for one in scene.by_bot(CHAT) if one.file]) == PICTURES or None, 90
    )
    prompts = Counter(job["prompt"] for job in world.account.jobs())
    assert prompts == Counter(f"fox {number}" for number in range(PICTURES))
    await world.fake.until(
        lambda scene: not [one for one in scene.by_bot(CHAT) if "Cancel" in one.buttons] or None, 60
    )
    assert not list((world.stack.data_dir / "telegram").rglob("*.json")), (
        "nothing is left to answer"
    )


@pytest.mark.parametrize("victim", ["bot", "api"])
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_question_that_is_cut_in_the_middle_is_answered_all_the_same(
    world: World, victim: str, how: str
) -> None:
    """The chat shows the part that came, marked as such, or a new answer."""
    sandbox = Sandbox(world.stack.sandbox_url)
    sandbox.break_with(token=3600, first_token=0)
    asked = world.writes("what is a fox?")
    await world.fake.until(lambda scene: [one for one in scene.drafts if one.text] or None, 30)
    name = "telegram" if victim == "bot" else "api"
    if how == "stop":
        await asyncio.to_thread(world.stack.stop, name)
    else:
        world.stack.kill(name)
    sandbox.reset()
    world.stack.start(name)
    (answer,) = (await world.answered([asked], but=texts.still_waiting()))[asked]
    whole = "[The answer stops here." not in answer
    assert whole or texts.interrupted() in answer
    assert whole == (victim == "api" and how == "kill"), (
        "only what was killed with its answer is asked again"
    )
    me = world.account.get("/users/me")
    assert float(me["held_usd"]) == 0


async def test_messages_sent_while_the_product_is_down_are_answered_at_its_start(
    world: World,
) -> None:
    world.stack.kill("telegram")
    world.stack.kill("api")
    asked = [world.writes("/balance") for _ in range(WAITING)]
    world.stack.start("telegram")
    await world.fake.until(lambda scene: len(scene.calls_of("getMe")) > 1 or None, 30)
    assert len(world.fake.scene().waiting_updates) == WAITING
    world.stack.start("api")
    answers = await world.answered(asked)
    assert all(len(said) == 1 and said[0].startswith("You have") for said in answers.values()), (
        answers
    )


async def test_a_platform_that_brings_nothing_again_is_told_at_the_stop() -> None:
    with (
        running_discord() as fake,
        running_stack(discord=fake, without=frozenset({"web"})) as stack,
    ):
        person = DiscordPerson(fake)
        await person.connected()
        account = Account(stack)
        await account.link(person)
        Sandbox(stack.sandbox_url).break_with(token=3600, first_token=0)
        person.says("ask", "what is a fox?")
        growing = await person.sees(
            lambda seen: (
                seen[-1] if seen and seen[-1].text.endswith("…") and seen[-1].buttons else None
            )
        )
        await asyncio.to_thread(stack.stop, "discord")
        (last,) = [one for one in person.messages() if one.id == growing.id]
        account.close()
    assert texts.interrupted() in last.text
    assert last.text.startswith(growing.text.removesuffix("…").strip()[:5])
    assert last.buttons == ()
