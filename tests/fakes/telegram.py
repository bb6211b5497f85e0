"""A fake Telegram Bot API over real HTTP: in a thread for tests, or `python -m tests.fakes.telegram
--port N`."""

import argparse
import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.fakes.telegram_control import Control
from tests.fakes.telegram_driver import FakeTelegram, Scene, SeenMessage
from tests.fakes.telegram_faults import Faults
from tests.fakes.telegram_server import BotApiServer, make_app
from tests.fakes.telegram_webhook import bring
from tests.fakes.telegram_world import World
from tests.fakes.threads import loop_in_thread

__all__ = ["TOKEN", "FakeTelegram", "Scene", "SeenMessage", "running_telegram"]

TOKEN = "424242:AAFakeTelegramTokenForTestsOnly0123456789"


class Server:
    """The fake's parts, wired. The bot's port can be closed and opened again; the control port
    stays."""

    def __init__(self, token: str) -> None:
        self.world = World()
        faults = Faults()
        self.api = BotApiServer(token, self.world, faults)
        self._control = Control(self.world, faults, self.api, self._listen)
        self._runner: web.AppRunner | None = None
        self._control_runner: web.AppRunner | None = None
        self._port = 0
        self._bringing: asyncio.Task[None] | None = None
        self._kept: socket.socket | None = None
        self._back: asyncio.Task[None] | None = None
        self.api.go_away = self._go_away

    def _go_away(self, seconds: float) -> None:
        async def away() -> None:
            await asyncio.sleep(0)  # the answer goes out
            await self._listen(False)
            await asyncio.sleep(seconds)
            await self._listen(True)

        self._back = asyncio.create_task(away())

    async def start(self, port: int) -> tuple[str, str]:
        """Listen on loopback (port 0: a free one); the Bot API's root and the control root."""
        self._port = port
        await self._listen(True)
        self._bringing = asyncio.create_task(bring(self.world))
        self._control_runner, control_port = await _serve_app(
            make_app(None, self._control.routes()), 0
        )
        return f"http://127.0.0.1:{self._port}", f"http://127.0.0.1:{control_port}"

    async def stop(self) -> None:
        if self._bringing is not None:
            self._bringing.cancel()
            await asyncio.wait({self._bringing})
        await self._listen(False)
        self._let_go()
        if self._control_runner is not None:
            await self._control_runner.cleanup()

    async def _listen(self, wanted: bool) -> None:
        """While nobody listens the port is kept: another fake that got it from the kernel would
        answer in our place."""
        if wanted and self._runner is None:
            self._let_go()
            self._runner, self._port = await _serve_app(
                make_app(self.api, self._control.routes()), self._port
            )
        elif not wanted and self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
            self._kept = socket.socket()
            self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._kept.bind(("127.0.0.1", self._port))

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


async def _serve_app(app: web.Application, port: int) -> tuple[web.AppRunner, int]:
    # a bot that is killed must not leave a long poll behind that would fight with its successor's
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, int(runner.addresses[0][1])


@contextmanager
def running_telegram(token: str = TOKEN, port: int = 0) -> Iterator[FakeTelegram]:
    with loop_in_thread("fake-telegram") as call:
        server = Server(token)
        api_url, control_url = call(server.start(port))
        driver = FakeTelegram(api_url, token, control_url)
        try:
            yield driver
        finally:
            driver.close()
            call(server.stop())


async def _serve(port: int, token: str) -> None:
    server = Server(token)
    api_url, control_url = await server.start(port)
    print(
        f"fake Telegram: TELEGRAM_API_URL={api_url} TELEGRAM_BOT_TOKEN={token} "
        f"control={control_url}/_fake/",
        flush=True,
    )
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fake Telegram Bot API on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    given = parser.parse_args()
    try:
        asyncio.run(_serve(given.port, given.token))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
