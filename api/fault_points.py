"""Named places where a test lets the process die, as if the power went: at the one that the file
`FAULT_POINT` names in the environment. Without it, nothing."""

import os
import signal
from pathlib import Path
from typing import Literal

VARIABLE = "FAULT_POINT"
FaultPoint = Literal[
    "accepted", "submitting", "answered", "kept", "finished", "cancelled", "hooked"
]
"""After the commit that accepts a job; after the commit before the paid call; after its answer;
after the file is stored; after the commit that ends the job; after the commit that cancels it;
after a webhook is written down, before it wakes its job."""


def fault_point(name: FaultPoint) -> None:
    armed = os.environ.get(VARIABLE)
    if armed and Path(armed).read_text() == name:
        os.kill(os.getpid(), signal.SIGKILL)
