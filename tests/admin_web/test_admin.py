"""The users page is for admins only, and the api is asked about that on every click."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from api.auth.schemas import TokensOut
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import ADMIN, signed_in


def test_a_user_sees_no_admin_page_and_no_link_to_it(browser: Browser, account: TokensOut) -> None:
    assert "/admin/users" not in browser.get("/").text
    answer = browser.get("/admin/users")
    assert answer.status_code == 403
    assert "Traceback" not in answer.text
    assert ADMIN not in answer.text
    browser.get("/")
    again = browser.post(f"/admin/users/{account.user.id}/role", {"role": "admin"})
    assert again.status_code == 403
    assert browser.post(f"/admin/users/{account.user.id}/delete").status_code == 403


def test_a_promoted_user_is_admin_at_once_and_a_demoted_one_no_more(
    admin: Browser, browser: Browser, account: TokensOut
) -> None:
    path = f"/admin/users/{account.user.id}"
    admin.post(f"{path}/role", {"role": "admin"})
    assert "is now an admin." in admin.get(path).text
    assert browser.get("/admin/users").status_code == 200
    admin.post(f"{path}/role", {"role": "user"})
    refused = browser.get("/admin/users")
    assert refused.status_code == 403
    assert "Your account" in refused.text, "with the menu of a user"
    assert "/admin/users" not in refused.text


@pytest.mark.parametrize("role", ["user", "admin"])
def test_the_list_can_be_searched_and_narrowed(admin: Browser, email: str, role: str) -> None:
    assert email in admin.get(f"/admin/users?q={email}&role=user").text
    table = admin.get(f"/admin/users?role={role}").text.partition("<tbody>")[2]
    assert (ADMIN in table) == (role == "admin")
    assert "Nobody found." in admin.get("/admin/users?q=no-such-person-anywhere").text


def test_the_last_admin_stays(admin: Browser) -> None:
    found = re.search(r"/admin/users/([\w-]{30,})", admin.get(f"/admin/users?q={ADMIN}").text)
    assert found
    for action, fields in (
        ("role", {"role": "user"}),
        ("status", {"status": "disabled"}),
        ("delete", {}),
    ):
        answer = admin.post(f"/admin/users/{found[1]}/{action}", fields)
        assert answer.location == f"/admin/users/{found[1]}"
        assert "Make somebody else an admin first." in admin.get(f"/admin/users/{found[1]}").text


def test_deleting_says_what_happens_and_ends_everything(
    app: Flask, admin: Browser, register: Callable[[], TokensOut]
) -> None:
    account = register()
    person = signed_in(app, account)
    page = admin.get(f"/admin/users/{account.user.id}/delete").text
    assert account.user.email
    assert account.user.email in page
    assert "cannot be undone" in page
    assert person.get("/").status_code == 200, "asking deletes nothing"
    admin.post(f"/admin/users/{account.user.id}/delete", {"name": "x"})
    assert person.get("/").status_code == 302
    assert account.user.email not in admin.get("/admin/users").text


def test_a_role_that_there_is_not_is_refused(admin: Browser, account: TokensOut) -> None:
    assert admin.post(f"/admin/users/{account.user.id}/role", {"role": "king"}).status_code == 400
