"""The log of a process: a line for each event, of our own and of the libraries, in one form and
without secrets."""

import io
import json
import logging
import re
import reprlib
import sys
import threading
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry.error_reports import error_reports
from telemetry.settings import LogFormat, LogLevel

_SECRETS = re.compile(
    r"\d{5,}:[A-Za-z0-9_-]{20,}|sk-or-[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}|(?<=[?&]sig=)[A-Za-z0-9_-]+"
)
_HINTS = ("sk-or-", "eyJ", "Bearer ", "sig=")
_AFTER_COLON = re.compile(r":[A-Za-z0-9_-]{20}")
"""Each secret holds one of the hints, or has this in it; to look for these takes a tenth of the
time."""
_PASSWORD = re.compile(r"(://[^/\s:@\"]*:)[^@\s/\"]+@")
SECRET_LEAST = 8
"""A shorter text may stand in any line by chance."""
_CHATTY = ("httpx", "httpcore", "apscheduler", "aiohttp.access", "uvicorn.access")
"""Libraries that log every request with its address, which can hold a credential, or that log
nothing of use."""


_REPR = reprlib.Repr()
_REPR.maxother = 100_000


class _Masks:
    """The secrets of this process, beside all that looks like one."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def know(self, secrets: Iterable[str]) -> None:
        found = sorted({each for each in secrets if len(each) >= SECRET_LEAST}, key=len)
        # the longest first: one may begin with another
        self._known = found[::-1]

    def mask(self, line: str) -> str:
        for known in self._known:
            line = line.replace(known, "***")
        if any(hint in line for hint in _HINTS) or _AFTER_COLON.search(line) is not None:
            line = _SECRETS.sub("***", line)
        return _PASSWORD.sub(r"\1***@", line)


_masks = _Masks()
mask, know_secrets = _masks.mask, _masks.know


class _MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Masks the line as it is written, so that no field, error or library is left out."""

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict):
            # what was put in may be anybody's
            record.template = str(record.msg) if record.args else record.name
        return mask(super().format(record))


class _Lines:
    """A logger of ours, which writes finished lines to the stream of the handler. The way through
    `logging` would take ten times as long as the line itself."""

    def __init__(self, handler: "logging.StreamHandler[TextIO]", name: str) -> None:
        self._handler = handler
        self.name = name

    def debug(self, line: str) -> None:
        with self._handler.lock or nullcontext(), suppress(OSError, ValueError):
            self._handler.stream.write(f"{mask(line)}\n")
            self._handler.flush()

    info = warning = error = critical = debug


def is_json(form: LogFormat, stream: TextIO) -> bool:
    return form == "json" or (form == "auto" and not stream.isatty())


def configure(
    process: str = "",
    form: LogFormat = "console",
    level: LogLevel = "info",
    stream: TextIO | None = None,
) -> None:
    """Set the log up, once and first of all in a process. `process` names it in JSON; in the other
    form its parent puts the name in front of the lines."""
    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # half of a character must not cost the whole line
        stream.reconfigure(errors="backslashreplace")
    as_json = is_json(form, stream)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        error_reports.watch,
        structlog.processors.format_exc_info,
    ]
    written = [_json(process) if as_json else _console(stream)]
    handler = logging.StreamHandler(stream)
    named = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])
    structlog.configure(
        processors=[*shared, *written],
        logger_factory=lambda *name: _Lines(handler, named(*name).name),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler.addFilter(_not_for_people)
    handler.setFormatter(
        _MaskingFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *written,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def line(process: str, text: str) -> str:
    """Return a line of JSON for words that no logger has written. A line that is JSON already stays
    as it is."""
    if text.startswith("{"):
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return text
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    told = {"timestamp": at, "level": "info", "process": process, "event": mask(text.strip())}
    return json.dumps(told, ensure_ascii=False)


def _json(process: str) -> Processor:
    def encoded(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
        first = {"timestamp": event.pop("timestamp", None), "level": event.pop("level", None)}
        told = {**first, "process": process, "event": event.pop("event", None), **event}
        try:
            return encode(told)
        except (TypeError, ValueError, RecursionError):  # keys that JSON has not, or a circle
            plain = {
                name: each if isinstance(each, str) else _repr(each) for name, each in told.items()
            }
            return encode(plain)

    encode = json.JSONEncoder(ensure_ascii=False, default=_repr).encode
    return encoded


def _repr(value: object) -> str:
    """Return the value's `repr`, or a word in its place: telling must not end the work."""
    return _REPR.repr_instance(value, 1)


def _console(stream: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        pad_event_to=20,
        exception_formatter=structlog.dev.plain_traceback,
    )


def _not_for_people(record: logging.LogRecord) -> bool:
    """Drop what libraries tell their own developers: it holds whole requests, with prompts."""
    return isinstance(record.msg, dict) or record.levelno >= logging.INFO


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("process").critical("crashed", exc_info=(kind, error, trace))


def _thread_crashed(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _crashed(found.exc_type, found.exc_value, found.exc_traceback)
