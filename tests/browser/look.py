"""Checks of a page as it stands: accessible in light and in dark, not wider than a phone, and not
too heavy."""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
PHONE = 360
TABLET = 821
"""The narrowest window in which tables are not stacked, in pixels."""
HEAVY = 300 * 1024
SERIOUS = {"serious", "critical"}

_RUN = """async (rules) => {
    const levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    const options = { runOnly: rules ? { type: "rule", values: rules } : levels };
    // preload would put each sheet into the page once more, which the content policy forbids
    const quick = { resultTypes: ["violations"], preload: false };
    const found = await axe.run(document, { ...options, ...quick });
    return found.violations.map((one) => ({
        id: one.id, impact: one.impact, where: one.nodes.slice(0, 3).map((node) => node.html),
    }));
}"""
_LOADED = """() => performance.getEntriesByType("resource")
    .concat(performance.getEntriesByType("navigation"))
    .filter((one) => !one.name.includes("/media/"))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""

_CUT = """() => [...document.querySelectorAll(".table-card, .table-scroll")]
    .map((one) => one.scrollWidth - one.clientWidth).filter((by) => by > 1)"""


def look(page: Page) -> list[str]:
    """Return the page's problems, one line each. The page is left as it was found."""
    came_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light")
    wrong = _inaccessible(page, "light", None)
    page.emulate_media(color_scheme="dark")
    wrong += _inaccessible(page, "dark", ["color-contrast"])
    page.emulate_media(color_scheme="dark" if came_dark else "light")
    loaded = page.evaluate(_LOADED)
    if loaded > HEAVY:
        wrong.append(f"{page.url} loads {loaded} bytes")
    return wrong + too_wide(page)


def place(page: Page, at: str) -> None:
    """Show the page at a desk in the light, or on a phone in the dark; its parts differ between the
    two."""
    width, height = (PHONE, 740) if at == "phone" else (1280, 860)
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if at == "phone" else "light", reduced_motion="reduce")


def look_in_both(page: Page, at: str) -> list[str]:
    """Return all problems of a page that was opened `at` one place, and those of the parts that
    differ at the other, in which it is left."""
    wrong = _inaccessible(page, at, None)
    loaded = page.evaluate(_LOADED)
    if loaded > HEAVY:
        wrong.append(f"{page.url} loads {loaded} bytes")
    place(page, "phone" if at == "desk" else "desk")
    return wrong + _inaccessible(page, "turned", ["color-contrast"]) + too_wide(page)


def _inaccessible(page: Page, scheme: str, rules: list[str] | None) -> list[str]:
    if not page.evaluate("'axe' in window"):
        # by the browser's own door: the content policy would not let a script of the page do this
        page.evaluate(AXE)
    found = page.evaluate(_RUN, rules)
    return [
        f"{page.url} ({scheme}): {one['id']} {one['where']}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def too_wide(page: Page, wanted: int = PHONE) -> list[str]:
    """Return a line if the page is wider than a phone, or than `wanted`."""
    size = page.viewport_size
    assert size is not None
    if size["width"] != wanted:
        page.set_viewport_size({"width": wanted, "height": 740})
    width = page.evaluate("document.documentElement.scrollWidth")
    cut = page.evaluate(_CUT)
    if size["width"] != wanted:
        page.set_viewport_size(size)
    wide = [f"{page.url} is {width} pixels wide where {wanted} fit"] if width > wanted else []
    return wide + [f"{page.url}: at {wanted} pixels a table is out of reach by {by}" for by in cut]
