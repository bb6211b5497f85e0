"""Ceilings of the calls to the api that a page costs: one, and another one only for what follows
from the answers."""

import httpx
from flask import Flask

from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN

PAGES = {
    "/": 2,
    "/gallery": 1,
    "/generate/image": 2,
    "/generate/text": 2,
    "/generate/text/history": 1,
    "/inbox": 1,
    "/profile": 1,
    "/profile/sessions": 1,
    "/profile/spend": 1,
    "/admin/audit": 1,
    "/admin/backups": 1,
    "/admin/board": 1,
    "/admin/bots": 1,
    "/admin/broadcast": 1,
    "/admin/budgets": 1,
    "/admin/check-up": 1,
    "/admin/deliveries": 1,
    "/admin/jobs": 1,
    "/admin/models": 1,
    "/admin/retention": 2,
    "/admin/settings": 1,
    "/admin/spend": 1,
    "/admin/users": 1,
}
"""The second calls: the price with the model that was chosen out of the list, and a look ahead at
what the current rules delete next."""


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
