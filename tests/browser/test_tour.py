"""A person's first five minutes, in a real browser at a desk. The phone's day is in
test_phone.py."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import play, sign_in, watched
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.test_pages import PNG
from tests.stack import Stack


def hand_over(page: Page, how: str, place: str) -> None:
    """Give the page a picture as it comes from a folder (`drop`) or from another program
    (`paste`)."""
    page.locator(place).evaluate(
        """(place, [how, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "here.png", { type: "image/png" }));
            const event = how === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            place.dispatchEvent(event);
        }""",
        [how, list(PNG)],
    )


def test_an_image_then_a_video_from_it_then_the_gallery(page: Page) -> None:
    page.get_by_label("Prompt").fill("A fox in fresh snow")
    expect(page.locator(".quick #price")).to_contain_text("$")
    page.locator(".quick").get_by_role("button", name="Image").click()
    picture = page.locator(".job-card .pictures img")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")
    page.locator(".quick").get_by_role("link", name="Options").click()
    page.wait_for_url("**/generate/image?**")
    expect(page.get_by_label("Prompt")).to_have_value("A fox in fresh snow")
    hand_over(page, "drop", ".bench-result")
    expect(page.locator(".chip img")).to_have_count(1)
    hand_over(page, "paste", "#f-prompt")
    expect(page.locator(".chip img")).to_have_count(2)

    page.locator(".tile").first.click()
    page.get_by_role("link", name="Animate").click()
    expect(page.locator(".pick [name=image_id]:checked")).to_have_count(1)
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


def test_a_file_that_is_no_picture_or_too_large_is_refused_with_its_reason(page: Page) -> None:
    page.goto("/generate/image")
    page.locator("#f-image").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"}
    )
    expect(page.get_by_role("alert")).to_contain_text("“notes.txt” is not a picture")
    expect(page.locator(".chip")).to_have_count(0)
    page.goto("/")
    prompt = page.get_by_label("Prompt")
    prompt.fill("x" * 9_990)
    prompt.press("Control+A")
    prompt.press("Control+C")
    prompt.press("End")
    prompt.press("Control+V")
    expect(page.locator(".toast")).to_contain_text(
        "What you pasted was cut: this field holds 10000 characters."
    )


def test_a_date_is_typed_to_its_end_before_the_gallery_is_filtered(page: Page) -> None:
    page.goto("/gallery")
    page.locator(".finder-more summary").click()
    page.get_by_label("From").focus()
    page.keyboard.type("07152020")
    expect(page.get_by_label("From")).to_have_value("2020-07-15")
    assert "since" not in page.url
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**since=2020-07-15**")


def test_an_answer_streams_in_and_the_conversation_goes_on(page: Page) -> None:
    page.goto("/generate/text")
    question = page.get_by_label("Your question")
    question.fill("What is <b>snow</b>?")
    question.press("Enter")
    done = page.locator(".message-assistant footer button")
    expect(done).to_have_count(1)
    expect(page.locator(".message-user .message-text")).to_have_text("What is <b>snow</b>?")
    expect(question).to_have_value("")
    expect(page.locator("#conversations a[aria-current]")).to_contain_text("What is <b>snow</b>?")
    question.fill("And ice, with a code example?")
    page.get_by_role("button", name="Send").click()
    expect(done).to_have_count(2)
    page.get_by_role("button", name="Ask again").first.click()
    expect(question).to_have_value("What is <b>snow</b>?")
    page.get_by_label("Search your conversations").fill("no such words")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_label("Name of the conversation").fill("About snow")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("heading", name="About snow")).to_be_visible()
    expect(page.locator(".message-user")).to_have_count(2)
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_role("button", name="Delete this conversation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted.")).to_be_visible()


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
    page.context.clear_cookies(name="theme")


def test_signing_out_leads_to_the_login_page(browser: Browser, stack: Stack) -> None:
    """It uses a session of its own: the other tests share one."""
    context = browser.new_context(base_url=stack.web_url)
    page = context.new_page()
    sign_in(page, stack.web_url, EMAIL, PASSWORD)
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/gallery")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_invited_registered_disabled_and_signed_out(
    page: Page, browser: Browser, stack: Stack
) -> None:
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("navigation", name="Administration").get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Invite somebody").click()
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
    expect(
        guest.get_by_role("heading", name=re.compile("What shall we make, grace"))
    ).to_be_visible()
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
