"""A fake Discord over real HTTP and WebSocket: in a thread for tests, or `python -m
tests.fakes.discord --port N`."""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.fakes.discord_checks import REQUEST_BYTES
from tests.fakes.discord_control import Control
from tests.fakes.discord_driver import FakeDiscord, Scene, SeenMessage
from tests.fakes.discord_faults import Faults
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_rest import Rest
from tests.fakes.discord_world import APPLICATION_ID, GUILD_CHANNEL_ID, GUILD_ID, World
from tests.fakes.threads import loop_in_thread

__all__ = [
    "APPLICATION_ID",
    "GUILD_CHANNEL_ID",
    "GUILD_ID",
    "TOKEN",
    "FakeDiscord",
    "Scene",
    "SeenMessage",
    "running_discord",
]

TOKEN = "OTAwMDAwMDAwMDAwMDAwMDAx.fake.discord-token"


class Server:
    """The fake's parts, wired; serve with `start` and `stop` in one loop."""

    def __init__(self, token: str, *, ticking: bool = False) -> None:
        self.world = World(token, ticking=ticking)
        self.gateway = Gateway(self.world)
        faults = Faults(self.world, go_away=self._go_away)
        rest = Rest(self.world, self.gateway, faults)
        control = Control(self.world, self.gateway, rest, faults)
        app = web.Application(middlewares=[rest.edge], client_max_size=2 * REQUEST_BYTES)
        app.add_routes([*rest.routes(), *control.routes(), web.get("/gateway", self.gateway.serve)])
        app.add_routes([web.get("/cdn/attachments/{channel}/{file}/{name}", rest.download)])
        self.runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )

    def _go_away(self, seconds: float) -> None:
        async def away() -> None:
            await asyncio.sleep(0.05)  # the answer goes out
            port = self.runner.addresses[0][1]
            for site in list(self.runner.sites):
                await site.stop()
            assert self.runner.server is not None
            for connection in self.runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(seconds)
            await web.TCPSite(self.runner, "127.0.0.1", port).start()

        self._back = asyncio.create_task(away())

    async def start(self, port: int) -> str:
        """Listen on loopback; the base URL (port 0: a free one)."""
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", port)
        await site.start()
        self.world.base_url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self.world.base_url

    async def stop(self) -> None:
        await self.gateway.drop(1001)
        await self.runner.cleanup()


@contextmanager
def running_discord(
    token: str = TOKEN, port: int = 0, *, ticking: bool = False
) -> Iterator[FakeDiscord]:
    """`ticking`: see `World.now`."""
    with loop_in_thread("fake-discord") as call:
        server = Server(token, ticking=ticking)
        base_url = call(server.start(port))
        driver = FakeDiscord(base_url, token)
        try:
            yield driver
        finally:
            driver.close()
            call(server.stop())


async def _serve(port: int, token: str) -> None:
    server = Server(token, ticking=True)
    base_url = await server.start(port)
    print(
        f"fake Discord on {base_url}: DISCORD_API_URL={base_url}/api DISCORD_BOT_TOKEN={token}",
        flush=True,
    )
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fake Discord on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    given = parser.parse_args()
    try:
        asyncio.run(_serve(given.port, given.token))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
