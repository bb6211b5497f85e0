"""The profile, and linking a chat with both sides confirming."""

import re
from collections.abc import Callable

import httpx
import pytest
from flask import Flask

from api.auth.schemas import TokensOut
from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import signed_in


def test_a_name_and_language_are_kept(browser: Browser) -> None:
    browser.get("/profile")
    answer = browser.post("/profile/about", {"display_name": "Ada <3", "language": "de"})
    assert answer.status_code == 302
    page = browser.get("/profile").text
    assert "Gespeichert." in page
    assert "Ada &lt;3" in page
    assert re.search(r'value="de" selected', page)


def test_a_new_address_needs_the_password(browser: Browser, email: str) -> None:
    browser.get("/profile")
    answer = browser.post(
        "/profile/email", {"email": "new@example.org", "current_password": "not the password"}
    )
    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in answer.text
    assert browser.fields["email"] == "new@example.org", "what was typed stays"
    assert "not the password" not in answer.text
    browser.get("/profile")
    assert browser.fields["email"] == email


def test_a_new_password_opens_and_the_old_one_does_not(
    app: Flask, browser: Browser, email: str
) -> None:
    browser.get("/profile")
    new = "an entirely different horse"
    answer = browser.post(
        "/profile/password", {"current_password": PASSWORD, "new_password": new, "repeat": new}
    )
    assert answer.status_code == 302
    assert browser.get("/profile").status_code == 200, "this session stays"
    assert Browser(app).sign_in(email).status_code == 401
    assert Browser(app).sign_in(email, new).status_code == 302


def test_two_different_new_passwords_change_nothing(
    app: Flask, browser: Browser, email: str
) -> None:
    browser.get("/profile")
    fields = {
        "current_password": PASSWORD,
        "new_password": "an entirely different horse",
        "repeat": "an entirely different house",
    }
    answer = browser.post("/profile/password", fields)
    assert answer.status_code == 422
    assert "The two new passwords differ." in answer.text
    assert Browser(app).sign_in(email).status_code == 302


def test_a_password_that_is_too_short_is_said(browser: Browser) -> None:
    browser.get("/profile")
    answer = browser.post(
        "/profile/password",
        {"current_password": PASSWORD, "new_password": "short", "repeat": "short"},
    )
    assert answer.status_code == 422
    assert "12" in answer.text


def test_no_code_is_made_for_a_bot_that_is_not_running(browser: Browser) -> None:
    browser.get("/profile")
    page = browser.get(browser.post("/profile/links", {"platform": "discord"}).location).text
    assert "The Discord bot is not running" in page
    assert (
        "/link "
        not in browser.get(browser.post("/profile/links", {"platform": "discord"}).location).text
    )
    assert (
        "/link "
        in browser.get(browser.post("/profile/links", {"platform": "terminal"}).location).text
    ), "it is started by the person"


def start_link(browser: Browser) -> tuple[str, str]:
    """Return the page of a fresh Telegram code, and the code."""
    browser.get("/profile")
    answer = browser.post("/profile/links", {"platform": "telegram"})
    page = browser.get(answer.location).text
    found = re.search(r"/link ([\w-]{20,})", page)
    assert found
    return answer.location, found[1]


@pytest.fixture
def chat(bot: httpx.Client, account: TokensOut) -> dict[str, str]:
    """Return a Telegram identity that is new for each test."""
    bot.put(
        "/bot/profile",
        json={"name": "studio_bot", "link_template": "https://t.me/studio_bot?start={code}"},
    ).raise_for_status()
    number = str(abs(hash(account.user.id)) % 10**9)
    return {"platform_user_id": number, "display_name": "Ada of Telegram", "chat_id": number}


