"""Reports of unexpected errors to a server that speaks Sentry's protocol: kind and place in the
code, no text and no value."""

import sys
from collections.abc import Mapping
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from telemetry.ending import LAST_SECONDS, at_end

GRAVE = {"error", "critical"}
TAGS = ("process", "request_id", "work", "code", "status", "command", "page", "phase")
"""Fields of a log line that are closed words or ids."""
_LINE = ("event_id", "timestamp", "level", "platform", "release", "environment", "logger")
_FRAME = ("filename", "function", "module", "lineno", "in_app")


class ErrorReports:
    """Reports all that is logged as an error, once `start` was called. A line of a library has its
    template or only its logger's name, because a text that is put together may hold anything."""

    def __init__(self) -> None:
        self._process: str | None = None

    def start(self, dsn: str, environment: str, process: str, version: str) -> None:
        import sentry_sdk

        sentry_sdk.init(
            dsn=dsn,
            environment=environment,
            release=f"allucanget@{version}",
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=lambda event, _hint: allowed(event),  # type: ignore[arg-type, return-value]
            shutdown_timeout=LAST_SECONDS,
        )
        self._process = process
        at_end(lambda: sentry_sdk.flush(LAST_SECONDS))

    def stop(self) -> None:
        self._process = None

    def watch(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        """A processor of log lines that leaves them as they are."""
        if self._process is not None and event.get("level") in GRAVE:
            self._report(event)
        return event

    def _report(self, event: EventDict) -> None:
        import sentry_sdk
        from sentry_sdk.utils import event_from_exception, exc_info_from_error

        error = _error(event.get("exc_info"))
        report: dict[str, Any] = {}
        if error is not None:
            options = sentry_sdk.get_client().options
            report, _ = event_from_exception(exc_info_from_error(error), client_options=options)  # type: ignore[assignment]
        known = {name: str(event[name]) for name in TAGS if event.get(name) is not None}
        report |= {
            "level": "fatal" if event["level"] == "critical" else "error",
            "logger": str(event.get("logger", "")),
            "message": _words(event),
            "tags": {**known, "process": self._process},
        }
        sentry_sdk.capture_event(report)  # type: ignore[arg-type]


error_reports = ErrorReports()


def allowed(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report with only what is known to hold nobody's data."""
    kept = {name: event[name] for name in _LINE if name in event}
    kept["message"] = event.get("message", "")
    kept["tags"] = {name: event["tags"][name] for name in TAGS if name in event.get("tags", {})}
    kept["exception"] = {
        "values": [_kind_and_place(each) for each in event.get("exception", {}).get("values", [])]
    }
    return kept


def _kind_and_place(error: Mapping[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames", [])
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "stacktrace": {"frames": [{name: frame.get(name) for name in _FRAME} for frame in frames]},
    }


def _error(given: object) -> BaseException | None:
    if isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        return given
    return sys.exc_info()[1] if given else None


def _words(event: EventDict) -> str:
    record = event.get("_record")
    if record is None:
        return str(event.get("event", ""))
    return str(getattr(record, "template", record.name))
