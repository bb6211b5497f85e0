"""The pages of places: their list, one place's settings, what it spent."""

import httpx
import pytest

from api.secrets import ensure_secrets
from tests.admin_web.browser import Browser
from tests.stack import Stack


@pytest.fixture
def group(stack: Stack) -> str:
    """The path of a server's page."""
    key = ensure_secrets(stack.data_dir).bot_keys["discord"]
    seen = {"platform_place_id": "90", "name": "Fox <den>", "chat_id": "91", "chat_name": "art"}
    answer = httpx.post(
        f"{stack.api_url}/bot/places", json=seen, headers={"Authorization": f"Bearer {key}"}
    )
    return f"/admin/places/{answer.raise_for_status().json()['id']}"


def test_an_admin_sets_a_place_up_and_forgets_it(
    admin: Browser, browser: Browser, group: str
) -> None:
    assert "Fox &lt;den&gt;" in admin.get("/admin/places").text
    assert "No image or video yet." in admin.get(group).text
    form = {
        "audience": "everybody",
        "guests_allowed": "on",
        "monthly_usd": "12.50",
        "daily_usd": "1",
        "kinds": "text",
        "models": "",
        "spoiler": "on",
        "safe": "on",
        "blocked_words": "gore\n\nblood\n",
        "quiet_since": "22:00",
        "quiet_until": "07:00",
        "quiet_time_zone": "Europe/Berlin",
        "language": "de",
        "channels": "91",
    }
    assert admin.post(group, form).status_code == 302
    page = admin.get(group).text
    for part in ("Saved.", "gore\nblood", "12.50", "22:00", "Europe/Berlin"):
        assert part in page, part
    assert 'name="kinds" value="text" checked' in page
    assert 'name="kinds" value="image">' in page
    assert 'name="channels" value="91" checked' in page
    for field, wrong in (
        ("monthly_usd", "much"),
        ("models", "no such model at all"),
        ("quiet_time_zone", "Mars/North"),
    ):
        refused = admin.post(group, {**form, field: wrong})
        assert (refused.status_code, "notice-error" in refused.text) == (422, True), field
    assert "$12.50" in admin.get("/admin/places").text
    log = admin.get("/admin/audit?action=place_set").text
    assert "Changed a place" in log
    assert "gore" not in log
    assert browser.get("/admin/places").status_code == 403
    assert admin.post(f"{group}/forget").location.endswith("/admin/places")
    assert admin.get(group).status_code == 404
