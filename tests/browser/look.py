"""Looks at a page as it stands: is it usable for everybody in light and in dark, does it fit a phone, how much did it load."""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
PHONE = 360
HEAVY = 300 * 1024
SERIOUS = {"serious", "critical"}

_RUN = """async (rules) => {
    const options = rules ? { runOnly: { type: "rule", values: rules } } : { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] };
    const found = await axe.run(document, { ...options, resultTypes: ["violations"] });
    return found.violations.map((one) => ({ id: one.id, impact: one.impact, where: one.nodes.slice(0, 3).map((node) => node.html) }));
}"""
_LOADED = """() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
    .filter((one) => !one.name.includes("/media/"))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""


def look(page: Page) -> list[str]:
    """What is wrong, one line each. The page is left as it was found: light, as wide as it came."""
    wrong = _inaccessible(page, "light", None)
    page.emulate_media(color_scheme="dark")
    wrong += _inaccessible(page, "dark", ["color-contrast"])
    page.emulate_media(color_scheme="light")
    loaded = page.evaluate(_LOADED)
    if loaded > HEAVY:
        wrong.append(f"{page.url} loads {loaded} bytes")
    return wrong + _too_wide(page)


def _inaccessible(page: Page, scheme: str, rules: list[str] | None) -> list[str]:
    page.evaluate(AXE)  # by the browser's own door: the content policy would not let a script of the page do this
    found = page.evaluate(_RUN, rules)
    return [f"{page.url} ({scheme}): {one['id']} {one['where']}" for one in found if one["impact"] in SERIOUS]


def _too_wide(page: Page) -> list[str]:
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": PHONE, "height": 740})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(size)
    return [f"{page.url} is {width} pixels wide on a phone"] if width > PHONE else []
