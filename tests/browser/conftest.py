"""The real stack and the real browser, once for this folder. The first admin is made through the
setup page and signed in once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser.chromium import PATIENCE_MS, chromium, set_up, watched
from tests.stack import Stack, running_stack

EMAIL = "ada@example.org"
PASSWORD = "correct horse battery staple"
SIZES = {"desktop": (1280, 860), "phone": (360, 740)}


@dataclass(frozen=True, slots=True)
class Opened:
    """The open browser. `state` has the cookies of the signed-in admin; `contexts` are his windows
    by device, with a cache that all tests share."""

    browser: Browser
    state: StorageState
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    def context(self, device: str, web_url: str) -> BrowserContext:
        if device not in self.contexts:
            width, height = SIZES[device]
            self.contexts[device] = self.browser.new_context(
                base_url=web_url,
                viewport={"width": width, "height": height},
                storage_state=self.state,
                # without a screen the permission is not given unasked
                permissions=["clipboard-write"],
                reduced_motion="reduce",
                timezone_id="Europe/Berlin",
            )
        return self.contexts[device]


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
        set_up(
            watched(context.new_page(), complaints),
            stack.web_url,
            stack.setup_token,
            EMAIL,
            PASSWORD,
        )
        state = context.storage_state()
        context.close()
        assert complaints == []
        yield Opened(browser, state)


@pytest.fixture
def browser(opened: Opened) -> Browser:
    return opened.browser


@pytest.fixture(params=["desktop"])
def page(request: pytest.FixtureRequest, opened: Opened, stack: Stack) -> Iterator[Page]:
    """Yield a signed-in page. The test fails on any complaint in the console, such as a violated
    content policy."""
    complaints: list[str] = []
    made = watched(opened.context(request.param, stack.web_url).new_page(), complaints)
    made.goto("/")
    yield made
    made.close()
    assert complaints == []