def test_a_chat_is_linked_when_both_sides_say_yes(
    bot: httpx.Client, browser: Browser, chat: dict[str, str]
) -> None:
    path, code = start_link(browser)
    assert f"https://t.me/studio_bot?start={code}" in browser.page
    picture = browser.get(f"{path}/qr.svg")
    assert picture.mimetype == "image/svg+xml"
    assert b"<path" in picture.data
    redeemed = bot.post("/bot/links/redeem", json={**chat, "code": code, "private": True}).json()
    state = browser.client.get(f"{path}/state").text
    assert "answer <b>Yes</b> there" in state
    assert "Yes, link it" not in state
    answer = {
        "code_id": redeemed["code_id"],
        "platform_user_id": chat["platform_user_id"],
        "accept": True,
    }
    bot.post("/bot/links/answer", json=answer).raise_for_status()
    state = browser.client.get(f"{path}/state").text
    assert "Is this you?" in state
    assert "Ada of Telegram" in state
    assert chat["platform_user_id"] in state
    assert browser.post(f"{path}/confirm").location == "/profile#chats"
    assert "Ada of Telegram" in browser.get("/profile").text
    browser.post(f"/profile/links/telegram/{chat['platform_user_id']}/unlink")
    assert "Ada of Telegram" not in browser.get("/profile").text


def test_a_code_seen_in_a_group_is_burned(
    bot: httpx.Client, browser: Browser, chat: dict[str, str]
) -> None:
    path, code = start_link(browser)
    bot.post("/bot/links/redeem", json={**chat, "code": code, "private": False})
    assert "This code is burned" in browser.client.get(f"{path}/state").text


def test_the_web_cannot_confirm_before_the_chat(
    bot: httpx.Client, browser: Browser, chat: dict[str, str]
) -> None:
    path, code = start_link(browser)
    bot.post("/bot/links/redeem", json={**chat, "code": code, "private": True})
    browser.post(f"{path}/confirm")
    assert "Ada of Telegram" not in browser.get("/profile").text


def test_a_code_is_shown_to_the_session_that_made_it_only(
    app: Flask, browser: Browser, email: str
) -> None:
    path, code = start_link(browser)
    other = Browser(app)
    other.sign_in(email)
    assert code not in other.get(path).text
    assert other.get(f"{path}/qr.svg").status_code == 404


def test_a_platform_that_there_is_not_is_refused(browser: Browser) -> None:
    browser.get("/profile")
    assert browser.post("/profile/links", {"platform": "fax"}).status_code == 400


def test_another_users_code_is_not_found(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    path, _ = start_link(browser)
    assert signed_in(app, register()).get(path).status_code == 404


def test_an_older_codes_page_does_not_show_the_newer_code(browser: Browser) -> None:
    older, _ = start_link(browser)
    _, newer = start_link(browser)
    assert newer not in browser.get(older).text
    assert browser.get(f"{older}/qr.svg").status_code == 404


def test_preferences_are_kept_and_taken_back(browser: Browser) -> None:
    page = browser.get("/profile").text
    model = re.search(r'name="image_model">.*?<option value="([^"]+/[^"]+)"', page, re.DOTALL)
    assert model
    browser.post(
        "/profile/making", {"confirm_above_usd": "0,5", "image_model": model[1], "spoiler": "on"}
    )
    page = browser.get("/profile").text
    assert browser.fields["confirm_above_usd"] == "0.50"
    assert f'<option value="{model[1]}" selected>' in page
    browser.post("/profile/making", {"confirm_above_usd": "", "image_model": ""})
    page = browser.get("/profile").text
    assert browser.fields["confirm_above_usd"] == ""
    assert f'<option value="{model[1]}" selected>' not in page
    assert browser.post("/profile/making", {"confirm_above_usd": "lots"}).status_code == 422


def test_the_language_and_the_zone_are_the_persons_own(browser: Browser) -> None:
    browser.get("/profile")
    browser.post(
        "/profile/about", {"display_name": "Ada", "language": "de", "time_zone": "Asia/Tokyo"}
    )
    page = browser.get("/profile", {"Accept-Language": "en"}).text
    assert '<html lang="de"' in page
    assert "Gespeichert." in page
    assert "<option selected>Asia/Tokyo</option>" in page
    assert (
        "noch nichts"
        in browser.get("/dashboard/jobs", {"X-Fragment": "1", "Accept-Language": "en"}).text
    ), "fragments follow the page"
    moments = re.findall(
        r'<time datetime="([^"]+)" title="[^"]*(\d\d):(\d\d)"',
        browser.get("/profile/sessions").text,
    )
    assert moments
    for utc, hour, _minute in moments:
        assert (int(utc[11:13]) + 9) % 24 == int(hour)
