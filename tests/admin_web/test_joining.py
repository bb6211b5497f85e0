"""Invitations, sign-up and password resets, as the person who got the link sees them."""

import html
import re

import pytest
from flask import Flask

from api.auth.schemas import TokensOut
from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN


def link_on(page: str) -> str:
    """Return the path of the one-time link on the page."""
    found = re.search(r'id="secret-link">http://[^/]+(/[^<]+)<', page)
    assert found
    return html.unescape(found[1])


def invite(admin: Browser, **fields: str) -> tuple[str, str]:
    """Return the page of the invited person, and the link."""
    admin.get("/admin/users/invite")
    answer = admin.post("/admin/users/invite", {"role": "user", "monthly_usd": "", **fields})
    assert answer.status_code == 302
    return answer.location, link_on(admin.get(answer.location).text)


def test_an_invitation_is_shown_once_and_taken_up_once(admin: Browser, app: Flask) -> None:
    path, link = invite(admin, email="guest-of-honour@example.org", monthly_usd="2.5")
    page = admin.get(path).text
    assert "secret-link" not in page
    assert "Invited" in page
    assert admin.fields["monthly_usd"] == "2.50"
    guest = Browser(app)
    assert guest.get(link).status_code == 200
    assert guest.fields["email"] == "guest-of-honour@example.org"
    short = guest.post("/register", {**guest.fields, "password": "short", "repeat": "short"})
    assert short.status_code == 422
    assert "12" in short.text
    differ = guest.post("/register", {**guest.fields, "password": PASSWORD, "repeat": "x"})
    assert "The two passwords differ." in differ.text
    answer = guest.post("/register", {**guest.fields, "password": PASSWORD, "repeat": PASSWORD})
    assert answer.location == "/"
    assert "guest-of-honour" in guest.get("/").text
    second = Browser(app).get(link)
    assert second.status_code == 404
    assert "This invitation does not work" in second.text


def test_an_invitation_is_for_its_own_address(admin: Browser, visitor: Browser) -> None:
    _, link = invite(admin, email="only-me@example.org")
    visitor.get(link)
    fields = {
        **visitor.fields,
        "email": "somebody-else@example.org",
        "password": PASSWORD,
        "repeat": PASSWORD,
    }
    assert visitor.post("/register", fields).status_code == 404
    assert visitor.get("/").status_code == 302


def test_a_new_invitation_takes_the_place_of_the_old_one(admin: Browser, app: Flask) -> None:
    path, old = invite(admin, email="twice@example.org", role="admin")
    admin.post(f"{path}/link")
    new = link_on(admin.get(path).text)
    assert Browser(app).get(old).status_code == 404
    page = Browser(app).get(new).text
    assert "You will be an admin." in page
    assert "At least 15 characters" in page


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"email": "not an address"}, "e-email"), ({"monthly_usd": "much"}, "e-monthly_usd")],
)
def test_a_mistake_in_an_invitation_is_said_at_its_field(
    admin: Browser, fields: dict[str, str], says: str
) -> None:
    admin.get("/admin/users/invite")
    answer = admin.post(
        "/admin/users/invite", {"email": "fine@example.org", "role": "user", **fields}
    )
    assert answer.status_code == 422
    assert f'id="{says}"' in answer.text


def test_an_address_that_has_an_account_is_not_invited(admin: Browser) -> None:
    admin.get("/admin/users/invite")
    answer = admin.post("/admin/users/invite", {"email": ADMIN, "role": "user"})
    assert answer.status_code == 409
    assert "already has an account" in answer.text


def test_sign_up_where_it_is_open(visitor: Browser) -> None:
    assert 'href="/register"' in visitor.get("/login").text
    visitor.get("/register")
    answer = visitor.post(
        "/register", {"email": "walked-in@example.org", "password": PASSWORD, "repeat": PASSWORD}
    )
    assert answer.location == "/"
    assert visitor.get("/profile").status_code == 200


def test_a_reset_link_gives_a_new_password_once_and_ends_every_session(
    admin: Browser, browser: Browser, app: Flask, account: TokensOut, email: str
) -> None:
    path, new = f"/admin/users/{account.user.id}", "an entirely different horse"
    admin.get(path)
    assert admin.post(f"{path}/link").location == path
    link = link_on(admin.get(path).text)
    assert "secret-link" not in admin.get(path).text, "shown once"
    assert browser.get("/").status_code == 200, "nothing has happened yet"
    visitor = Browser(app)
    visitor.get(link)
    answer = visitor.post("/reset", {**visitor.fields, "password": new, "repeat": "x"})
    assert answer.status_code == 422
    response = visitor.post("/reset", {**visitor.fields, "password": "short", "repeat": "short"})
    assert response.status_code == 422
    assert (
        visitor.post("/reset", {**visitor.fields, "password": new, "repeat": new}).location
        == "/login"
    )
    assert "Your password is changed." in visitor.get("/login").text
    assert browser.get("/").status_code == 302
    assert Browser(app).sign_in(email, new).status_code == 302
    visitor.get(link)
    again = visitor.post("/reset", {**visitor.fields, "password": new, "repeat": new})
    assert again.status_code == 404
    assert "This link does not work" in again.text
