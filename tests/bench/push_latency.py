"""The speed of the main job: `python -m tests.bench.push_latency [telegram|discord] [--webhooks]`.

Prints the time from a command to its accepted card, and from the provider's completion of a video
to the file in the chat. Nothing here fails on a slow machine: the figures are for reading.
"""

import argparse
import asyncio
import statistics
import time

from tests.e2e.people import Account, Person, containing, person_on
from tests.sandbox_server import Sandbox
from tests.stack import Stack, running_stack

VIDEO_SECONDS = 4.0
ROUNDS = 5


async def measure(stack: Stack, person: Person, account: Account) -> tuple[float, float]:
    """Return the seconds from the command to the card, and from the provider's completion to the
    pushed file."""
    prompt = f"waves {time.monotonic_ns()}"
    asked = time.monotonic()
    person.says("video", prompt)
    await person.sees(containing("Making your video", prompt))
    card = time.monotonic() - asked
    sandbox = Sandbox(stack.sandbox_url)
    while not any(
        prompt in str(call["body"]) and call["status"] == 202
        for call in sandbox.calls("videos.submit")
    ):
        pass
    completed = time.monotonic() + VIDEO_SECONDS
    await person.sees(containing(prompt, files=1), timeout=60)
    return card, time.monotonic() - completed


async def main(platform: str, webhooks: bool) -> None:
    env = {"SANDBOX_VIDEO_SECONDS": str(VIDEO_SECONDS)}
    if webhooks:
        env["OPENROUTER_WEBHOOK_SECRET"] = "a webhook secret of the bench"
    with (
        person_on(platform) as person,
        running_stack(**person.env(), extra_env=env, without=frozenset({"web"})) as stack,
    ):
        if webhooks:
            stack.stop("api")
            stack.start("api", extra_env={"PUBLIC_API_URL": stack.api_url})
        await person.connected()
        account = Account(stack)
        person.says("help")
        await person.sees(containing("/video"))
        await account.link(person)
        figures = [await measure(stack, person, account) for _ in range(ROUNDS)]
        account.close()
    for name, values in (
        ("command to card", [card for card, _ in figures]),
        ("completion to file", [push for _, push in figures]),
    ):
        print(
            f"{platform}{' with webhooks' if webhooks else ''}: {name}: median "
            f"{statistics.median(values):.2f} s, worst {max(values):.2f} s"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("platform", choices=["telegram", "discord"], nargs="?", default="telegram")
    parser.add_argument("--webhooks", action="store_true")
    given = parser.parse_args()
    asyncio.run(main(given.platform, given.webhooks))
