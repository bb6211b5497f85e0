"""Secrets that are shown once, such as an invitation link: sealed in the session until the next
page shows them."""

from pydantic import BaseModel

from admin_web.sessions.caller import web_session

KEY = "shown_once"


def keep(about: str, secret: BaseModel) -> None:
    """`about` names the page's subject, so that another subject's page does not show it."""
    web_session()[KEY] = {"about": about, "secret": secret.model_dump(mode="json")}


def take(about: str) -> object:
    """Return the secret of this subject and forget it; None where there is none."""
    held = web_session().get(KEY)
    if not isinstance(held, dict) or held.get("about") != about:
        return None
    web_session().pop(KEY)
    return held["secret"]
