"""An operator's day in a real browser: every page of admins, and every act on it, in light and
dark, at a desk and on a phone."""

from collections.abc import Iterator
from itertools import cycle

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import watched
from tests.browser.conftest import EMAIL, PASSWORD, Opened
from tests.browser.look import TABLET, look_in_both, place, too_wide
from tests.browser.operator import EVIL, MEMBER, Maker, Mess
from tests.stack import Stack

MODEL = "/admin/models/image/openai/gpt-image-2"
USUAL = "/admin/models/image/black-forest-labs/flux.2-klein-4b"


@pytest.fixture(scope="module")
def mess(stack: Stack, opened: Opened) -> Mess:
    with httpx.Client(base_url=stack.api_url, timeout=60) as http:
        return Maker(stack, http, EMAIL, PASSWORD).make()


@pytest.fixture(scope="module")
def walker(stack: Stack, opened: Opened) -> Iterator[tuple[Page, list[str]]]:
    """Yield one page for all tests, with its complaints: loaded and compiled files serve the next
    test, too."""
    complaints: list[str] = []
    made = watched(opened.context("desktop", stack.web_url).new_page(), complaints)
    yield made, complaints
    made.close()


@pytest.fixture(params=["desk"])
def page(request: pytest.FixtureRequest, walker: tuple[Page, list[str]]) -> Iterator[Page]:
    """Yield the page at its place. The test fails on any complaint in the console, such as a
    violated content policy."""
    made, complaints = walker
    complaints.clear()
    place(made, request.param)
    yield made
    assert complaints == []


on_the_phone = pytest.mark.parametrize("page", ["phone"], indirect=True)


def told(page: Page, words: str) -> None:
    expect(page.locator(".toast").last).to_contain_text(words)


def confirm(page: Page, title: str, button: str, within: Locator | None = None) -> None:
    """Open the box that explains the act, and press the button in it."""
    place = within or page.locator("main")
    box = place.locator("details.ask-once", has=page.locator("summary", has_text=title)).first
    box.locator("summary").click()
    expect(box.locator(".ask-box p").first).to_be_visible()
    box.locator(".ask-box button", has_text=button).click()


PAGES = (
    *(
        "",
        "/jobs",
        "/jobs/clean-up",
        "/deliveries",
        "/users",
        "/users/invite",
        "/spend",
        "/budgets",
        "/models",
        "/models/add",
        "/bots",
    ),
    *("/broadcast", "/audit", "/backups", "/settings", "/check-up"),
)


def test_every_page_is_good_to_use(page: Page, mess: Mess) -> None:
    """Every other page is opened on the phone and then shown at the desk."""
    own = (
        f"/jobs/{mess.lost}",
        f"/deliveries/{mess.undelivered}",
        f"/users/{mess.user}",
        MODEL.removeprefix("/admin"),
    )
    wrong = []
    for path, at in zip((*PAGES, *own), cycle(("desk", "phone"))):
        page.goto(f"/admin{path}")
        wrong += [*look_in_both(page, at), *too_wide(page, TABLET)]
    assert wrong == []


@on_the_phone
def test_stuck_results_are_on_the_board_and_decided_there(page: Page, mess: Mess) -> None:
    page.goto("/admin")
    page.get_by_role("link", name="Jobs need a decision").click()
    page.get_by_role("link", name="Decide").click()
    page.wait_for_url(f"**/admin/jobs/{mess.lost}")
    expect(page.get_by_text("Admins see cost and status only")).to_be_visible()
    page.get_by_label("It was never started").check()
    page.get_by_role("button", name="Decide").click()
    told(page, "is ended as failed. Its money is given back.")
    expect(page.locator(".trail")).to_contain_text("Decided a job")

    confirm(page, "Retry", "Make it again")
    told(page, f"the cost counts for {MEMBER}")
    page.goto(f"/admin/jobs?user={MEMBER}&kind=video&sort=oldest")
    page.get_by_label("Sorted by").select_option("newest")
    page.get_by_role("button", name="Find").click()
    confirm(page, "Cancel", "Cancel it")
    told(page, "is cancelled")
    expect(page.locator("tbody tr").first).to_contain_text("Cancelled")


@on_the_phone
def test_a_result_that_no_chat_took_is_sent_again(page: Page, mess: Mess) -> None:
    page.goto("/admin/deliveries?state=troubled")
    page.locator("tbody a").first.click()
    expect(page.locator(".trail li")).to_have_count(2)
    expect(page.locator(".trail")).to_contain_text(EVIL)
    confirm(page, "Send to the private chat", "Send it there")
    told(page, f"It goes to the private chat of {MEMBER} on Telegram.")
    confirm(page, "Retry", "Send it again")
    told(page, "It is sent to Telegram again, now.")
    expect(page.locator(".trail li")).to_have_count(4)


def test_a_job_is_refunded_and_deleted_and_old_ones_are_cleaned_up(page: Page, mess: Mess) -> None:
    page.goto(f"/admin/jobs/{mess.chatted}")
    expect(page.get_by_role("heading", name="Where the result went")).to_be_visible()
    details = page.locator("details.ask-once", has_text="Refund")
    details.locator("summary").click()
    details.get_by_label("Why, for the audit log").fill("=HYPERLINK(1)")
    details.get_by_role("button", name="Give it back").click()
    told(page, f"is given back to {MEMBER}")
    expect(page.get_by_text("booked, and given back by an admin")).to_be_visible()
    confirm(page, "Delete", "Delete for good")
    told(page, "is deleted, with its files.")
    page.get_by_role("link", name="Clean up").click()
    confirm(page, "End them", "End them now")
    told(page, "No job is past its time.")
    page.get_by_label("Older than how many days").fill("365")
    page.get_by_label("Yes, delete them for good").check()
    page.get_by_role("button", name="Delete old jobs").click()
    told(page, "0 old jobs are deleted")


