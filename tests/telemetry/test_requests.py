"""The name of a request is taken over when it is well-formed, and passed on."""

import pytest
from structlog.contextvars import get_contextvars

from telemetry import requests

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "given", ["abcd", "req-1.2_3", "a" * 64, "0af7651916cd43dd8448eb211c80319c"]
)
def test_a_well_formed_id_is_taken_over(given: str) -> None:
    with requests.of_request(given) as named:
        assert named == given
        assert requests.passed_on() == {"X-Request-Id": given}
    assert requests.request_id() is None


@pytest.mark.parametrize("given", [None, "", "abc", "a" * 65, "a b c d", 'a"bcd', "äöüß", "a\nbcd"])
def test_any_other_is_made_anew(given: str | None) -> None:
    with requests.of_request(given) as named:
        assert named != given
        assert len(named) == 9


def test_a_trace_is_passed_on_as_it_came() -> None:
    with requests.of_request("abcd", TRACE):
        assert requests.passed_on() == {"X-Request-Id": "abcd", "traceparent": TRACE}
        assert get_contextvars()["trace_id"] == TRACE[3:35]
    assert get_contextvars() == {}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-0-0-01",
        TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        TRACE + "x",
        "ff" + TRACE[2:],
    ],
)
def test_no_other_trace_is(given: str) -> None:
    with requests.of_request("abcd", given):
        assert "traceparent" not in requests.passed_on()


def test_a_trace_alone_is_the_name() -> None:
    with requests.of_request(None, TRACE) as named:
        assert named == TRACE[3:35]
        assert get_contextvars() == {"request_id": named}
        assert requests.passed_on("00-1-2-01")["traceparent"] == "00-1-2-01"
