"""Admins change accounts, read the log of it, and renew the bots' keys."""

import re
from collections.abc import Callable

import httpx
import pytest
from flask import Flask

from api.auth.schemas import TokensOut
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import ADMIN, signed_in
from tests.stack import Stack


@pytest.fixture
def path(account: TokensOut) -> str:
    return f"/admin/users/{account.user.id}"


def test_a_disabled_user_is_signed_out_on_the_next_click_and_told_so(
    app: Flask, admin: Browser, browser: Browser, email: str, path: str
) -> None:
    admin.post(f"{path}/status", {"status": "disabled"})
    assert "is disabled and signed out everywhere." in admin.get(path).text
    assert browser.get("/gallery").location == "/login?next=/gallery"
    page = browser.get("/login?next=/gallery").text
    assert "You have been signed out." in page
    assert "ask an admin" in page
    assert Browser(app).sign_in(email).status_code == 401
    assert email in admin.get("/admin/users?status=disabled").text
    assert email not in admin.get("/admin/users?status=active").text
    admin.post(f"{path}/status", {"status": "active"})
    assert Browser(app).sign_in(email).status_code == 302


def test_ending_the_sessions_of_a_user_signs_out(
    admin: Browser, browser: Browser, path: str
) -> None:
    admin.get(path)
    assert "last seen" in admin.page
    admin.post(f"{path}/sessions/end")
    assert browser.get("/").location == "/login"
    assert "Nowhere now." in admin.get(path).text


def test_a_budget_counts_at_once_and_nonsense_changes_nothing(
    admin: Browser, browser: Browser, path: str
) -> None:
    admin.get(path)
    assert admin.post(f"{path}/budget", {"monthly_usd": "3.25"}).status_code == 302
    assert "$3.25" in browser.get("/").text
    for nonsense in ("", "-1", "much", "1e99"):
        answer = admin.post(f"{path}/budget", {"monthly_usd": nonsense})
        assert answer.status_code == 422
        assert 'id="e-monthly_usd"' in answer.text
    assert "$3.25" in browser.get("/").text


def test_acts_are_for_admins(browser: Browser, path: str) -> None:
    for act, fields in (
        ("status", {"status": "disabled"}),
        ("budget", {"monthly_usd": "9999"}),
        ("link", {}),
        ("sessions/end", {}),
    ):
        assert browser.post(f"{path}/{act}", fields).status_code == 403
    for page in (path, "/admin/audit", "/admin/bots"):
        assert browser.get(page).status_code == 403
    browser.get("/")
    assert browser.post("/admin/bots/terminal/rotate").status_code == 403
    assert browser.post("/admin/users/invite", {"email": "x@example.org"}).status_code == 403
    assert "$9,999" not in browser.get("/").text


def test_somebody_who_is_not_there_is_not_found(admin: Browser) -> None:
    admin.get("/")
    assert admin.get("/admin/users/nobody").status_code == 404
    assert admin.post("/admin/users/nobody/status", {"status": "disabled"}).status_code == 404


def test_the_log_says_who_did_what_to_whom_before_and_after(
    admin: Browser, account: TokensOut, email: str, path: str
) -> None:
    admin.get(path)
    admin.post(f"{path}/role", {"role": "admin"})
    admin.post(f"{path}/role", {"role": "user"})
    admin.post(f"{path}/budget", {"monthly_usd": "4"})
    page = admin.get(f"/admin/audit?subject={email}").text
    assert re.search(r"role: <s>User</s>.*<b>Admin</b>", page)
    assert re.search(r"a month: <s>\$10.00</s>.*<b>\$4.00</b>", page)
    assert page.count("Changed the role</b>") == 2
    assert ADMIN in page
    table = admin.get(
        f"/admin/audit?subject={account.user.id}&action=user_budget&actor={ADMIN}"
    ).text.partition("<tbody>")[2]
    assert "Changed the budget" in table
    assert "Changed the role" not in table
    assert "Nothing found." in admin.get(f"/admin/audit?actor={email}&action=setup").text
    assert (
        "No single account is called “no-such-person”."
        in admin.get("/admin/audit?actor=no-such-person").text
    )


def test_the_log_is_paged(admin: Browser, account: TokensOut, app: Flask) -> None:
    for turn in range(26):
        app.extensions["api_http"].put(
            f"/users/{account.user.id}/budget",
            json={"monthly_usd": str(turn)},
            headers={"authorization": f"Bearer {admin.signed_in.tokens.access}"},
        ).raise_for_status()
    page = admin.get(f"/admin/audit?subject={account.user.id}&action=user_budget").text
    older = re.search(r'href="(/admin/audit\?[^"]+)" class="button quiet" rel="next"', page)
    assert older
    assert "<b>$0.00</b>" not in page
    assert "<b>$0.00</b>" in admin.get(older[1].replace("&amp;", "&")).text


def test_a_new_bot_key_is_shown_once_and_the_old_one_can_be_revoked(
    admin: Browser, stack: Stack
) -> None:
    def bearer_of(page: str) -> str:
        found = re.search(r'id="bot-key">([^<]+)<', page)
        assert found
        return found[1]

    def status(key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        body = {"platform_user_id": "1", "chat_id": "1"}
        return httpx.post(f"{stack.api_url}/bot/act", json=body, headers=headers).status_code

    admin.get("/admin/bots")
    admin.post("/admin/bots/terminal/rotate")
    first = bearer_of(admin.get("/admin/bots").text)
    assert "bot-key" not in admin.get("/admin/bots").text
    assert status(first) == 404, "not linked: the key itself is good"
    assert "last used just now" in admin.get("/admin/bots").text
    admin.post("/admin/bots/terminal/rotate")
    second = bearer_of(admin.get("/admin/bots").text)
    assert (status(first), status(second)) == (404, 404)
    revoke = re.findall(r'action="(/admin/bots/keys/[\w-]+/revoke)"', admin.page)
    assert revoke
    for path in revoke:
        admin.post(path)
    assert (status(first), status(second)) == (401, 404)
    assert admin.post("/admin/bots/fax/rotate").status_code == 404


def test_a_name_cannot_break_out_of_the_page(
    app: Flask, admin: Browser, register: Callable[[], TokensOut]
) -> None:
    account = register()
    person = signed_in(app, account)
    person.get("/profile")
    person.post("/profile/about", {"display_name": "<script>x</script>", "language": "en"})
    for page in (
        f"/admin/users/{account.user.id}",
        "/admin/users",
        f"/admin/users/{account.user.id}/delete",
    ):
        assert "<script>x" not in admin.get(page).text
