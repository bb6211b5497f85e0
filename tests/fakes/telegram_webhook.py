"""Brings updates to a webhook, one after another, until each was taken."""

import asyncio

import aiohttp
from yarl import URL

from tests.fakes.telegram_world import World

AGAIN_SECONDS = 0.05


async def bring(world: World) -> None:
    """Runs for ever. The proxy that a webhook's public address stands for is `World.webhook_to`."""
    async with aiohttp.ClientSession() as http:
        while True:
            if not (world.webhook and world.webhook_to and world.updates):
                await world.changed.wait()
                continue
            update = world.updates[0]
            url = URL(world.webhook_to).with_path(URL(world.webhook).path)
            try:
                async with http.post(
                    url,
                    json=update,
                    headers={"X-Telegram-Bot-Api-Secret-Token": world.webhook_secret},
                ) as answer:
                    taken = answer.ok
            except aiohttp.ClientError:
                taken = False
            if not taken:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            world.updates = [one for one in world.updates if one is not update]
            world.touch()
