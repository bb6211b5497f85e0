"""kill -9 of a bot while it shows a result: the next process of its machine shows it at once."""

import time

import pytest

from tests.e2e.people import Account, TelegramPerson, containing
from tests.fakes.telegram import running_telegram
from tests.fakes.telegram_driver import Scene
from tests.stack import running_stack

pytestmark = pytest.mark.timeout(180)

LEASE = 60.0


def sending(scene: Scene) -> bool | None:
    return any(call.method == "sendPhoto" for call in scene.calls) or None


async def test_a_result_that_a_killed_bot_was_showing_does_not_wait_for_its_lease() -> None:
    env = {"SANDBOX_IMAGE_SECONDS": "0.1"}
    with (
        running_telegram() as fake,
        running_stack(telegram=fake, extra_env=env, without=frozenset({"web"})) as stack,
    ):
        person = TelegramPerson(fake)
        await person.connected()
        account = Account(stack)
        await account.link(person)
        fake.fault("sendPhoto", "hang_before", seconds=LEASE)
        person.says("image", "a fox")
        await fake.until(sending, 60)
        stack.kill("telegram")
        killed = time.monotonic()
        stack.start("telegram")
        shown = await person.sees(containing("a fox", files=1), timeout=LEASE * 2)
        waited = time.monotonic() - killed
        print(f"from the kill to the result: {waited:.1f} s")
        assert waited < LEASE / 2, "it waited for the end of the lease"
        account.close()
    assert shown.files
