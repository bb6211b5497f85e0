"""What a person does in the first five minutes, in a real browser."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import play, sign_in
from tests.browser.conftest import EMAIL, PASSWORD
from tests.stack import Stack


def test_an_image_then_a_video_from_it_then_the_gallery(page: Page) -> None:
    page.get_by_label("Prompt").fill("A fox in fresh snow")
    page.locator(".quick").get_by_role("button", name="Image").click()
    page.wait_for_url("**/generate/image?**")
    expect(page.get_by_label("Prompt")).to_have_value("A fox in fresh snow")
    page.get_by_label("Prompt").press("Control+Enter")
    picture = page.locator(".job-card .pictures img")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")
    expect(page.get_by_label("Prompt")).to_have_value("A fox in fresh snow")

    page.get_by_role("button", name="Animate").click()
    expect(page.locator(".pick input:checked")).to_have_count(1)
    page.get_by_label("Prompt").fill("The fox turns its head")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".job-card [data-running]")).to_be_visible()
    page.reload()
    expect(page.locator(".job-card video")).to_be_visible()
    assert play(page) > 0
    page.locator(".result-head a").click()
    expect(page.get_by_text("Took")).to_be_visible()

    page.get_by_role("link", name="Gallery").first.click()
    expect(page.locator("#wall img[alt='A fox in fresh snow']")).to_have_count(1)
    page.get_by_role("navigation", name="Kind").get_by_role("link", name="Videos").click()
    expect(page.locator("#wall img[alt='The fox turns its head']")).to_have_count(1)
    expect(page.locator("#wall img[alt='A fox in fresh snow']")).to_have_count(0)


def test_an_answer_streams_in_and_the_conversation_goes_on(page: Page) -> None:
    page.goto("/generate/text")
    question = page.get_by_label("Your question")
    question.fill("What is <b>snow</b>?")
    question.press("Enter")
    done = page.locator(".message-assistant footer button")
    expect(done).to_have_count(1)
    expect(page.locator(".message-user")).to_have_text("What is <b>snow</b>?")
    expect(question).to_have_value("")
    expect(page.locator("#conversations a[aria-current]")).to_contain_text("What is <b>snow</b>?")
    question.fill("And ice, with a code example?")
    page.get_by_role("button", name="Send").click()
    expect(done).to_have_count(2)
    page.reload()
    expect(page.locator(".message-user")).to_have_count(2)
    page.get_by_label("Search your conversations").fill("no such words")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_label("Name of the conversation").fill("About snow")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("heading", name="About snow")).to_be_visible()
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_role("button", name="Delete this conversation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted.")).to_be_visible()


def test_an_answer_can_be_stopped(page: Page) -> None:
    page.goto("/generate/text")
    page.get_by_label("Your question").fill("Tell me a very long story")
    page.get_by_label("Your question").press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_options_and_price_follow_the_model_and_a_cost_is_asked_about_once(page: Page) -> None:
    page.goto("/generate/video")
    price = page.locator("#price b")
    before = price.inner_text()
    page.locator("fieldset", has_text="Length").locator(".pill").last.click()
    expect(price).not_to_have_text(before)
    options = page.locator("#options").inner_html()
    page.get_by_label("Model").select_option(index=page.get_by_label("Model").locator("option").count() - 1)
    expect(page.locator("#options")).not_to_have_js_property("innerHTML", options)

    page.goto("/profile")
    page.get_by_label("Ask me before something costs more").fill("0.0001")
    page.locator("#making").get_by_role("button", name="Save").click()
    page.goto("/generate/image")
    page.get_by_label("Prompt").fill("A costly fox")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#ask-sentence")).to_contain_text("This may cost up to $0.0")
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.locator(".job-card")).to_have_count(0)
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Yes, make it").click()
    expect(page.locator(".job-card [data-status=completed]")).to_be_visible()
    page.goto("/profile")
    page.get_by_label("Ask me before something costs more").fill("")
    page.locator("#making").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_cancel_stops_a_running_video(page: Page) -> None:
    page.goto("/generate/video")
    page.get_by_label("Prompt").fill("Waves at night")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_the_linking_page_updates_by_itself_and_menus_work_by_keyboard(page: Page) -> None:
    page.goto("/profile")
    page.get_by_role("button", name="Terminal").click()
    expect(page.locator("#link-code")).to_contain_text("/link ")
    page.get_by_label("Your account").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="What you spent")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="What you spent")).to_be_hidden()


def test_light_and_dark_are_kept(page: Page) -> None:
    root = page.locator("html")
    for expected in ("dark", "light"):
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(root).to_have_attribute("data-theme", expected)
        page.goto("/gallery")
        expect(root).to_have_attribute("data-theme", expected)


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_on_a_phone_the_menu_is_at_the_thumb(page: Page) -> None:
    page.get_by_role("link", name="Gallery").first.click()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    bar = page.get_by_role("navigation", name="Main").bounding_box()
    assert bar is not None
    assert bar["y"] > 600
    page.get_by_role("link", name="Image", exact=True).click()
    page.get_by_label("Prompt").fill("Small")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".job-card [data-status=completed]")).to_be_visible()


def test_signing_out_leads_to_the_login_page(browser: Browser, stack: Stack) -> None:
    """In a session of its own: the other tests share one."""
    context = browser.new_context(base_url=stack.web_url)
    page = context.new_page()
    sign_in(page, stack.web_url, EMAIL, PASSWORD)
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/gallery")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
