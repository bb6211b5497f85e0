"""`python -m cli.process NAME`: one process of the product, in this interpreter."""

import argparse
import ctypes
import gc
import os
import pkgutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api.start_errors import CannotStart
from api.version import VERSION
from cli.ending import run_to_end
from cli.settings import (
    EXIT_BAD_SETTING,
    EXIT_TRY_AGAIN,
    BadSetting,
    LaunchSettings,
    check_names,
    load,
    secrets_of,
)
from telemetry import ending
from telemetry import start as telemetry
from telemetry.settings import TelemetrySettings

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Process:
    """Names of its settings class and its `main(settings)`, so that each process imports only its
    own code."""

    settings: str
    main: str


PROCESSES = {
    "sandbox": Process("sandbox.settings:SandboxSettings", "sandbox.__main__:main"),
    "api": Process("api.settings:Settings", "api.__main__:main"),
    "worker": Process("api.settings:Settings", "api.worker:main"),
    "web": Process("admin_web.settings:WebSettings", "admin_web.__main__:main"),
    "telegram": Process("bots.settings:BotSettings", "bots.telegram.__main__:main"),
    "discord": Process("bots.settings:BotSettings", "bots.discord.__main__:main"),
    "terminal": Process("bots.settings:BotSettings", "bots.terminal.__main__:main"),
}

DRAWN_BY_RICH = "terminal"
"""In every other process structlog would import rich, if it can, for tracebacks that we write as
plain text: a sixth of a second of each start."""


def run(name: str, *, stay: bool = False) -> int:
    """Run the process to its end and return the exit code. One with nothing to do ends at once, or
    may `stay` until it is stopped."""
    os.umask(0o077)  # files are for this user only, whoever made the folder
    # the objects of imports stay: collecting them again and again takes a fifth of the start
    gc.disable()
    if name != DRAWN_BY_RICH:
        sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        launch, watched = load(LaunchSettings), load(TelemetrySettings)
        idle = launch.idle(name)
        if idle:
            print(f"Nothing to do: {idle}.", file=sys.stderr, flush=True)
            if stay:
                signal.pause()
            return 0
        # DATA_DIR is left alone by a process that has its secret: it may have no folder at all
        given = launch.given(name, secrets_of(launch) if launch.missing_secret(name) else None)
        settings = load(pkgutil.resolve_name(PROCESSES[name].settings), given)
    except BadSetting as error:
        return bad_setting(error)
    if name == "web":
        _delete_old_sessions(launch.data_dir)
    telemetry.start(name, VERSION, watched, launch, settings)
    main = pkgutil.resolve_name(PROCESSES[name].main)
    gc.freeze()
    gc.enable()
    try:
        main(settings)
    except CannotStart as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return EXIT_BAD_SETTING if error.final else EXIT_TRY_AGAIN
    finally:
        ending.end()
    return 0


def _delete_old_sessions(data_dir: Path) -> None:
    """Delete the sessions that versions before 0.2 kept in a file: it holds refresh tokens, and
    nobody reads it any more."""
    with suppress(OSError):  # a web on another machine may have no folder, or not a readable one
        for file in data_dir.glob("web-sessions.db*"):
            file.unlink()


def bad_setting(error: BadSetting) -> int:
    print(f"Bad setting: {error}", file=sys.stderr)
    return EXIT_BAD_SETTING


def end_with(parent: int) -> None:
    """Get SIGTERM when the thread that started this process ends, however it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m cli.process")
    parser.add_argument("name", choices=PROCESSES)
    parser.add_argument(
        "--parent",
        type=int,
        metavar="PID",
        help="end when this process, which started this one, ends",
    )
    parser.add_argument(
        "--stay",
        action="store_true",
        help="with nothing to do, wait to be stopped: for containers that restart what ends",
    )
    arguments = parser.parse_args()
    if arguments.parent is not None:
        end_with(arguments.parent)
    else:  # the supervisor has checked them
        try:
            check_names()
        except BadSetting as error:
            return bad_setting(error)
    return run(arguments.name, stay=arguments.stay)


if __name__ == "__main__":
    run_to_end(main)
