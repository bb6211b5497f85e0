"""Ceilings of the calls to the api that a page costs. What a page asks for beside its own matter is
asked for at the same time."""

import httpx
from flask import Flask

from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN

PAGES = {
    "/": 6,
    "/gallery": 4,
    "/generate/image": 5,
    "/generate/text": 6,
    "/generate/text/history": 1,
    "/inbox": 2,
    "/profile": 7,
    "/profile/sessions": 2,
    "/profile/spend": 2,
    "/admin/audit": 2,
    "/admin/backups": 2,
    "/admin/board": 6,
    "/admin/bots": 3,
    "/admin/broadcast": 2,
    "/admin/budgets": 2,
    "/admin/check-up": 1,
    "/admin/deliveries": 2,
    "/admin/jobs": 4,
    "/admin/models": 2,
    "/admin/retention": 3,
    "/admin/settings": 2,
    "/admin/spend": 3,
    "/admin/users": 2,
}
"""One of the calls is for the person whom the head of each page names."""


def test_no_page_asks_the_api_more_often_than_it_has_to(app: Flask) -> None:
    asked: list[str] = []

    def note(request: httpx.Request) -> None:
        asked.append(f"{request.method} {request.url.path}")

    browser = Browser(app)
    browser.sign_in(ADMIN, PASSWORD)
    hooks = app.extensions["api_http"].event_hooks
    before = hooks["request"]
    app.extensions["api_http"].event_hooks = {**hooks, "request": [*before, note]}
    try:
        for path, most in PAGES.items():
            asked.clear()
            assert browser.get(path).status_code == 200, path
            assert len(asked) <= most, (path, asked)
    finally:
        app.extensions["api_http"].event_hooks = hooks
