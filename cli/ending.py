"""The end of a process that may have used a store of files, with the exit code that it is due."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

STORE = "obstore"
"""The library of the stores. Its threads outlive the work, and may abort an interpreter that is
being closed, with 134 as the exit code."""


def run_to_end(main: Callable[[], object]) -> NoReturn:
    """Run `main`, which returns its exit code or raises SystemExit with it, and end the process.
    The interpreter is closed only where no store was used."""
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    if STORE not in sys.modules:
        sys.exit(code)  # type: ignore[arg-type]
    if isinstance(code, str):
        print(code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
