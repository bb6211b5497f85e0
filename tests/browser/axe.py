"""axe-core on the page that is open: what a reader of screens, a keyboard or weak eyes would stumble over."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
SERIOUS = {"serious", "critical"}
RUN = """() => axe.run(document, { resultTypes: ["violations"], iframes: false })"""


def serious_problems(page: Page) -> list[str]:
    """One line for each place; the page's content policy holds for its own scripts, not for what a test brings along."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(SCRIPT.read_text())
    found: list[dict[str, Any]] = page.evaluate(RUN)["violations"]
    return [
        f"{page.url}: {problem['id']}: {' '.join(node['target'])}: {node['html'][:150]}"
        for problem in found
        if problem["impact"] in SERIOUS
        for node in problem["nodes"]
    ]
