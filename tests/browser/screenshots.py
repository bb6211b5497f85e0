"""`python -m tests.browser.screenshots`: makes the pictures in docs/pictures/, with the sandbox."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.browser import community
from tests.browser.chromium import PATIENCE_MS, chromium, set_up, sign_in
from tests.stack import ROOT, running_stack

DOCS = ROOT / "docs" / "pictures"
EMAIL = "ada@example.org"
PASSWORD = "correct horse battery staple"
IMAGES = (
    "A fox in fresh snow, soft morning light",
    "An old harbour town in watercolour",
    "Mountains under two moons, paper cut",
    "A lighthouse in a storm at night",
    "Red desert dunes at sunset",
    "A quiet forest in autumn fog",
    "A city by the sea in the rain",
)
VIDEO = "Waves roll onto a dark beach, the camera glides forward"
WIDTH = 1280
QUESTION = "Write a Python function that greets somebody, and explain it"
PAGES = {
    "home": "/",
    "image": "/generate/image?job={image}",
    "text": "/generate/text?conversation={text}",
    "video": "/generations/{video}",
    "gallery": "/gallery",
    "board": "/admin",
}

LOAD_VIDEOS = """() => Promise.all([...document.querySelectorAll('video')].map(video => {
  const loaded = new Promise(done => { video.oncanplay = () => setTimeout(done, 1000) })
  video.preload = 'auto'
  video.load()
  return loaded
}))"""
"""Otherwise the player turns its wheel, which takes a moment to fade."""


def make(page: Page, kind: str, prompt: str) -> str:
    """Make a generation, wait for it, and return its id."""
    page.goto(f"/generate/{kind}")
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Generate").click()
    page.locator("[data-status=completed]").wait_for()
    return page.url.partition("job=")[2] or page.url.rpartition("/")[2]


def ask(page: Page, question: str) -> str:
    """Ask the question and return the id of the conversation."""
    page.goto("/generate/text")
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send").click()
    page.locator(".message-assistant footer button").wait_for()
    return page.url.partition("conversation=")[2]


def picture(
    browser: Browser,
    web_url: str,
    paths: dict[str, str],
    schemes: Sequence[Literal["light", "dark"]],
) -> list[Path]:
    made = []
    for scheme in schemes:
        context = browser.new_context(
            base_url=web_url, viewport={"width": WIDTH, "height": 800}, color_scheme=scheme
        )
        page = context.new_page()
        sign_in(page, web_url, EMAIL, PASSWORD)
        for name, path in paths.items():
            page.goto(path, wait_until="networkidle")
            page.evaluate(LOAD_VIDEOS)
            target = DOCS / f"{name}-{scheme}.png"
            page.screenshot(path=target)
            made.append(target)
        context.close()
    return made


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with running_stack() as stack, chromium() as browser:
        context = browser.new_context(base_url=stack.web_url)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        set_up(page, stack.web_url, stack.setup_token, EMAIL, PASSWORD)
        page.goto("/profile")
        page.get_by_label("Name").fill("Ada")
        page.locator("#about").get_by_role("button", name="Save").click()
        for prompt in IMAGES[1:]:
            make(page, "image", prompt)
        video = make(page, "video", VIDEO)
        text = ask(page, QUESTION)
        image = make(page, "image", IMAGES[0])
        context.close()
        community.fill(stack, EMAIL, PASSWORD)
        paths = {
            name: path.format(image=image, video=video, text=text) for name, path in PAGES.items()
        }
        for path in picture(browser, stack.web_url, paths, ("light", "dark")):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