def test_tables_are_sorted_and_models_and_shared_budgets_ruled(page: Page) -> None:
    page.goto("/admin/users?status=active")
    for head, sort in (("Person", "ascending"), ("Since", "descending"), ("Since", "ascending")):
        page.get_by_role("columnheader", name=head).get_by_role("link").click()
        expect(page.get_by_role("columnheader", name=head)).to_have_attribute("aria-sort", sort)
        expect(page.get_by_label("Status")).to_have_value("active")
    page.goto("/admin/models?q=gpt-image-2")
    page.get_by_role("button", name="Refresh").click()
    told(page, "The provider's lists are read:")
    page.goto(MODEL)
    for button, words in (
        ("Switch off", "is switched off"),
        ("Offer it", "is offered again"),
        ("Make it the default", "gets"),
    ):
        page.get_by_role("button", name=button).click()
        told(page, words)
    for choice, words in (
        ("Only admins", "Only admins may use"),
        ("Everybody", "Everybody may use"),
    ):
        page.get_by_label(choice, exact=True).check()
        page.get_by_role("button", name="Save").first.click()
        told(page, words)
    price = page.get_by_label("Your own price for one image")
    for typed, words in (
        ("0.07", "has a price of your own now: $0.07"),
        ("", "costs what the provider says"),
    ):
        price.fill(typed)
        page.get_by_role("button", name="Save").last.click()
        told(page, words)
    page.goto(USUAL)
    page.get_by_role("button", name="Make it the default").click()
    told(page, "gets")
    page.goto("/admin/models/add")
    page.get_by_label("Its id at the provider").fill("some-maker/new-model")
    page.get_by_role("button", name="Add it").click()
    told(page, "is added.")
    page.goto("/admin/budgets")
    limit = page.locator("#f-guests")
    for typed, words in (
        ("25", "All guests together: $25.00 a month"),
        ("", "All guests together: no limit any more."),
    ):
        limit.fill(typed)
        limit.press("Enter")
        told(page, words)


@on_the_phone
def test_chats_are_written_to_and_bots_get_new_keys(page: Page, mess: Mess) -> None:
    page.goto("/admin/broadcast")
    page.get_by_label("Message").fill(f"We are back. {EVIL}")
    page.get_by_label("Discord").uncheck()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview-card .bubble")).to_contain_text(EVIL)
    page.get_by_role("button", name="Send to 1 chat").click()
    told(page, "It is on its way to 1 chat.")
    expect(page.locator(".sent")).to_contain_text("0 of 1 chats have it.")
    confirm(page, "Stop", "Stop it")
    told(page, "It is stopped: 1 chat does not get it.")
    expect(page.locator(".sent .state")).to_have_text("Stopped")
    page.goto("/admin/bots")
    terminal = page.locator("section", has=page.get_by_role("heading", name="Terminal"))
    confirm(page, "New key", "Make it", terminal)
    told(page, "Terminal has a new key.")
    expect(page.locator("#bot-key")).to_be_visible()
    confirm(page, "Revoke", "Revoke it", terminal)
    told(page, "That key opens nothing any more.")


def test_records_are_kept_and_taken_away(page: Page, mess: Mess) -> None:
    page.goto("/admin/settings")
    confirm(page, "Show prompts and results", "Show them")
    told(page, "It is in the audit log.")
    page.goto(f"/admin/jobs/{mess.lost}")
    expect(page.locator(".prompt")).to_have_text(f"Waves {EVIL}")
    page.goto("/admin/settings")
    confirm(page, "Hide it again", "Hide it")
    told(page, "Admins see cost and status only now.")
    page.get_by_role("link", name="Who changed this").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    with page.expect_download() as log:
        page.get_by_role("link", name="Download as CSV").click()
    assert log.value.path().read_text().count("studio_settings") == 2
    page.goto("/admin/backups")
    page.get_by_role("button", name="Make one now").click()
    told(page, "is made.")
    page.locator("details.ask-once summary", has_text="Download").click()
    page.get_by_label("Your password").fill(PASSWORD)
    with page.expect_download() as backup:
        page.get_by_role("button", name="Download it").click()
    assert backup.value.path().read_bytes()[:2] == b"PK"


@on_the_phone
def test_a_person_is_ruled_from_their_page(page: Page, mess: Mess) -> None:
    page.goto("/admin/users")
    page.get_by_label("Sorted by").select_option("spent most")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=EVIL).click()
    expect(page.get_by_role("heading", name="On which models")).to_be_visible()
    page.get_by_role("link", name="By model and day").click()
    expect(page.get_by_role("heading", name="Spend", exact=True)).to_be_visible()
    page.locator(".ranks").last.get_by_role("link", name="flux").click()
    expect(page.get_by_label("Model")).to_have_value("black-forest-labs/flux.2-klein-4b")
    page.get_by_role("link", name="Every model, not only").click()
    page.locator(".ranks").first.get_by_role("link", name=MEMBER).click()
    page.get_by_label("Per month, in dollars").fill("12")
    page.get_by_role("button", name="Save").click()
    told(page, "has a new budget.")
    for act, words in (
        ("Make an admin", "is now an admin."),
        ("Make a user", "is now a normal user."),
    ):
        confirm(page, act, act)
        told(page, words)
    page.get_by_role("button", name="Reset link").click()
    expect(page.locator("#secret-link")).to_be_visible()
    page.locator(".links form button").first.click()
    told(page, "is ended.")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
