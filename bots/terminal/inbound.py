"""Typed lines as `Inbound`."""

import asyncio
import getpass
import mimetypes
import os
import re
import secrets
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bots.core.language import chosen
from bots.core.types import Address, Attachment, Inbound, Sender
from bots.terminal.chat import Choice, TerminalChat
from client.bot import Who

PLATFORM = "terminal"
_FILE = re.compile(r'(?:^|(?<=\s))@(?:"([^"]+)"|(\S+))')


@dataclass(frozen=True, slots=True)
class TerminalUser:
    """The user of the terminal, whom the system knows. The chat is theirs, so it has the same
    name."""

    name: str = field(default_factory=getpass.getuser)
    _session: str = field(default_factory=lambda: secrets.token_hex(4))
    _updates: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def address(self) -> Address:
        return Address(PLATFORM, self.name)

    @property
    def who(self) -> Who:
        return Who(self.name, self.name, self.name, f"{PLATFORM}:{self._session}")

    def says(self, line: str, chat: TerminalChat) -> Inbound | None:
        """The inbound of a line, None for an empty one. A number presses the button that has it,
        `/command text` is a command, anything else a question, or the text that was asked for."""
        line = line.strip()
        ask = chat.take_ask()
        if ask is not None and not line.startswith("/") and (line or ask.default):
            return self._inbound(ask.action, f"{ask.value} {line or ask.default}".strip())
        if not line:
            return None
        choice = _pressed(line, chat)
        if choice is not None:
            button = choice.button
            return self._inbound(button.action, button.value, pressed=choice.message_id)
        name, text, plain = "ask", line, True
        if line.startswith("/"):
            name, _, text = line[1:].partition(" ")
            plain = False
        attached = _attached(text)
        for path in attached:
            text = text.replace(f'@"{path}"', "").replace(f"@{path}", "")
        files = tuple(_attachment(Path(path).expanduser()) for path in attached)
        return self._inbound(name, text.strip(), files, plain=plain)

    def _inbound(
        self,
        name: str,
        text: str,
        attachments: tuple[Attachment, ...] = (),
        pressed: str | None = None,
        *,
        plain: bool = False,
    ) -> Inbound:
        return Inbound(
            address=self.address,
            sender=Sender(self.name, self.name, heard()),
            update_id=f"{self._session}-{next(self._updates)}",
            command=name,
            text=text,
            attachments=attachments,
            pressed=pressed,
            plain=plain,
        )


def heard() -> str:
    """The language of this system, as programs are told it."""
    told = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return chosen(next(filter(None, told), None))


def _pressed(line: str, chat: TerminalChat) -> Choice | None:
    number = line.removeprefix("/press ").strip()
    return chat.choices.get(int(number)) if re.fullmatch("[0-9]{1,6}", number) else None


def _attached(text: str) -> list[str]:
    """Paths of existing files, written as `@path`; any other `@word` is prose."""
    named = [quoted or plain for quoted, plain in _FILE.findall(text)]
    return [path for path in named if Path(path).expanduser().is_file()]


def _attachment(path: Path) -> Attachment:
    async def read() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Attachment(path.name, kind, path.stat().st_size, read)
