"""The terminal chat: reads lines, answers them, shows results."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from rich.console import Console

from bots.core import texts
from bots.core.dispatch import answer
from bots.core.language import speaking
from bots.core.process import before_stop, open_api, serve, stop_on_signals
from bots.settings import BotSettings
from bots.terminal.chat import TerminalChat
from bots.terminal.inbound import PLATFORM, TerminalUser, heard
from bots.terminal.input_lines import piped, typed
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.patience import NONE, Patience
from client.person import UserApi
from client.schemas.links import BotProfileIn
from telemetry import logs

FOLDER = "terminal"
RESULTS_SECONDS = 900.0
"""Time that a script's results are waited for after its last line."""
LOOK_SECONDS = 2.0
QUIT = {"/quit", "/exit"}


def main(settings: BotSettings) -> None:
    """Chat until the input ends. Raises `SystemExit` when results that were waited for did not
    arrive."""
    folder = settings.data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "chat.log").open("a", encoding="utf-8") as stream:
        logs.configure(PLATFORM, stream=stream)
        if not asyncio.run(_run(settings, folder)):
            raise SystemExit(1)


async def _run(settings: BotSettings, folder: Path) -> bool:
    stop = stop_on_signals()
    somebody = sys.stdin.isatty() and sys.stdout.isatty()
    chat = TerminalChat(Console(highlight=False, markup=False, emoji=False), folder)
    # whoever sits there is told at once that nothing runs
    async with open_api(settings, Patience(held=0.0)) as api:
        talk = Talk(chat, api, stop)
        pumping = asyncio.create_task(serve(chat, api, BotProfileIn(name=PLATFORM), stop))
        try:
            if somebody:
                with speaking(heard()):
                    chat.console.print(texts.welcome())
                await talk.say("/start")
                await talk.listen(typed())
                return True
            await talk.listen(piped(sys.stdin))
            return await talk.results(RESULTS_SECONDS)
        finally:
            stop.set()
            await pumping


class Talk:
    """One person's conversation, line by line, until the input ends or `stop` is set."""

    def __init__(self, chat: TerminalChat, api: BotApi, stop: asyncio.Event) -> None:
        self._chat = chat
        self._api = api
        self._stop = stop
        self._person = TerminalUser()

    async def listen(self, lines: AsyncGenerator[str, None]) -> None:
        async with aclosing(lines):
            while (line := await before_stop(self._stop, anext(lines, None))) is not None:
                if line.strip() in QUIT:
                    return
                await self.say(line)

    async def say(self, line: str) -> None:
        """Answer the line. Ctrl-C ends the answer, not the chat."""
        inbound = self._person.says(line, self._chat)
        if inbound is None:
            return
        answering = asyncio.create_task(answer(self._chat, self._api, inbound))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, answering.cancel)
        try:
            await before_stop(self._stop, answering)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is None or me.cancelling():
                raise
        finally:
            loop.add_signal_handler(signal.SIGINT, self._stop.set)
            self._chat.end_line()

    async def results(self, seconds: float) -> bool:
        """Wait for all results; False when that takes longer than `seconds`."""
        until = time.monotonic() + seconds
        while self._chat.waiting and not self._stop.is_set():
            if time.monotonic() > until:
                with speaking(heard()):
                    said = texts.not_finished(sorted(self._chat.waiting.values()))
                self._chat.console.print(said)
                return False
            self._chat.settled.clear()
            settled = before_stop(self._stop, self._chat.settled.wait())
            with suppress(TimeoutError):
                await asyncio.wait_for(settled, LOOK_SECONDS)
                continue
            await self._forget_cancelled()
        return not self._chat.waiting

    async def _forget_cancelled(self) -> None:
        """Forget cancelled jobs, which send nothing."""
        user = UserApi(self._api, self._person.who, NONE)
        for generation_id in set(self._chat.waiting.values()):
            with suppress(ApiError):
                if (await user.send(calls.generation(generation_id))).status == "cancelled":
                    self._chat.forget(generation_id)
