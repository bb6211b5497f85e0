"""Browsers and programs that opened a session, in words."""

from admin_web.settings import AGENT
from admin_web.words.language import _

# The first that is found counts: Edge and Opera call themselves Chrome too, Chrome calls itself
# Safari.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def program(client: str) -> str:
    """Name the program. `client` is the User-Agent header, as far as the api keeps it."""
    if not client.startswith(AGENT):
        return client[:60] or _("Unknown program")
    said = client.removeprefix(AGENT)
    browser = next((name for mark, name in _BROWSERS if mark in said), _("Browser"))
    system = next((name for mark, name in _SYSTEMS if mark in said), "")
    return _("%(browser)s on %(system)s", browser=browser, system=system) if system else browser
