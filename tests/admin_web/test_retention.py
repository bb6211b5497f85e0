"""The page on which an admin decides how long things are kept, and what members read of it."""

from collections.abc import Iterator

import pytest

from tests.admin_web.browser import Browser

FIELDS = ("media_days", "conversations_days", "audit_days", "trash_days")


@pytest.fixture
def keeping(admin: Browser) -> Iterator[Browser]:
    """Give the admin, who keeps everything again at the end."""
    yield admin
    admin.get("/admin/retention")
    admin.post("/admin/retention", dict.fromkeys(FIELDS, ""))


def test_what_would_go_is_shown_before_it_is_decided(keeping: Browser, browser: Browser) -> None:
    page = keeping.get("/admin/retention").text
    assert "Nothing: everything is kept until it is deleted by hand." in page
    assert "Yes, delete what is older" not in page
    shown = keeping.get("/admin/retention?media_days=3650&audit_days=").text
    assert "Images and videos" in shown
    assert "What would go with this" in shown
    assert "Yes, delete what is older" in shown
    assert "after 3650 days" not in browser.get("/gallery").text, "nothing is decided yet"
    keeping.post("/admin/retention", {"media_days": "3650", "conversations_days": "3649"})
    done = keeping.get("/admin/retention").text
    assert "What is older is deleted within the hour" in done
    assert "What goes next" in done
    assert "deleted after 3650 days. Favourites stay." in browser.get("/gallery").text
    assert "deleted 3649 days after the last message." in browser.get("/generate/text").text
    profile = browser.get("/profile").text
    assert "deleted after 3650 days. Favourites stay." in profile
    assert "deleted 3649 days after the last message." in profile
    audit = keeping.get("/admin/audit?action=retention_settings").text
    assert "Changed how long things are kept" in audit


def test_odd_numbers_are_marked(keeping: Browser) -> None:
    for days in ("0", "4000", "soon"):
        wrong = keeping.get(f"/admin/retention?media_days={days}")
        assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True), days
        refused = keeping.post("/admin/retention", {"media_days": days})
        assert refused.status_code == 422
