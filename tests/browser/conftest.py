"""The real stack and the real browser, once for this folder, with the first admin made through the setup page and signed in once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.chromium import PATIENCE_MS, chromium, set_up, watched
from tests.stack import Stack, running_stack

EMAIL = "ada@example.org"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Opened:
    """`state`: the cookies of the admin, signed in."""

    browser: Browser
    state: StorageState


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def opened(stack: Stack) -> Iterator[Opened]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        complaints: list[str] = []
        context = browser.new_context()
        set_up(watched(context.new_page(), complaints), stack.web_url, stack.setup_token, EMAIL, PASSWORD)
        state = context.storage_state()
        context.close()
        assert complaints == []
        yield Opened(browser, state)


@pytest.fixture
def browser(opened: Opened) -> Browser:
    return opened.browser


@pytest.fixture(params=["desktop"])
def page(request: pytest.FixtureRequest, opened: Opened, stack: Stack) -> Iterator[Page]:
    """Signed in. Anything that the console complains of fails the test, so a broken content policy does."""
    size = {"desktop": (1280, 860), "phone": (360, 740)}[request.param]
    context = opened.browser.new_context(
        base_url=stack.web_url,
        viewport={"width": size[0], "height": size[1]},
        storage_state=opened.state,
        reduced_motion="reduce",
        timezone_id="Europe/Berlin",
    )
    complaints: list[str] = []
    made = watched(context.new_page(), complaints)
    made.goto("/")
    yield made
    context.close()
    assert complaints == []
