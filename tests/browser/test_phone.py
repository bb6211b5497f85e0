"""A member's day on a phone, in the dark: every act on generations, on conversations and on the
account. The desk's walks are in test_tour.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Page, expect

from api.secrets import ensure_secrets
from tests.browser.chromium import sign_in, watched
from tests.browser.conftest import EMAIL, PASSWORD, SIZES, Opened
from tests.browser.look import look, too_wide
from tests.browser.test_pages import PNG
from tests.stack import Stack

MEMBER = "linus@example.org"
WAVES = "Waves at night roll onto a dark beach, again and again, until the morning"
NEW_PASSWORD = "another horse, another staple"
CHAT = {"platform_user_id": "815", "display_name": f"Linus{'x' * 40}", "chat_id": "815"}


@dataclass(frozen=True, slots=True)
class Day:
    """The open phone; `page` stays open from test to test."""

    page: Page
    api: httpx.Client
    bot: dict[str, str]
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def day(stack: Stack, opened: Opened) -> Iterator[Day]:
    width, height = SIZES["phone"]
    context = opened.browser.new_context(
        base_url=stack.web_url,
        viewport={"width": width, "height": height},
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
        reduced_motion="reduce",
        timezone_id="Europe/Berlin",
    )
    complaints: list[str] = []
    page = watched(context.new_page(), complaints)
    with httpx.Client(base_url=stack.api_url, timeout=60) as api:
        admin = api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        invited = api.post(
            "/users", json={"email": MEMBER}, headers=bearer(admin["access_token"])
        ).json()
        body = {"email": MEMBER, "password": PASSWORD, "invite": invited["token"]}
        api.post("/auth/register", json=body).raise_for_status()
        sign_in(page, stack.web_url, MEMBER, PASSWORD)
        yield Day(
            page, api, bearer(ensure_secrets(stack.data_dir).bot_keys["telegram"]), complaints
        )
    context.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def phone(day: Day) -> Iterator[Page]:
    day.page.goto("/")
    yield day.page
    wrong = [*day.complaints, *too_wide(day.page)]
    day.complaints.clear()
    assert wrong == []


def make(page: Page, *prompts: str) -> None:
    """Ask for images one after the other without waiting, then wait for all."""
    page.goto("/generate/image")
    for prompt in prompts:
        page.get_by_label("Prompt").fill(prompt)
        page.get_by_role("button", name="Generate").click()
        expect(page.locator(".result-head").first).to_contain_text(prompt)
    expect(page.locator(".job-card [data-status=completed]")).to_have_count(len(prompts))


def test_several_at_once_with_options_that_cost(phone: Page) -> None:
    bar = phone.get_by_role("navigation", name="Main").bounding_box()
    assert bar is not None
    assert bar["y"] > 600, "the menu is at the thumb"
    phone.get_by_label("Main").get_by_text("Generate").click()
    phone.get_by_role("link", name="Image", exact=True).click()
    price = phone.locator("#price b")
    before = price.inner_text()
    phone.locator("fieldset", has_text="How many").locator(".pill").nth(1).tap()
    expect(price).not_to_have_text(before)
    phone.locator("fieldset", has_text="Aspect ratio").locator(".pill").last.tap()
    for prompt in ("A red fox", "A blue fox"):
        phone.get_by_label("Prompt").fill(prompt)
        phone.get_by_role("button", name="Generate").click()
        expect(phone.locator(".result-head").first).to_contain_text(prompt)
    expect(phone.locator(".job-card [data-status=completed]")).to_have_count(2)
    assert look(phone) == []

    phone.goto("/profile")
    phone.get_by_label("Ask me before something costs more").fill("0.0001")
    phone.locator("#making").get_by_role("button", name="Save").click()
    phone.goto("/generate/image")
    cards = phone.locator(".job-card").count()
    phone.get_by_label("Prompt").fill("A costly fox")
    phone.get_by_role("button", name="Generate").click()
    expect(phone.locator("#ask-sentence")).to_contain_text("This may cost up to $0.0")
    phone.get_by_role("button", name="No", exact=True).click()
    expect(phone.locator(".job-card")).to_have_count(cards)
    phone.get_by_role("button", name="Generate").click()
    phone.get_by_role("button", name="Yes, make it").click()
    expect(phone.locator(".job-card [data-status=completed]")).to_be_visible()
    phone.goto("/profile")
    phone.get_by_label("Ask me before something costs more").fill("")
    phone.locator("#making").get_by_role("button", name="Save").click()
    expect(phone.get_by_text("Saved.")).to_be_visible()


def test_neither_a_mistake_nor_the_end_of_a_session_loses_what_was_typed(
    phone: Page, day: Day
) -> None:
    phone.goto("/generate/image")
    phone.locator("summary", has_text="More options").tap()
    form = phone.locator("form[data-make]")
    form.evaluate("form => { form.noValidate = true; }")
    phone.get_by_label("Seed").fill("-5")
    phone.locator("summary", has_text="More options").tap()
    phone.get_by_label("Prompt").fill("A long thought")
    phone.get_by_role("button", name="Generate").click()
    expect(phone.locator("#e-seed")).to_have_text("This has to be 0 or more.")
    expect(phone.get_by_label("Seed")).to_be_focused()
    phone.get_by_label("Seed").fill("5")
    held = phone.context.cookies()
    phone.context.clear_cookies()
    phone.get_by_role("button", name="Generate").click()
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
    phone.context.add_cookies(
        [{"name": one["name"], "value": one["value"], "url": phone.url} for one in held]
    )
    phone.goto("/generate/image")
    expect(phone.get_by_label("Prompt")).to_have_value("A long thought")
    refused = [
        complaint
        for complaint in day.complaints
        if "status of 422" in complaint or "status of 401" in complaint
    ]
    assert refused == day.complaints
    day.complaints.clear()


@contextmanager
def timed(stack: Stack, **seconds: float) -> Iterator[None]:
    """Slow the sandbox down, so that a job is not ready before its progress has been looked at."""
    control = f"{stack.sandbox_url}/_sandbox/faults"
    held = httpx.get(control).json()
    httpx.put(control, json={"timing": seconds}).raise_for_status()
    yield
    httpx.put(control, json=held).raise_for_status()


@pytest.fixture
def endless(stack: Stack) -> Iterator[None]:
    with timed(stack, video=600.0):
        yield


@pytest.mark.usefixtures("endless")
def test_a_video_between_two_pictures_is_cancelled_and_tried_again(phone: Page) -> None:
    phone.goto("/generate/video")
    phone.get_by_role("link", name="From an image").click()
    model = phone.locator("select[name=model]")
    model.select_option(model.locator("option[data-last]").first.get_attribute("value"))
    for name in ("image", "last"):
        phone.locator(f"#f-{name}").set_input_files(
            {"name": f"{name}.png", "mimeType": "image/png", "buffer": PNG}
        )
        expect(phone.get_by_text(f"{name}.png")).to_be_visible()
    assert look(phone) == []
    phone.get_by_label("Prompt").fill(WAVES)
    phone.get_by_role("button", name="Generate").click()
    phone.get_by_role("button", name="Cancel").click()
    expect(phone.locator(".job-card [data-status=cancelled]")).to_be_visible()
    expect(phone.get_by_label("Prompt")).to_have_value(WAVES)
    phone.get_by_role("link", name="Try again").click()
    expect(phone.locator("[name=attached_id], [name=last_id]")).to_have_count(2)
    expect(phone.get_by_label("Prompt")).to_have_value(WAVES)
    phone.get_by_role("button", name="Generate").click()
    expect(phone.locator(".job-card [data-running]")).to_be_visible()
    phone.goto("/")
    expect(phone.locator(".job")).to_be_visible()
    assert too_wide(phone) == []
    phone.locator(".job").get_by_role("button", name="Cancel").click()
    expect(phone.locator(".job")).to_have_count(0)


def test_a_chat_is_linked_and_gets_what_was_made_here(phone: Page, day: Day) -> None:
    make(phone, "For the chat")
    phone.goto("/profile")
    day.api.post("/bot/deliveries/claim?wait=0", headers=day.bot).raise_for_status()
    phone.get_by_role("button", name="Telegram").click()
    code = phone.locator("#link-code").inner_text().removeprefix("/link ")
    redeemed = day.api.post(
        "/bot/links/redeem", json={**CHAT, "code": code, "private": True}, headers=day.bot
    ).json()
    answer = {
        "code_id": redeemed["code_id"],
        "platform_user_id": CHAT["platform_user_id"],
        "accept": True,
    }
    day.api.post("/bot/links/answer", json=answer, headers=day.bot).raise_for_status()
    phone.get_by_role("button", name="Yes, link it").click()
    expect(phone.get_by_role("heading", name="Linked")).to_be_visible()

    phone.goto("/gallery?q=For+the+chat")
    phone.locator("[data-open]").tap()
    assert look(phone) == []
    phone.get_by_role("link", name="Details").click()
    phone.wait_for_url("**/generations/*")
    assert too_wide(phone) == [], "a name without a place to break it"
    phone.get_by_role("button", name="Send to Telegram (Linus").click()
    expect(phone.locator(".toast")).to_be_visible()
    sent: set[str] = set()
    while "generation_completed" not in sent:
        for row in day.api.post("/bot/deliveries/claim?wait=25", headers=day.bot).json():
            sent.add(row["event"]["type"])
            day.api.post(
                f"/bot/deliveries/{row['id']}/ack",
                json={"lease": row["lease"], "message_ids": ["1"]},
                headers=day.bot,
            )
    phone.goto("/profile")
    assert too_wide(phone) == []
    phone.get_by_role("button", name="Unlink").click()
    expect(phone.get_by_text("No chat is linked yet.")).to_be_visible()


def test_a_result_is_liked_shared_varied_and_deleted(phone: Page) -> None:
    make(phone, "A fox to share")
    phone.locator(".result-head a").first.click()
    expect(phone.get_by_text("Took")).to_be_visible()
    phone.get_by_role("button", name="Favourite").click()
    expect(phone.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    expect(phone.get_by_role("button", name="Favourite")).to_be_focused()
    phone.get_by_role("button", name="Make a link").click()
    expect(phone.locator(".shares code")).to_contain_text("/shared/")
    assert look(phone) == []
    phone.get_by_role("button", name="End", exact=True).click()
    expect(phone.locator(".shares code")).to_have_count(0)
    first = phone.url
    phone.get_by_role("button", name="Vary").click()
    phone.wait_for_url(lambda address: address != first)
    expect(phone.get_by_text("Began with")).to_be_visible()
    expect(phone.get_by_text("Took")).to_be_visible()
    phone.get_by_role("button", name="Delete").click()
    phone.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(phone.get_by_text("Deleted.")).to_be_visible()


def test_the_gallery_is_filtered_seen_and_cleared_by_touch(phone: Page) -> None:
    make(phone, "First", "Second")
    phone.get_by_role("link", name="Gallery").first.click()
    phone.get_by_label("Search").fill("st")
    phone.get_by_label("Search").press("Enter")
    expect(phone.locator("#wall img[alt=Second]")).to_have_count(0)
    phone.goto("/gallery")
    phone.locator("summary", has_text="Filters").tap()
    phone.get_by_label("Asked for in").select_option("web")
    expect(phone.locator("#wall img[alt=Second]")).to_have_count(1)
    phone.get_by_role("navigation", name="Kind").get_by_role("link", name="Images").tap()
    phone.locator("#wall [data-open]", has=phone.locator("img[alt=Second]")).tap()
    viewer = phone.get_by_role("dialog", name="Viewer")
    expect(viewer.locator("[data-words]")).to_have_text("Second")
    viewer.get_by_role("button", name="The next one").tap()
    expect(viewer.locator("[data-words]")).to_have_text("First")
    viewer.get_by_role("button", name="Close").tap()
    for prompt in ("First", "Second"):
        phone.get_by_label(f"Choose: {prompt}").check(force=True)
    with phone.expect_download() as loading:
        phone.get_by_role("button", name="Download as zip").click()
    assert loading.value.suggested_filename.endswith(".zip")
    phone.locator("#bulk").get_by_role("button", name="Delete").click()
    phone.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(phone.get_by_text("2 deleted.")).to_be_visible()


def test_a_conversation_with_a_picture_is_stopped_found_renamed_and_deleted(
    phone: Page, stack: Stack
) -> None:
    phone.goto("/generate/text")
    phone.locator("summary", has_text="Instructions").tap()
    phone.get_by_label("Instructions for each answer").fill("Be brief.")
    phone.locator("#f-image").set_input_files(
        {"name": "sky.png", "mimeType": "image/png", "buffer": PNG}
    )
    expect(phone.get_by_text("sky.png")).to_be_visible()
    phone.get_by_label("Your question").fill("Tell me a very long story about this")
    with timed(stack, token=0.5):
        phone.get_by_role("button", name="Send").click()
        expect(phone.locator(".message-assistant .answer")).not_to_be_empty()
        phone.get_by_role("button", name="Stop").click()
        expect(phone.get_by_text("Stopped.")).to_be_visible()
    phone.get_by_label("Your question").fill("And in one sentence?")
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator(".message-assistant footer").last).to_contain_text("$")
    phone.goto("/generate/text?q=sentence")
    phone.locator("#conversations a").first.click()
    expect(phone.locator(".message-pictures a[href*='/media/'] img")).to_have_count(1)
    expect(phone.locator("summary q")).to_have_text("Be brief.")
    phone.get_by_role("button", name="Rename or delete").click()
    phone.get_by_label("Name of the conversation").fill("About the sky")
    phone.get_by_role("button", name="Rename", exact=True).click()
    expect(phone.get_by_role("heading", name="About the sky")).to_be_visible()
    phone.get_by_role("button", name="Rename or delete").click()
    phone.get_by_role("button", name="Delete this conversation").click()
    phone.get_by_role("button", name="Delete", exact=True).click()
    expect(phone.get_by_text("Deleted.")).to_be_visible()


def test_the_account_is_changed_taken_along_and_erased(phone: Page, day: Day) -> None:
    day.api.post(
        "/auth/login",
        json={"email": MEMBER, "password": PASSWORD},
        headers={"user-agent": "a stolen phone"},
    ).raise_for_status()
    phone.goto("/profile/sessions")
    phone.locator("tr", has_text="stolen").get_by_role("button", name="End").click()
    expect(phone.locator("tr", has_text="stolen")).to_have_count(0)
    phone.goto("/profile")
    with phone.expect_download() as loading:
        phone.get_by_role("button", name="Download my data").click()
    assert loading.value.suggested_filename.endswith(".zip")
    phone.get_by_label("Your password now").fill(PASSWORD)
    phone.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    phone.get_by_label("The new password again").fill(NEW_PASSWORD)
    phone.get_by_role("button", name="Change password").click()
    expect(phone.locator(".toast")).to_be_visible()
    phone.goto("/profile")
    phone.get_by_role("link", name="Delete my account").click()
    phone.get_by_label(f"Type {MEMBER} to confirm").fill(MEMBER)
    phone.get_by_label("Your password").fill(NEW_PASSWORD)
    phone.get_by_role("button", name="Delete for good").click()
    expect(phone.get_by_text("Your account is deleted")).to_be_visible()
    refused = day.api.post("/auth/login", json={"email": MEMBER, "password": NEW_PASSWORD})
    assert refused.status_code == 401
