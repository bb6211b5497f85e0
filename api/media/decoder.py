"""The decoder: a program that looks into files from outside, one after another.

`python -m api.media.decoder SOCKET PARENT MEMORY`. It says through the inherited socket that it is
ready, reads jobs and writes answers: for each a message of JSON, then bytes. It may use so much
memory, is the first to go when the machine has none left, and ends with the process that started
it.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from api import malloc
from api.errors import DomainError, TooLarge
from api.media import document_reading, messages, pictures, recordings, transcode, videos
from api.media.decoded import (
    Clip,
    Finding,
    Picture,
    ReadDocument,
    Recording,
    SpokenFile,
    Thumbnail,
)

FILE_MAX = 1_000_000_000
"""Bytes of a file that is written here."""
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that reach all processes of a group or a container. The process that asks still wants its
answers."""


def _of_picture(found: Picture, given: bytes) -> Finding:
    small, data = found.thumbnail, b"" if found.data is given else found.data
    facts = {"kind": found.kind.name, "width": found.width, "height": found.height}
    return Finding(facts | _size(small), data, small.data if small else b"")


def _of_clip(found: Clip) -> Finding:
    small = found.thumbnail
    facts = {"width": found.width, "height": found.height, "duration_ms": found.duration_ms}
    return Finding(facts | _size(small), thumbnail=small.data if small else b"")


def _of_document(found: ReadDocument) -> Finding:
    facts = {"content_type": found.content_type, "pages": found.pages, "chars": found.chars}
    return Finding(facts, found.text.encode())


def _size(thumbnail: Thumbnail | None) -> dict[str, Any]:
    return {"thumbnail": [thumbnail.width, thumbnail.height] if thumbnail else None}


def _shrink_picture(source: Path, target: Path, most: int, *, large: bool) -> Finding:
    data, shrunk = transcode.shrink_picture(source.read_bytes(), most, large=large)
    with pictures.typed_errors("unusable_image"):
        target.write_bytes(data)
    return Finding(asdict(shrunk))


def _loaded() -> Finding:
    videos.load()
    return Finding()


def _of_recording(found: Recording) -> Finding:
    sizes = [len(piece) for piece in found.pieces]
    return Finding({"sizes": sizes, "seconds": found.seconds}, b"".join(found.pieces))


def _of_voice(found: SpokenFile) -> Finding:
    return Finding({"seconds": found.seconds, "waveform": found.waveform}, found.data)


def _to_mp4(job: dict[str, Any]) -> Finding:
    transcode.to_mp4(Path(job["source"]), job["container"], Path(job["target"]))
    return Finding()


WORK: dict[str, Callable[[dict[str, Any], bytes], Finding]] = {
    "nothing": lambda job, data: Finding(),
    "load_for_videos": lambda job, data: _loaded(),
    "made_picture": lambda job, data: _of_picture(
        pictures.made_picture(data, large=job["large"]), data
    ),
    "undecoded_picture": lambda job, data: _of_picture(pictures.undecoded_picture(data), data),
    "clean_picture": lambda job, data: _of_picture(
        pictures.clean_picture(data, large=job["large"]), data
    ),
    "read_document": lambda job, data: _of_document(document_reading.read_document(data)),
    "shrink_picture": lambda job, data: _shrink_picture(
        Path(job["source"]), Path(job["target"]), job["most"], large=job["large"]
    ),
    "read_clip": lambda job, data: _of_clip(
        videos.read_clip(Path(job["source"]), poster=job["poster"])
    ),
    "shrink_video": lambda job, data: Finding(
        asdict(transcode.shrink_video(Path(job["source"]), Path(job["target"]), job["most"]))
    ),
    "to_mp4": lambda job, data: _to_mp4(job),
    "read_recording": lambda job, data: _of_recording(
        recordings.read_recording(data, job["most"], job["piece"])
    ),
    "write_voice": lambda job, data: _of_voice(recordings.write_voice(data, job["parts"])),
}


def answer(job: dict[str, Any], data: bytes) -> Finding:
    """Do a job. A refusal is an answer, too."""
    try:
        return WORK[job["work"]](job, data)
    except pictures.LargePicture:
        return Finding({"is_large": True})
    except MemoryError:
        return _refusal(TooLarge("memory_short"))
    except DomainError as error:
        return _refusal(error)


def _refusal(error: DomainError) -> Finding:
    return Finding({"error": error.code, "reason": error.reason, "params": error.params})


def _resident() -> int:
    """Return the bytes of memory in use."""
    with suppress(OSError):  # Linux only
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return 0


def _limit(parent: int, memory: int) -> None:
    for number in _STOPPED_BY:
        signal.signal(number, signal.SIG_IGN)
    _at_most(resource.RLIMIT_CORE, 0)  # no picture of anybody in a core file
    _at_most(resource.RLIMIT_FSIZE, FILE_MAX)
    if sys.platform == "linux":
        _at_most(resource.RLIMIT_DATA, memory)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def _at_most(kind: int, wanted: int) -> None:
    """Set a limit, or a lower one that this machine sets already."""
    hard = resource.getrlimit(kind)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (most, most))


def main() -> None:
    descriptor, parent, memory = (int(each) for each in sys.argv[1:])
    malloc.give_back()
    warnings.simplefilter("ignore")  # of damaged files: they would fill the log of who asks
    _limit(parent, memory)
    with suppress(EOFError, BrokenPipeError), socket.socket(fileno=descriptor) as ours:
        read, write = ours.makefile("rb"), ours.makefile("wb")
        messages.write(write, b"")
        write.flush()
        while True:
            job, data = json.loads(messages.read(read)), messages.read(read)
            made = answer(job, data)
            del data
            messages.write(write, json.dumps(made.facts | {"resident": _resident()}).encode())
            messages.write(write, made.data)
            messages.write(write, made.thumbnail)
            write.flush()
            del made


if __name__ == "__main__":
    main()
