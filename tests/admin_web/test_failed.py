"""Pages about failed generations, and about those with fewer results than asked for: the cause, and
the booked amount."""

import json
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import pytest
from flask import Flask

from api.auth.schemas import TokensOut
from sandbox.faults import Fault
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import signed_in
from tests.admin_web.test_making import finished, make_image
from tests.plain_http import PLAIN
from tests.rules.source import ROOT
from tests.stack import Stack

SEEDREAM = "bytedance-seed/seedream-4.5"
Break = Callable[[str], None]


@pytest.fixture
def instead(stack: Stack) -> Iterator[Break]:
    """Return a function that has the provider answer the next pictures with these faults."""

    def put(*faults: Fault) -> None:
        body = {"faults": [fault.model_dump() for fault in faults]}
        httpx.put(
            f"{stack.sandbox_url}/_sandbox/faults", json=body, trust_env=False, verify=PLAIN
        ).raise_for_status()

    yield lambda body: put(
        Fault(call="images", kind="instead", status=200, value=body, model=SEEDREAM)
    )
    put()


def card(browser: Browser, **fields: object) -> str:
    return " ".join(
        unescape(finished(browser, make_image(browser, model=SEEDREAM, **fields))).split()
    )


def test_a_failure_tells_its_cause_and_what_was_booked(
    app: Flask, register: Callable[[], TokensOut], instead: Break
) -> None:
    browser = signed_in(app, register())
    instead(
        json.dumps(
            {
                "data": [{"error": {"code": "content_policy_violation", "message": "no"}}],
                "usage": {"cost": 1.5},
            }
        )
    )
    cause = "The model refused this request because of its content. Please put it in other words."
    assert f"{cause} Nothing was charged." in card(browser), "the first failure is given back"
    assert f"{cause} It cost $1.50." in card(browser), (
        "more than a tenth of the month was given back by now"
    )
    instead('{"data": 7}')
    unsure = card(browser)
    assert (
        "The AI provider answered something that cannot be read. "
        "Whether the AI provider did the work is not known, so it is not repeated." in unsure
    )
    assert "charged" not in unsure


def test_missing_pictures_are_counted(
    app: Flask, register: Callable[[], TokensOut], instead: Break
) -> None:
    instead((ROOT / "tests" / "cases" / "partial-images" / "partial_bad.images.json").read_text())
    shown = card(signed_in(app, register()), n=3)
    assert shown.count("<img ") == 1
    assert "2 of the pictures could not be made." in shown
