"""The place of a bot process among those of its machine that share a data folder.

The lock on its file ends with the process, however that ends. So the next one knows for certain
which processes are dead, and does not have to wait until they are missed. A copy of the folder, or
the same disk at another machine, knows nothing of the kind: the lock there is another one.
"""

import fcntl
import os
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import structlog

log = structlog.get_logger()

SLOTS = 32
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessSlot:
    """`id` is new with each start, `label` tells an operator where the process runs. `replaces`:
    the ids of processes of this machine that were dead at the start."""

    id: str = field(default_factory=lambda: uuid4().hex)
    label: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}"[-120:])
    number: int = 0
    folder: Path | None = None
    replaces: tuple[str, ...] = ()

    def free(self) -> Generator[int, None, None]:
        """The numbers of slots that no process has. Each stays locked until the next one is asked
        for, so that no process that starts meanwhile takes it."""
        if self.folder is None:
            return
        for each in range(SLOTS):
            try:
                file = os.open(_path(self.folder, each), os.O_RDWR)
            except OSError:
                continue
            try:
                if _locked(file):  # the own one is not: the lock is that of another open file
                    yield each
            finally:
                os.close(file)


def take_slot(folder: Path) -> ProcessSlot:
    """Take the first free slot, until this process ends. A folder that cannot be written has none:
    then its dead are missed after a while."""
    own, number = uuid4().hex, -1
    replaces: list[str] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in range(SLOTS):
            path = _path(folder, each)
            if number >= 0 and not path.exists():
                continue
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _locked(file):
                os.close(file)
                continue
            before, _, place = os.read(file, 300).decode("ascii", "replace").partition(" ")
            if before.isalnum() and place == place_of(file):
                replaces.append(before)
            if number < 0:  # this file stays open: the lock is the process's sign of life
                number = each
                os.ftruncate(file, 0)
                os.pwrite(file, f"{own} {place_of(file)}".encode(), 0)
            else:
                os.close(file)
    except OSError as error:
        log.info("no_process_slot", folder=str(folder), reason=str(error))
    kept_in = folder if number >= 0 else None
    return ProcessSlot(id=own, number=max(0, number), folder=kept_in, replaces=tuple(replaces))


def place_of(file: int) -> str:
    """A name of the open file that no copy of it has, nor the same one after the next boot."""
    try:
        boot = BOOT.read_text("ascii").strip()
    except OSError:  # no Linux
        boot = ""
    stat = os.fstat(file)
    return f"{boot}/{stat.st_dev}/{stat.st_ino}"


def _path(folder: Path, number: int) -> Path:
    return folder / f"process-{number}"


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
