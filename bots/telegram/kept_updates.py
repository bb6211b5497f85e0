"""Updates that are not answered yet, one file each.

Telegram forgets an update as soon as the next ones are asked for. An update that a stop, a kill or
a long outage has left is answered by the next start; its id is the key of everything that it asks
for. Telegram's offset alone could not do it: held at the oldest unfinished update, it lets at most
a hundred newer ones in, brings answered updates once more after a kill, and a webhook has none.
"""

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
"""Telegram itself keeps an update that it can't bring for a day."""
KILLS_MOST = 5
"""An update that was under way when the process died so often may well be the cause."""


@dataclass(slots=True)
class KeptUpdate:
    """`shown`: the messages of its answer in their order, each by its ids. `kills`: the number of
    times that the process died over it."""

    raw: dict[str, Any]
    path: Path | None
    at: float
    shown: list[list[str]] = field(default_factory=list)
    kills: int = 0

    @property
    def update_id(self) -> int:
        return int(self.raw["update_id"])

    def save(self) -> None:
        """Write the file. On a full disk the update is answered, only a kill would lose it."""
        if self.path is None:
            return
        body = {"update": self.raw, "at": self.at, "shown": self.shown, "kills": self.kills}
        new = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(new, "w", encoding="utf-8", opener=_private) as file:
                json.dump(body, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            log.error("update_not_kept", update_id=self.update_id, reason=str(error))  # noqa: TRY400 - the reason says it all

    def cut(self) -> None:
        """Keep the update for the next start. A stop that was asked for is no kill."""
        self.kills = -1
        self.save()

    def done(self) -> None:
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


class UpdateFiles:
    """The files of one bot; with `folder` None there are none."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    async def keep(self, raw: dict[str, Any]) -> KeptUpdate:
        """Write the update's file, so that a kill does not lose it."""
        path = None if self._folder is None else self._folder / f"{raw['update_id']}.json"
        kept = KeptUpdate(raw, path, self._clock())
        await asyncio.to_thread(kept.save)
        return kept

    def left(self) -> list[KeptUpdate]:
        """Updates that an earlier process did not finish, the oldest first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = filter(None, map(self._read, self._folder.glob("*.json")))
        return sorted(found, key=lambda kept: kept.update_id)

    def _read(self, path: Path) -> KeptUpdate | None:
        try:
            data = path.read_bytes()
        except OSError as error:  # the disk, not the update: the next start may be able to read it
            log.error("update_file_not_read", name=path.name, reason=str(error))  # noqa: TRY400 - the reason says it all
            return None
        try:
            body = json.loads(data)
            kept = KeptUpdate(body["update"], path, body["at"], body["shown"], body["kills"] + 1)
        except (ValueError, LookupError, TypeError):
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
