"""Updates that are not answered yet, a file each: Telegram forgets an update as soon as the next
ones are asked for, so it is kept here first. What a stop, a kill or a long outage has left is
answered by the next start; the update's id is the key of all that it asks for.

Telegram's offset alone could not do it: held at the oldest unfinished update, it lets at most a
hundred newer ones in, brings what is answered already once more after a kill, and a webhook has
none."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

KEPT_SECONDS = 86_400.0
"""Telegram itself keeps what it can't bring for a day."""
KILLS_MOST = 5
"""An update that was under way when the process died so often may well be the cause."""


@dataclass(slots=True)
class Kept:
    """`shown`: the messages that its answer became, each by its ids, in the order in which they
    came. `kills`: how often the process died over it."""

    raw: dict[str, Any]
    path: Path | None
    at: float
    shown: list[list[str]] = field(default_factory=list)
    kills: int = 0

    @property
    def update_id(self) -> int:
        return int(self.raw["update_id"])

    def save(self) -> None:
        """A full disk costs only that a kill loses it."""
        if self.path is None:
            return
        body = {"update": self.raw, "at": self.at, "shown": self.shown, "kills": self.kills}
        new = self.path.with_suffix(".new")
        try:
            with open(new, "w", encoding="utf-8", opener=_private) as file:
                json.dump(body, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            log.error("update_not_kept", update_id=self.update_id, reason=str(error))  # noqa: TRY400 - the reason says it all

    def cut(self) -> None:
        """A stop that was asked for says nothing against it."""
        self.kills = -1
        self.save()

    def done(self) -> None:
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


class Unfinished:
    """`folder` None: nothing is kept."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    async def keep(self, raw: dict[str, Any]) -> Kept:
        """Returns when it would survive a kill."""
        path = None if self._folder is None else self._folder / f"{raw['update_id']}.json"
        kept = Kept(raw, path, self._clock())
        await asyncio.to_thread(self._save, kept)
        return kept

    def left(self) -> list[Kept]:
        """What an earlier process did not finish, the oldest first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = [
            kept for path in self._folder.glob("*.json") if (kept := self._read(path)) is not None
        ]
        return sorted(found, key=lambda kept: kept.update_id)

    def _save(self, kept: Kept) -> None:
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.save()

    def _read(self, path: Path) -> Kept | None:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            kept = Kept(body["update"], path, body["at"], body["shown"], body["kills"] + 1)
        except (OSError, ValueError, LookupError, TypeError):
            log.warning("kept_update_unreadable", name=path.name)
            path.unlink(missing_ok=True)
            return None
        if kept.kills > KILLS_MOST or kept.at < self._clock() - KEPT_SECONDS:
            log.error("update_given_up", update_id=kept.update_id, kills=kept.kills)
            kept.done()
            return None
        kept.save()
        return kept


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
