"""A secret that the api gave out once: it waits, sealed in the session, for the next page and is
gone when that has shown it."""

from pydantic import BaseModel

from admin_web.sessions.caller import web_session

KEY = "shown_once"


def keep(about: str, secret: BaseModel) -> None:
    """`about` names the page's subject, so that another subject's page does not show it."""
    web_session()[KEY] = {"about": about, "secret": secret.model_dump(mode="json")}


def take(about: str) -> object:
    """What was kept for this subject, for the last time; else None."""
    held = web_session().get(KEY)
    if not isinstance(held, dict) or held.get("about") != about:
        return None
    web_session().pop(KEY)
    return held["secret"]
