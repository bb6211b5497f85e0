"""The terminal as a chat: messages are lines on the screen, buttons are numbers, files are saved to
a folder."""

import asyncio
import secrets
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from bots.core import texts
from bots.core.texts import WRITING
from bots.core.types import Address, Ask, Button, Doing, Limits, Reply, ReplyFile, ShownMessages

HOLD_SECONDS = 20.0
"""Time that a push waits for the end of an answer that is being written."""
LIMITS = Limits(
    text=100_000,
    caption=100_000,
    photo_bytes=1 << 29,
    upload_bytes=1 << 29,
    edit_seconds=0.05,
    picture="path",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A button on the screen, with its message."""

    message_id: str
    button: Button


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """The message that is being written, with its text on the screen."""

    message_id: str
    text: str


@dataclass(slots=True)
class TerminalChat:
    """`files` is the folder for files. `waiting`: the generations whose card is still open, by the
    card's message id. `asked`: the text that the next line is to be. `idle` is set while no message
    is being written."""

    console: Console
    files: Path
    choices: dict[int, Choice] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    asked: Ask | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _session: str = field(default_factory=lambda: secrets.token_hex(4))
    _messages: int = 0
    _numbers: int = 0
    _growing: OpenMessage | None = None
    _live: Live | None = None

    async def limits_for(self, to: Address) -> Limits:
        return LIMITS

    async def show(
        self, to: Address, reply: Reply, replacing: ShownMessages | None = None
    ) -> ShownMessages:
        """Write a reply. Lines on the screen can't be edited: a growing text goes on where it
        ended, anything else is a new line."""
        if reply.idle and replacing is not None:
            return replacing
        message_id = replacing.message_ids[-1] if replacing is not None else self._next_id()
        if self._growing is not None and self._growing.message_id != message_id:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.idle.wait(), HOLD_SECONDS)
        choices = self.choices.items()
        self.choices = {number: one for number, one in choices if one.message_id != message_id}
        if reply.gone:
            reply = Reply("" if reply.quiet else texts.removed())
        paths = [await asyncio.to_thread(self._save, file) for file in reply.files]
        if reply.text or reply.files:
            self._write(message_id, reply)
        for path in paths:
            saved = Text(f"  {texts.saved()} ").append(f"{path}", f"bold link {path.as_uri()}")
            self.console.print(saved, soft_wrap=True)
        self._offer(message_id, reply)
        self._follow(message_id, reply)
        return ShownMessages((message_id,))

    async def busy(self, to: Address, doing: Doing = "writing") -> None:
        """Nothing: a terminal that waits says enough."""

    def end_line(self) -> None:
        """End the message that is being written: the next one has a line of its own."""
        if self._live is not None:
            self._live.stop()
            if self._growing is not None:
                self.console.print(_shown(self._growing.text, markdown=True))
        elif self._growing is not None:
            self.console.print()
        self._live = None
        self._keep(None)

    def take_ask(self) -> Ask | None:
        """The wanted text, once."""
        ask, self.asked = self.asked, None
        return ask

    def forget(self, generation_id: str) -> None:
        """Forget a generation whose result will not arrive."""
        self.waiting = {
            message: one for message, one in self.waiting.items() if one != generation_id
        }

    def _write(self, message_id: str, reply: Reply) -> None:
        text = printable(reply.text.removesuffix(WRITING) if reply.preview else reply.text)
        if self.console.is_terminal and (reply.preview or self._live is not None or reply.markdown):
            self._write_live(message_id, text, reply)
            return
        before = self._growing
        if before is not None and before.message_id == message_id and text.startswith(before.text):
            new = text[len(before.text) :]
        else:
            self.end_line()
            new = text
        # only a whole text can be wrapped at its words; what programs read is not wrapped at all
        is_part = reply.preview or new != text or not self.console.is_terminal
        written, end = Text(new, "dim" if reply.quiet else ""), "" if reply.preview else "\n"
        self.console.print(written, end=end, soft_wrap=is_part)
        self.console.file.flush()
        self._keep(OpenMessage(message_id, text) if reply.preview else None)

    def _write_live(self, message_id: str, text: str, reply: Reply) -> None:
        """Draw a growing text again and again below the finished lines, and print it for good when
        it is whole."""
        if not reply.preview:
            if self._live is not None:
                self._live.stop()
                self._live = None
            self.console.print(_shown(text, markdown=reply.markdown))
            self._keep(None)
            return
        if self._live is None:
            self.end_line()
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._keep(OpenMessage(message_id, text))
        self._live.update(_Tail(text), refresh=True)

    def _keep(self, growing: OpenMessage | None) -> None:
        self._growing = growing
        if growing is None:
            self.idle.set()
        else:
            self.idle.clear()

    def _offer(self, message_id: str, reply: Reply) -> None:
        self.asked = reply.ask or self.asked
        if reply.ask is not None:
            words = texts.write_next(printable(reply.ask.default))
            self.console.print(Text(words, "dim"), soft_wrap=True)
        if reply.preview:
            return  # Ctrl-C stops what is being written
        for place, row in enumerate(reply.buttons, start=1):
            offered = Text("  ")
            for button in row:
                self._numbers += 1
                self.choices[self._numbers] = Choice(message_id, button)
                style = "red" if button.style == "danger" else "bold"
                offered.append(f"[{self._numbers}] {button.label}", style).append("   ")
            if place == len(reply.buttons):
                offered.append(texts.choose(), "dim")
            self.console.print(offered, soft_wrap=True)

    def _follow(self, message_id: str, reply: Reply) -> None:
        if reply.card is not None:
            self.waiting[message_id] = reply.card
        elif self.waiting.pop(message_id, None) is not None:
            self.settled.set()

    def _save(self, file: ReplyFile) -> Path:
        """Save a file under its own name: the same result may arrive twice."""
        self.files.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.files.resolve() / Path(file.name).name
        path.write_bytes(file.data)
        return path

    def _next_id(self) -> str:
        self._messages += 1
        return f"{self._session}-{self._messages}"


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of a growing Markdown text, as far as the screen has room."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(
            _shown(self.text, markdown=True), options.update(height=None), pad=False
        )
        for line in lines[-max(1, options.max_height - 2) :]:
            yield from line
            yield Segment.line()


def _shown(text: str, *, markdown: bool) -> Markdown | Text:
    return Markdown(text) if markdown else Text(text)


def printable(text: str) -> str:
    """The text without control characters: a model's words must not steer the terminal."""
    return "".join(
        letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc"
    )
