"""Named places where a test lets the process die, as if the power went: `FAULT_POINT=name` in the environment. Without it, nothing."""

import os
import signal
from typing import Literal

VARIABLE = "FAULT_POINT"
FaultPoint = Literal["accepted", "submitting", "answered", "kept", "finished"]
"""After the commit that accepts a job; after the commit before the paid call; after its answer; after the file is stored; after the commit
that ends the job."""


def fault_point(name: FaultPoint) -> None:
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
