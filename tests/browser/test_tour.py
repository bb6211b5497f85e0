"""What a person does in the first five minutes, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import play


def test_an_image_then_a_video_from_it_then_the_gallery(page: Page) -> None:
    page.get_by_label("Prompt").fill("A fox in fresh snow")
    page.locator(".quick").get_by_role("button", name="Image").click()
    page.wait_for_url("**/generate/image?**")
    expect(page.get_by_label("Prompt")).to_have_value("A fox in fresh snow")
    page.get_by_role("button", name="Generate").click()
    picture = page.locator(".result img")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")

    page.get_by_role("button", name="Make a video").click()
    expect(page.locator(".pick input:checked")).to_have_count(1)
    page.get_by_label("Prompt").fill("The fox turns its head")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*")
    expect(page.locator("video")).to_be_visible()
    assert play(page) > 0
    expect(page.get_by_text("Took")).to_be_visible()

    page.get_by_role("link", name="Gallery").first.click()
    expect(page.get_by_role("link", name=re.compile("A fox in fresh snow"))).to_have_count(1)
    expect(page.get_by_role("link", name=re.compile("The fox turns its head"))).to_have_count(1)
    page.get_by_role("navigation", name="Kind").get_by_role("link", name="Videos").click()
    expect(page.get_by_role("link", name=re.compile("A fox in fresh snow"))).to_have_count(0)


def test_an_answer_streams_in_and_the_conversation_goes_on(page: Page) -> None:
    page.goto("/generate/text")
    question = page.get_by_label("Your question")
    question.fill("What is <b>snow</b>?")
    question.press("Control+Enter")
    answers = page.locator(".message-assistant footer")
    expect(answers).to_have_count(1)
    expect(page.locator(".message-user")).to_have_text("What is <b>snow</b>?")
    expect(question).to_have_value("")
    question.fill("And ice?")
    page.get_by_role("button", name="Send").click()
    expect(answers).to_have_count(2)
    page.reload()
    expect(page.locator(".message-user")).to_have_count(2)


def test_options_and_price_follow_the_model(page: Page) -> None:
    page.goto("/generate/video")
    length = page.get_by_label("Length")
    price = page.locator("#price b")
    length.select_option(index=1)
    before = price.inner_text()
    length.select_option(index=length.locator("option").count() - 1)
    expect(price).not_to_have_text(before)
    options = page.locator("#options").inner_html()
    page.get_by_label("Model").select_option(index=page.get_by_label("Model").locator("option").count() - 1)
    expect(page.locator("#options")).not_to_have_js_property("innerHTML", options)


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
    page.locator("summary", has_text="Generate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Image From words")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Image From words")).to_be_hidden()


def test_light_and_dark_are_kept(page: Page) -> None:
    root = page.locator("html")
    for expected in ("dark", "light"):
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(root).to_have_attribute("data-theme", expected)
        page.goto("/gallery")
        expect(root).to_have_attribute("data-theme", expected)


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_no_page_is_wider_than_a_phone(page: Page) -> None:
    accounts = ("/profile", "/profile/sessions", "/profile/delete", "/admin/users", "/admin/users/invite", "/admin/audit", "/admin/bots")
    for path in ("/", "/generate/text", "/generate/image", "/generate/video?from=image", "/gallery", *accounts):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    page.get_by_label("Menu").click()
    expect(page.get_by_role("link", name="Gallery")).to_be_visible()


def test_signing_out_leads_to_the_login_page(page: Page) -> None:
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/gallery")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
