"""An account from its invitation to its end, with two people at two browsers."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import watched
from tests.browser.conftest import PASSWORD
from tests.stack import Stack


def test_invited_registered_disabled_and_signed_out(page: Page, browser: Browser, stack: Stack) -> None:
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("navigation", name="Administration").get_by_role("link", name="Users").click()
    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_label("E-mail").fill("grace@example.org")
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#secret-link").inner_text()
    assert link.startswith(f"{stack.web_url}/register?invite=")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()

    complaints: list[str] = []
    context = browser.new_context()
    guest = watched(context.new_page(), complaints)
    guest.goto(link)
    expect(guest.get_by_label("E-mail")).to_have_value("grace@example.org")
    guest.get_by_label("Password", exact=True).fill(PASSWORD)
    guest.get_by_label("The same password again").fill(PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    expect(guest.get_by_role("heading", name=re.compile("What shall we make, grace"))).to_be_visible()
    expect(guest.get_by_role("link", name="Admin")).to_have_count(0)

    page.reload()
    expect(page.locator("#secret-link")).to_have_count(0)
    page.locator("summary", has_text="Disable").click()
    page.get_by_role("button", name="Disable now").click()
    expect(page.get_by_text("is disabled and signed out everywhere")).to_be_visible()
    guest.get_by_role("link", name="Gallery").first.click()
    expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(guest.get_by_text("You have been signed out")).to_be_visible()
    context.close()
    assert complaints == []
