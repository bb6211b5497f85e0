"""The lines of a log: their form, and what never stands in them."""

import json
import logging
import sys
import warnings
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
import structlog

from telemetry import logs
from telemetry.requests import of_request
from telemetry.settings import LogFormat


@pytest.fixture
def stream() -> StringIO:
    """Return a log's stream."""
    return StringIO()


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_those_of_libraries_and_warnings_are_objects(stream: StringIO) -> None:
    logs.configure("api", "auto", "info", stream)
    with of_request("abc-1234"):
        structlog.get_logger("worker").info("done", seconds=1.5)
    logging.getLogger("a.library").warning("%s is late", "it")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old ways", UserWarning, stacklevel=1)
    ours, theirs, warned = lines(stream)
    assert (ours["process"], ours["logger"], ours["level"]) == ("api", "worker", "info")
    assert (ours["event"], ours["seconds"], ours["request_id"]) == ("done", 1.5, "abc-1234")
    assert (theirs["process"], theirs["event"]) == ("api", "it is late")
    assert "old ways" in warned["event"]


def test_an_error_is_one_line_with_its_trace(stream: StringIO) -> None:
    logs.configure("api", "json", "info", stream)
    try:
        raise ValueError("no\nway")
    except ValueError:
        structlog.get_logger("api").exception("broke")
    sys.excepthook(*_raised())
    first, second = lines(stream)
    assert first["event"] == "broke"
    assert "Traceback" in first["exception"]
    assert (second["event"], second["level"]) == ("crashed", "critical")
    assert "KeyError: 'x'" in second["exception"]


class _Mute:
    def __repr__(self) -> str:
        raise RuntimeError


def test_no_value_makes_a_log_call_fail(stream: StringIO) -> None:
    logs.configure("api", "json", "info", stream)
    circle: list[object] = []
    circle.append(circle)
    log = structlog.get_logger("api")
    log.info("counted", of={("a", 1): 2}, at="noon")
    log.info("mute", by=_Mute())
    log.info("round", by=circle)
    counted, mute, circular = lines(stream)
    assert (counted["event"], counted["of"], counted["at"]) == ("counted", "{('a', 1): 2}", "noon")
    assert "_Mute" in mute["by"]
    assert circular["by"] == "[[...]]"


def test_half_a_character_does_not_cost_the_line() -> None:
    written = BytesIO()
    logs.configure("api", "json", "info", TextIOWrapper(written, "utf-8", write_through=True))
    structlog.get_logger("api").info("named", name="a\ud83d")
    assert json.loads(written.getvalue())["name"] == "a\ud83d"


def _raised() -> tuple[type[BaseException], BaseException, None]:
    return KeyError, KeyError("x"), None


def test_the_level_counts_for_us_and_libraries_never_tell_requests(stream: StringIO) -> None:
    logs.configure("api", "json", "debug", stream)
    structlog.get_logger("api").debug("seen")
    logging.getLogger("telegram.Bot").debug("sendMessage with {'text': 'a prompt'}")
    logging.getLogger("httpx").info("GET https://api.telegram.org/bot1:x")
    assert [line["event"] for line in lines(stream)] == ["seen"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_masked_whoever_wrote_them(stream: StringIO, form: LogFormat) -> None:
    logs.know_secrets(["swordfish-1234", "short"])
    logs.configure("api", form, "info", stream)
    secrets = [
        "12345678:AAExampleExampleExampleExample_abc",
        "sk-or-v1-0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "p4ssw0rd",
        "opaque-token-of-a-bot",
        "c2lnbmVkLWxpbms",
        "swordfish-1234",
    ]
    token, key, jwt, password, bearer, signature, known = secrets
    log = structlog.get_logger("api")
    log.info("asked", url=f"https://api.telegram.org/bot{token}/getMe", headers={"key": key})
    log.info("held", deep=[{"jwt": jwt}], dsn=f"postgresql://me:{password}@db/name")
    logging.getLogger("lib").warning("Authorization: Bearer %s", bearer)
    log.error("link", link=f"/media/1?exp=1&sig={signature}", short="short")
    try:
        raise RuntimeError(known)
    except RuntimeError:
        log.exception("broke")
    written = stream.getvalue()
    assert [secret for secret in secrets if secret in written] == []
    assert "short" in written
    assert "postgresql://me:***@db/name" in written


def test_words_without_a_logger_become_an_object_and_objects_stay() -> None:
    told = json.loads(logs.line("worker", "Cannot start: no disk"))
    assert (told["process"], told["event"]) == ("worker", "Cannot start: no disk")
    assert logs.line("worker", '{"event": "x"}') == '{"event": "x"}'
    assert json.loads(logs.line("worker", "{not json"))["event"] == "{not json"
