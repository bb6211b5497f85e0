"""Debian's Chromium under Playwright, and a page that records its complaints."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser.program import CHROMIUM, chromium_path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000


@contextmanager
def chromium() -> Iterator[Browser]:
    found = chromium_path()
    assert found is not None, f"none of {', '.join(CHROMIUM)} is installed; ./run test does it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Page, complaints: list[str]) -> Page:
    """Add the page's console errors and warnings (a violated content policy is one) and its
    uncaught errors to `complaints`."""

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{page.url}: {message.text}")

    page.set_default_timeout(PATIENCE_MS)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    return page


def set_up(page: Page, web_url: str, setup_token: str, email: str, password: str) -> None:
    """Create the first admin by the setup link, which ends on the first page."""
    page.goto(f"{web_url}/setup?token={setup_token}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("The same password again").fill(password)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url(f"{web_url}/")


def sign_in(page: Page, web_url: str, email: str, password: str) -> None:
    page.goto(f"{web_url}/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web_url}/")


def play(page: Page) -> float:
    """Start the video of the page, and return its position in seconds as soon as it has moved."""
    return float(
        page.evaluate(
            """() => new Promise((moved, failed) => {
                const video = document.querySelector("video");
                video.muted = true;
                video.addEventListener("timeupdate", () => {
                    if (video.currentTime > 0.2) moved(video.currentTime);
                });
                video.addEventListener("error", () => failed(new Error(video.error.message)));
                video.play().catch(failed);
            })"""
        )
    )
