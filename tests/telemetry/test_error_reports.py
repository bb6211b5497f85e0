"""Reports of errors: kind and place, and nothing that a person has written."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import sentry_sdk
import structlog

from telemetry import logs
from telemetry.error_reports import error_reports
from telemetry.requests import of_request
from telemetry.settings import TelemetrySettings
from telemetry.start import start
from tests.fakes.collector import Collector, running_collector
from tests.telemetry.test_logs import stream

__all__ = ["stream"]

PROMPT = "a quokka plays the theremin"


@pytest.fixture
def reported(stream: StringIO) -> Iterator[Collector]:
    with running_collector() as collector:
        settings = TelemetrySettings.model_validate({"SENTRY_DSN": collector.dsn})
        start("api", "1.2.3", settings)
        logs.configure("api", "json", "info", stream)
        yield collector
        sentry_sdk.get_client().close()
        sentry_sdk.init()
        error_reports.stop()


def break_with(prompt: str) -> None:
    kept = {"prompt": prompt}
    raise ValueError(f"cannot make {kept}")


def sent(collector: Collector) -> None:
    sentry_sdk.flush(5)


def test_an_error_has_its_kind_and_place_and_no_text(reported: Collector) -> None:
    log = structlog.get_logger("worker")
    with of_request("abcd-1234"):
        try:
            break_with(PROMPT)
        except ValueError:
            log.exception("background_failed", work="step", prompt=PROMPT)
    sent(reported)
    (report,) = reported.reports
    assert report["message"] == "background_failed"
    assert report["release"] == "allucanget@1.2.3"
    assert report["tags"] == {"process": "api", "request_id": "abcd-1234", "work": "step"}
    (error,) = report["exception"]["values"]
    assert (error["type"], error.get("value")) == ("ValueError", None)
    assert error["stacktrace"]["frames"][-1]["function"] == "break_with"
    assert PROMPT.encode() not in b"".join(reported.bodies)


def test_lines_of_libraries_come_as_templates(reported: Collector) -> None:
    logging.getLogger("lib").error("cannot send %s", PROMPT)
    logging.getLogger("lib").error(f"cannot send {PROMPT}")  # noqa: G004  (as some do)
    logging.getLogger("lib").warning("cannot send %s", PROMPT)
    sent(reported)
    assert [each["message"] for each in reported.reports] == ["cannot send %s", "lib"]
    assert PROMPT.encode() not in b"".join(reported.bodies)


def test_it_tells_nothing_of_the_machine(reported: Collector) -> None:
    structlog.get_logger("api").error("unexpected")
    sent(reported)
    (report,) = reported.reports
    told = set(report) - {"event_id", "timestamp", "level", "platform", "release", "environment"}
    assert told <= {"logger", "message", "tags", "exception", "sdk"}
