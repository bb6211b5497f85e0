"""Lines from a person at a prompt, or from a pipe."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.patch_stdout import patch_stdout

from bots.core.commands import COMMANDS, Command, resolve
from bots.terminal.inbound import heard

PROMPT = HTML("<ansicyan><b>› </b></ansicyan>")
PLACEHOLDER = HTML("<ansibrightblack>Ask something, or /image a fox in snow</ansibrightblack>")


_FILES = PathCompleter(expanduser=True)


class CommandCompleter(Completer):
    """Completion of commands at the start of a line, of options behind `--`, of their usual values,
    and of files behind `@`."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        before = document.text_before_cursor
        last = before.rpartition(" ")[2]
        if last.startswith("@"):
            yield from _FILES.get_completions(Document(last[1:]), complete_event)
            return
        name, space, _ = before.partition(" ")
        if not name.startswith("/"):
            return
        if not space:
            for command in COMMANDS:
                if f"/{command.name}".startswith(name):
                    yield Completion(
                        f"/{command.name}", -len(name), display_meta=command.described(heard())
                    )
            return
        yield from _in_options(before, resolve(name[1:]))


def _in_options(before: str, command: Command | None) -> Iterable[Completion]:
    words = before.split(" ")
    for option in command.options if command is not None else ():
        flag = f"--{option.flags[0]}"
        if words[-1].startswith("--") and flag.startswith(words[-1]):
            yield Completion(flag, -len(words[-1]), display_meta=option.described(heard()))
        if words[-2].removeprefix("--") in option.flags and words[-2].startswith("--"):
            for choice in option.choices:
                if choice.startswith(words[-1]):
                    yield Completion(choice, -len(words[-1]))


async def typed() -> AsyncGenerator[str, None]:
    """A person's lines, until Ctrl-D. Messages that arrive meanwhile are printed above the line
    that is being written."""
    session: PromptSession[str] = PromptSession(
        completer=CommandCompleter(), complete_while_typing=True
    )
    while True:
        try:
            with patch_stdout(raw=True):
                line = await session.prompt_async(PROMPT, placeholder=PLACEHOLDER)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield line


async def piped(source: TextIO) -> AsyncGenerator[str, None]:
    """The lines of a pipe or file. They are read in a thread that never holds up the end of the
    process."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        try:
            for line in source:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)
        except RuntimeError:
            return  # the loop has ended: nobody reads any more

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
