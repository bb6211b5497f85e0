"""The main job with the real processes: real python-telegram-bot and discord.py, real HTTP and
WebSockets, the sandbox as provider."""

import asyncio
import io
import time
from collections.abc import AsyncIterator

import av
import pytest
from PIL import Image

from tests.e2e.people import Account, Person, Shown, containing, person_on
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(180)


class World:
    def __init__(self, stack: Stack, person: Person, account: Account) -> None:
        self.stack = stack
        self.person = person
        self.account = account

    async def card(self, command: str, prompt: str, *more: str) -> Shown:
        """Send the command and return the accepted card."""
        self.person.says(command, prompt)
        return await self.person.sees(
            lambda messages: next((one for one in messages if "Cancel" in one.buttons), None)
        )

    def provider_has_it(self) -> None:
        """Wait until the provider has the job: killed earlier, it is never submitted twice and ends
        as unknown."""
        sandbox = Sandbox(self.stack.sandbox_url)
        while not sandbox.calls("videos.status"):
            time.sleep(0.1)

    def results(self) -> list[Shown]:
        return [one for one in self.person.messages() if one.files]

    async def one_result(self, prompt: str, timeout: float = 60) -> Shown:
        """Return the pushed file, the only such message."""
        result = await self.person.sees(containing(prompt, files=1), timeout)
        assert len(self.results()) == 1
        return result

    async def closed_cards(self) -> None:
        await self.person.sees(
            lambda messages: (
                messages[-1] if not any("Cancel" in one.buttons for one in messages) else None
            )
        )


@pytest.fixture(params=["telegram", "discord"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    slow = {"SANDBOX_IMAGE_SECONDS": "0.5", "SANDBOX_VIDEO_SECONDS": "3"}
    with (
        person_on(request.param) as person,
        running_stack(**person.env(), extra_env=slow, without=frozenset({"web"})) as stack,
    ):
        await person.connected()
        account = Account(stack)
        person.says("image", "a fox in snow")
        await person.sees(containing("not linked"))
        await account.link(person)
        yield World(stack, person, account)
        account.close()


async def test_link_image_video_cancel_and_balance(world: World) -> None:
    card = await world.card("image", "a fox in snow")
    (job,) = world.account.jobs()
    assert job["short_id"] in card.text
    assert job["source"] == world.person.platform
    result = await world.one_result("a fox in snow")
    await world.closed_cards()
    assert result.files[0].startswith("image/")
    assert job["short_id"] in result.text
    Image.open(io.BytesIO(world.person.content(result))).verify()

    card = await world.card("video", "waves at night")
    world.person.press(card, "Cancel")
    await world.person.sees(containing("ancelled"))
    assert world.account.jobs()[0]["status"] == "cancelled"

    world.person.says("ask", "what is a fox?")
    await world.person.sees(
        lambda messages: next(
            (one for one in messages if "fox" in one.text.lower() and not one.files), None
        )
    )
    world.person.says("balance")
    await world.person.sees(containing("$"))
    world.person.says("jobs")
    await world.person.sees(containing(job["short_id"]))
    world.person.says("help")
    await world.person.sees(containing("/video"))


@pytest.mark.parametrize("victim", ["api", "bot"])
async def test_a_video_arrives_although_a_process_was_killed_in_the_middle(
    world: World, victim: str
) -> None:
    name = world.person.platform if victim == "bot" else "api"
    await world.card("video", "waves at night")
    world.provider_has_it()
    world.stack.kill(name)
    world.stack.start(name)
    result = await world.one_result("waves at night")
    await world.closed_cards()
    assert result.files == ("video/mp4",)
    with av.open(io.BytesIO(world.person.content(result))) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    (job,) = world.account.jobs()
    assert job["status"] == "completed"


async def test_a_result_made_while_the_bot_was_away_waits_for_it(world: World) -> None:
    await world.card("image", "a lighthouse")
    world.stack.kill(world.person.platform)
    job = world.account.jobs()[0]
    while world.account.get(f"/generations/{job['id']}")["status"] != "completed":  # noqa: ASYNC110  (a status rings no bell)
        await asyncio.sleep(0.1)
    assert world.results() == []
    world.stack.start(world.person.platform)
    # a bot that was killed before it could say which message is the card leaves that open; its
    # button still works
    await world.one_result("a lighthouse", timeout=90)
