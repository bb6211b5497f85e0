"""A bot's process with short leases, and its log."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.secrets import ensure_secrets
from tests.bots.core.recording_chat import Place
from tests.bots.telegram.test_process import ROOT


class BotProcess:
    """A process of the bot; `log` are its lines so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self._more = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.log.append(line.decode())
            told, self._more = self._more, asyncio.Event()
            told.set()

    async def says(self, word: str, seconds: float = 30) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self.said(word):
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"no {word!r} in:\n{''.join(self.log)}") from None

    def said(self, word: str) -> bool:
        return any(word in line for line in self.log)

    async def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), 20)

    async def ended(self, seconds: float = 30) -> int:
        """Return how it ended by itself."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"it goes on:\n{''.join(self.log)}") from None

    async def stop(self) -> None:
        """End it, so that it gives its leases back: a killed one would have them for a part of the
        next test."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            try:
                await self.end(signal.SIGTERM)
            except TimeoutError:
                self.process.kill()
        await self.reading
        await self.process.wait()


@asynccontextmanager
async def bot_process(
    platform: str, place: Place, folder: Path, settings: dict[str, str]
) -> AsyncIterator[BotProcess]:
    """Run the bot of a platform, with an api that it reaches, and its own settings."""
    env = {
        "PATH": os.environ["PATH"],
        "API_URL": place.url,
        "BOT_KEY": ensure_secrets(place.api.data_dir).bot_keys[platform],
        "DATA_DIR": str(folder),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.bots.{platform}.with_short_leases",
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    bot = BotProcess(process)
    try:
        yield bot
    finally:
        await bot.stop()
