"""Every page of a member, full of content: both themes, accessible, as wide as a phone, and with
hostile texts in every place."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.admin_web.hostile_texts import ATTACKS
from tests.browser.chromium import watched
from tests.browser.conftest import Opened
from tests.browser.look import look, too_wide

HOSTILE = " ".join(ATTACKS)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


PLAIN_PAGES = (
    *("/", "/generate/video", "/generate/video?from=image", "/gallery"),
    *("/gallery?q=nothing-like-this", "/inbox", "/profile", "/profile/spend"),
    *("/profile/sessions", "/profile/delete"),
)


@pytest.fixture(autouse=True)
def unharmed(page: Page) -> Iterator[None]:
    """Check on each page that the hostile texts, which would call `hit()`, never did."""
    page.add_init_script("window.hits = 0; window.hit = () => { window.hits += 1; };")
    yield
    assert page.evaluate("window.hits ?? 0") == 0


def looked(page: Page, path: str) -> list[str]:
    page.goto(path)
    assert page.evaluate("window.hits") == 0, path
    assert page.locator("#content").count() == 1, path
    return look(page)


def test_every_page_holds_hostile_words_and_is_good_to_use(page: Page, opened: Opened) -> None:
    page.goto("/profile")
    page.get_by_label("Name").fill(HOSTILE[:80])
    page.locator("#about").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    page.goto("/generate/image")
    page.get_by_label("Prompt").fill(HOSTILE)
    page.locator("#f-image").set_input_files(
        {"name": f"{ATTACKS[1]}.png", "mimeType": "image/png", "buffer": PNG}
    )
    expect(page.locator(".chip img")).to_be_visible()
    wrong = look(page)
    page.locator(".chip-remove").click()
    expect(page.locator(".chip")).to_have_count(0)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".job-card [data-status=completed]")).to_be_visible()
    image = page.url.partition("job=")[2]
    wrong += look(page)

    page.goto("/generate/text")
    page.get_by_label("Your question").fill(
        f"{HOSTILE}\n\n[x](javascript:hit()) ![y](https://example.org/z.png)"
    )
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".message-assistant footer button")).to_be_visible()
    wrong += look(page)
    conversation = page.url.partition("conversation=")[2]

    page.goto(f"/generations/{image}")
    page.get_by_role("button", name="Make a link").click()
    shared = page.locator(".shares code").inner_text()
    page.get_by_role("button", name="Favourite").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    wrong += look(page)

    for path in (*PLAIN_PAGES, f"/generate/text?conversation={conversation}", shared):
        wrong += looked(page, path)
    page.goto("/profile")
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Language").select_option("de")
    page.locator("#about").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Gespeichert.")).to_be_visible()
    for path in ("/", "/generate/image", "/gallery", "/profile"):
        page.goto(path)
        wrong += too_wide(page)
    page.goto("/profile")
    page.get_by_label("Sprache").select_option("en")
    page.locator("#about").get_by_role("button", name="Speichern").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert not wrong, "\n".join(wrong)


def test_visitors_pages(opened: Opened, page: Page) -> None:
    context = opened.browser.new_context(
        base_url=re.sub(r"(https?://[^/]+).*", r"\1", page.url), reduced_motion="reduce"
    )
    complaints: list[str] = []
    visitor = watched(context.new_page(), complaints)
    wrong: list[str] = []
    for path in ("/login", "/setup", "/register", "/reset?token=x"):
        visitor.goto(path)
        wrong += look(visitor)
    context.close()
    assert wrong == []
    assert complaints == []


def test_the_gallery_by_keyboard_and_several_at_once(page: Page) -> None:
    page.goto("/generate/image")
    page.locator("fieldset", has_text="How many").locator(".pill").nth(1).click()
    for prompt in ("First", "Second"):
        page.get_by_label("Prompt").fill(prompt)
        page.get_by_role("button", name="Generate").click()
        made = page.locator(".job-card").filter(has_text=prompt).locator("[data-status=completed]")
        expect(made.first).to_be_visible()
        page.reload()
    page.goto("/gallery?q=st")
    page.locator("[data-open]").first.focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog", name="Viewer")
    expect(viewer).to_be_visible()
    page.keyboard.press("f")
    expect(viewer.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    assert look(page) == []
    expect(viewer.locator("[data-which]")).to_have_text("1 / 2")
    begins = [viewer.get_by_role("link", name=name) for name in ("Edit", "Animate")]
    first = [one.get_attribute("href") for one in begins]
    page.keyboard.press("ArrowRight")
    expect(viewer.locator("[data-which]")).to_have_text("2 / 2")
    assert [one.get_attribute("href") for one in begins] != first, (
        "it begins with the picture that is shown"
    )
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(page.locator("[data-open]").first).to_be_focused()
    page.goto("/gallery?favourite=true")
    expect(page.locator("#wall img[alt=First]")).to_have_count(1)
    page.goto("/gallery")
    for prompt in ("First", "Second"):
        page.get_by_label(f"Choose: {prompt}").check(force=True)
    with page.expect_download() as loading:
        page.get_by_role("button", name="Download as zip").click()
    assert loading.value.suggested_filename.endswith(".zip")
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("2 deleted.")).to_be_visible()
    expect(page.locator("#wall img[alt=First]")).to_have_count(0)
