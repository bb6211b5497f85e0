"""Named places at which tests end the process, as a power cut would. The variable `FAULT_POINT`
names a file that holds the name; without it nothing happens."""

import os
import signal
from pathlib import Path
from typing import Literal

VARIABLE = "FAULT_POINT"
FaultPoint = Literal[
    "accepted",
    "submitting",
    "answered",
    "kept",
    "finished",
    "cancelled",
    "hooked",
    "erased",
    "migrating",
    "opened",
    "ending",
    "ended",
]
"""After the commit that accepts a generation; after the commit before the paid call; after its
answer; after the file is stored; after the commit that ends the generation; after the commit that
cancels it; after a webhook is written down, before it wakes its generation; after the commit that
deletes a generation, before its files go; after the statements of a migration, before its commit;
after the commit that holds the money of answers; after the statements that end answers, before
their commit; after it."""


def fault_point(name: FaultPoint) -> None:
    armed = os.environ.get(VARIABLE)
    if armed and Path(armed).read_text() == name:
        os.kill(os.getpid(), signal.SIGKILL)
