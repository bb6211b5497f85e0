"""Updates that are not answered yet: at the api, and in a file each while the api is away.

Telegram forgets an update as soon as the next ones are asked for. An update that a stop, a kill or
a long outage has left is answered by the next start, or by another process; its id is the key of
everything that it asks for. Telegram's offset alone could not do it: held at the oldest unfinished
update, it lets at most a hundred newer ones in, brings answered updates once more after a kill, and
a webhook has none.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bots.core.updates_at_api import UpdatesAtApi

log = structlog.get_logger()

KEPT_SECONDS = 86_400.0
"""Telegram itself keeps an update that it can't bring for a day."""
KILLS_MOST = 5
"""An update that was under way when the process died so often may well be the cause."""


@dataclass(slots=True)
class KeptUpdate:
    """`shown`: the messages of its answer in their order, each by its ids. `kills`: the number of
    times that a process died over it. `path` is its file, `api` where it is kept or was seen."""

    raw: dict[str, Any]
    path: Path | None
    at: float
    shown: list[list[str]] = field(default_factory=list)
    kills: int = 0
    api: UpdatesAtApi | None = None

    @property
    def update_id(self) -> int:
        return int(self.raw["update_id"])

    async def note(self, shown: list[list[str]]) -> None:
        """Keep the messages of its answer, in which the next process goes on."""
        self.shown = shown
        if self.path is not None:
            self.save()
        elif self.api is not None:
            self.api.note(self.update_id, shown)

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

    async def done(self) -> None:
        self.forget_file()
        if self.api is not None:
            await self.api.done(self.update_id)

    def forget_file(self) -> None:
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


class KeptUpdates:
    """The unanswered updates of one bot in this process. `folder` is for their files, None for
    none; `left` gives the folders of processes of this machine that are gone, each for as long as
    it is the one given last."""

    def __init__(
        self,
        folder: Path | None,
        clock: Callable[[], float] = time.time,
        *,
        api: UpdatesAtApi | None = None,
        left: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._api = api
        self._left = left

    async def keep(self, raws: Sequence[dict[str, Any]]) -> list[KeptUpdate]:
        """Keep the updates, so that a kill does not lose them, and return those that this process
        shall answer: another one may have some already."""
        if self._api is None:
            return [await self._in_file(raw) for raw in raws]
        mine, not_kept = await self._api.keep(raws)
        kept = []
        for raw in raws:
            if raw["update_id"] in not_kept:
                kept.append(await self._in_file(raw))
            elif raw["update_id"] in mine:
                kept.append(KeptUpdate(raw, None, self._clock(), api=self._api))
        return kept

    async def orphans(self) -> list[KeptUpdate]:
        """Updates at the api that processes left that are gone, and those of this process, the
        oldest first. Raises `ApiError`."""
        if self._api is None:
            return []
        kept = []
        for one in await self._api.claim():
            at = self._clock() - one.age
            each = KeptUpdate(json.loads(one.raw), None, at, one.shown, one.kills, self._api)
            if self._given_up(each):
                await each.done()
            else:
                kept.append(each)
        return kept

    async def left(self) -> list[KeptUpdate]:
        """Updates in files that an earlier process did not finish, the oldest first, without those
        that another process has or had."""
        if self._folder is None:
            return []
        self._take_over(self._folder)
        return await self._read_all(self._folder.glob("*.json"))

    async def inherited(self) -> list[KeptUpdate]:
        """Those of `left` that were in files of processes that are gone. The own files are of
        updates that are being answered."""
        return [] if self._folder is None else await self._read_all(self._take_over(self._folder))

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()

    async def _in_file(self, raw: dict[str, Any]) -> KeptUpdate:
        """Write the update's file."""
        path = None if self._folder is None else self._folder / f"{raw['update_id']}.json"
        kept = KeptUpdate(raw, path, self._clock(), api=self._api)
        await asyncio.to_thread(kept.save)
        return kept

    async def _read_all(self, paths: Iterable[Path]) -> list[KeptUpdate]:
        found = list(filter(None, map(self._read, paths)))
        found.sort(key=lambda kept: kept.update_id)
        return found if self._api is None else await self._asked(found, self._api)

    async def _asked(self, found: list[KeptUpdate], api: UpdatesAtApi) -> list[KeptUpdate]:
        """The updates that this process shall answer: the api keeps them from now on. While it is
        away, all of them."""
        mine, not_kept = await api.keep([one.raw for one in found])
        for one in found:
            if one.update_id in mine and one.shown:
                await api.shown(one.update_id, one.shown)
            if one.update_id not in not_kept:
                one.forget_file()
                one.path = None
        return [one for one in found if one.update_id in mine | not_kept]

    def _take_over(self, own: Path) -> list[Path]:
        """Move the files of processes that are gone into the folder `own`, except those of updates
        that have one there, and return their new places."""
        moved = []
        for path in (path for folder in self._left() for path in folder.glob("*.json")):
            target = own / path.name
            try:
                own.mkdir(mode=0o700, parents=True, exist_ok=True)
                if target.exists():
                    path.unlink()
                else:
                    moved.append(path.replace(target))
            except OSError as error:
                log.error("update_file_not_moved", name=path.name, reason=str(error))  # noqa: TRY400 - the reason says it all
        return moved

    def _read(self, path: Path) -> KeptUpdate | None:
        try:
            data = path.read_bytes()
        except OSError as error:  # the disk, not the update: the next start may be able to read it
            log.error("update_file_not_read", name=path.name, reason=str(error))  # noqa: TRY400 - the reason says it all
            return None
        try:
            body = json.loads(data)
            kept = KeptUpdate(body["update"], path, body["at"], body["shown"], body["kills"] + 1)
            kept.api = self._api
        except (ValueError, LookupError, TypeError):
            log.warning("kept_update_unreadable", name=path.name)
            path.unlink(missing_ok=True)
            return None
        if self._given_up(kept):
            kept.forget_file()
            return None
        kept.save()
        return kept

    def _given_up(self, kept: KeptUpdate) -> bool:
        given_up = kept.kills > KILLS_MOST or kept.at < self._clock() - KEPT_SECONDS
        if given_up:
            log.error("update_given_up", update_id=kept.update_id, kills=kept.kills)
        return given_up


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
