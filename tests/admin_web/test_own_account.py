"""A person's own account: sessions, export, known devices, and deletion."""

import io
import json
import re
import zipfile

import pytest
from flask import Flask

from admin_web.words.devices import program
from api.auth.schemas import TokensOut
from tests.admin_web.browser import PASSWORD, Browser

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def elsewhere(app: Flask, email: str) -> Browser:
    """Return another browser in which the same person is signed in."""
    opened = Browser(app)
    opened.client.environ_base["HTTP_USER_AGENT"] = FIREFOX
    assert opened.sign_in(email).status_code == 302
    opened.get("/")
    return opened


def test_sessions_are_listed_this_one_is_marked_and_another_can_be_ended(
    browser: Browser, elsewhere: Browser
) -> None:
    page = browser.get("/profile/sessions").text
    assert "Firefox on Linux" in page
    assert page.count("This one") == 1
    ends = re.findall(r'action="(/profile/sessions/[\w-]+/end)"', page)
    assert len(ends) == 1, "all but this one"
    for sort, first in (("", "Firefox"), ("oldest", "This one")):
        sorted_page = browser.get(f"/profile/sessions?sort={sort}").text
        assert sorted_page.index(first) == min(
            sorted_page.index("Firefox"), sorted_page.index("This one")
        ), sort
    browser.post(ends[0])
    assert "That session is ended." in browser.get("/profile/sessions").text
    assert elsewhere.get("/").location == "/login"
    assert browser.get("/").status_code == 200


def test_all_other_sessions_end_at_once(browser: Browser, elsewhere: Browser) -> None:
    browser.post("/profile/sessions/end-others")
    assert elsewhere.get("/").location == "/login"
    page = browser.get("/profile/sessions").text
    assert "Firefox on Linux" not in page
    assert "Sign out everywhere else" not in page


def test_a_session_of_somebody_else_cannot_be_ended(browser: Browser, admin: Browser) -> None:
    ends = re.findall(
        r'action="(/profile/sessions/[\w-]+/end)"', admin.get("/profile/sessions").text
    )
    for path in ends:
        browser.post(path)
        assert "There is no such session." in browser.get("/profile/sessions").text
    assert admin.get("/").status_code == 200


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (f"allucanget-web {FIREFOX}", "Firefox on Linux"),
        (
            (
                "allucanget-web Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 "
                "Chrome/141.0 Safari/537.36 Edg/141.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "allucanget-web Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) "
                "Version/18.0 "
                "Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        ("allucanget-web ", "Browser"),
        ("curl/8.9", "curl/8.9"),
        ("", "Unknown program"),
    ],
)
def test_programs_in_words(client: str, words: str) -> None:
    assert program(client) == words


def test_a_device_is_remembered_and_a_stranger_does_not_hold_its_owner_up(
    app: Flask, email: str
) -> None:
    owner, stranger = Browser(app), Browser(app)
    cookie = next(
        one
        for one in owner.sign_in(email).headers.getlist("Set-Cookie")
        if one.startswith("device=")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    owner.get("/")
    owner.post("/logout")
    statuses = [stranger.sign_in(email, "guessed").status_code for _ in range(7)]
    assert statuses[-1] == 429
    assert stranger.sign_in(email).status_code == 429
    answer = owner.sign_in(email)
    assert answer.status_code == 302
    assert not any(one.startswith("device=") for one in answer.headers.getlist("Set-Cookie")), (
        "known already"
    )


def test_the_export_is_a_zip_of_what_is_held(browser: Browser, email: str) -> None:
    browser.get("/profile")
    answer = browser.post("/profile/export")
    assert answer.mimetype == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        texts = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".json")
        ]
    assert any(email in json.dumps(json.loads(text)) for text in texts)


@pytest.mark.parametrize("change", [{"typed": "yes"}, {"current_password": "not the password"}])
def test_leaving_needs_both_the_words_and_the_password(
    browser: Browser, email: str, change: dict[str, str]
) -> None:
    browser.get("/profile/delete")
    answer = browser.post(
        "/profile/delete", {"typed": email, "current_password": PASSWORD, **change}
    )
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert browser.get("/profile").status_code == 200


def test_leaving_deletes_the_account(
    app: Flask, admin: Browser, browser: Browser, account: TokensOut, email: str
) -> None:
    assert "cannot be undone" in browser.get("/profile/delete").text
    answer = browser.post("/profile/delete", {"typed": email.upper(), "current_password": PASSWORD})
    assert answer.location == "/login"
    assert "Your account is deleted" in browser.get("/login").text
    assert Browser(app).sign_in(email).status_code == 401
    assert admin.get(f"/admin/users/{account.user.id}").status_code == 404
