"""`./run media move`: all pictures and videos copied to another store, or compared with it."""

import asyncio
import sys
import time
from urllib.parse import unquote, urlsplit

from api.media.moving import MediaMove, MoveRefused, MoveStopped, Progress
from api.settings import Settings
from cli.errors import CommandRefused
from cli.settings import LaunchSettings, api_settings, load, secrets_of

TOLD_EVERY = 0.2


def move(to: str, source: str | None, *, verify: bool) -> bool:
    """Copy or compare, print how it went, and return whether the target has every file. Raises
    `CommandRefused`, `BadSetting`."""
    launch = load(LaunchSettings)
    settings = api_settings(launch)
    began, here = time.monotonic(), source or settings.media_root
    line = _ProgressLine(began)
    try:
        work = MediaMove(
            here,
            to,
            secrets_of(launch).installation,
            settings.data_dir / "spool" / "receiving",
            line.show,
        )
        in_use = launch if _is_in_use(settings, to) else None
        done = asyncio.run(_do(work, in_use, verify=verify))
    except MoveRefused as error:
        raise CommandRefused(str(error)) from error
    except MoveStopped as error:
        line.clear()
        raise CommandRefused(f"{error} {_so_far(work.progress)}") from error
    except KeyboardInterrupt as error:
        line.clear()
        raise CommandRefused(f"Stopped. {_so_far(work.progress)}") from error
    line.clear()
    _report(done, here, to, time.monotonic() - began, verify=verify)
    if not done.bad and not verify:
        _way_on(settings, here, to)
    return not done.bad


async def _do(work: MediaMove, in_use: LaunchSettings | None, *, verify: bool) -> Progress:
    """Copy or compare; into a store that is in use only what the database names."""
    do = work.compare if verify else work.copy
    if in_use is None:
        return await do()
    # its code is not needed for the others
    from cli.media_rows import named_files

    async with named_files(in_use) as named:
        work.take_only(named)
        return await do()


def _is_in_use(settings: Settings, url: str) -> bool:
    return url.rstrip("/") == settings.media_root.rstrip("/")


class _ProgressLine:
    """One line that is written over again and again, on a terminal only."""

    def __init__(self, began: float) -> None:
        self._began = self._told = began
        self._is_terminal = sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        at = time.monotonic()
        if self._is_terminal and at - self._told >= TOLD_EVERY:
            self._told = at
            size = _megabytes(progress.bytes)
            text = f"{progress.files} files, {size}, {at - self._began:.0f} s"
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _so_far(progress: Progress) -> str:
    return (
        f"{progress.files} files ({_megabytes(progress.bytes)}) are there; the same command goes "
        "on from here."
    )


def _report(done: Progress, here: str, to: str, seconds: float, *, verify: bool) -> None:
    for each in done.named:
        print(each, file=sys.stderr)
    if done.bad > len(done.named):
        print(f"... and {done.bad - len(done.named)} more", file=sys.stderr)
    if verify:
        bad = f", {done.bad} are missing or damaged" if done.bad else ""
        print(
            f"Compared in {seconds:.1f} s: {done.there} files ({_megabytes(done.there_bytes)}) of "
            f"{here} are in {to} and right{bad}."
        )
        if done.bad:
            print("./run media move without --verify copies them again.")
        return
    print(
        f"Copied {done.copied} files ({_megabytes(done.copied_bytes)}) in {seconds:.1f} s; "
        f"{done.there} ({_megabytes(done.there_bytes)}) were there already."
    )
    if done.bad:
        print(
            f"{done.bad} files cannot be read in {here}, or are not what their names say, and were "
            "left out. Mend them, or delete them there, then run this again.",
            file=sys.stderr,
        )


def _way_on(settings: Settings, here: str, to: str) -> None:
    if _is_in_use(settings, to):
        print(f"MEDIA_URL is {to} already. Nothing was deleted; when everything shows,")
    else:
        default = (settings.data_dir / "media").absolute().as_uri()
        value = "" if to.rstrip("/") == default else to
        print(
            f"Now set in .env:  MEDIA_URL={value}\n"
            "and restart. Then take at once what was made meanwhile, and shows only afterwards:\n"
            f"  ./run media move --from {here} --to {to}\n"
            "Nothing was deleted. When everything shows,"
        )
    if here.startswith("file:"):
        print(f"delete the old folder yourself:  rm -r {unquote(urlsplit(here).path)}")
    else:
        print(f"delete the old files yourself:  aws s3 rm --recursive {here}")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
