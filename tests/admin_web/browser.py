"""A browser without scripts. It follows the web's cookies and sends its forms with the CSRF token
of the page before."""

import html
import re
import secrets
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import cast

from flask import Flask
from werkzeug.test import TestResponse

from admin_web.sessions.cookies import InBrowser, Tokens
from admin_web.sessions.flask_session import SealedSessions

PASSWORD = "correct horse battery staple"


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._name: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if (
            tag == "input"
            and name
            and (given.get("type") not in {"checkbox", "radio"} or "checked" in given)
        ):
            self.values[name] = given.get("value") or ""
        self._name = name if tag == "textarea" else None

    def handle_endtag(self, tag: str) -> None:
        self._name = None

    def handle_data(self, data: str) -> None:
        if self._name:
            self.values[self._name] = data


class Browser:
    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.sessions = cast("SealedSessions", app.session_interface)
        self.cookie_name = self.sessions.cookie
        self.page = ""

    @property
    def cookie(self) -> str | None:
        held = self.client.get_cookie(self.cookie_name)
        return held.value if held else None

    @property
    def signed_in(self) -> InBrowser:
        """The content of the session cookie, which only the web can read."""
        return self.sessions.cookies.open(self.cookie or "")

    @property
    def values(self) -> str | None:
        """The cookie of a page's values; a visitor has no other."""
        held = self.client.get_cookie(self.sessions.values_cookie)
        return held.value if held else None

    def hold(self, tokens: Tokens) -> None:
        """Sign in with tokens of the api."""
        sealed = self.sessions.cookies.seal(InBrowser(secrets.token_urlsafe(), tokens))
        self.client.set_cookie(self.cookie_name, sealed)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        answer = self.client.get(path, headers=headers)
        return self._seen(answer)

    def post(
        self,
        path: str,
        fields: Mapping[str, object] | None = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> TestResponse:
        """Post with the token of the page that was open before; `headers` have _ for -."""
        data = {"csrf_token": self.token if token is None else token, **(fields or {})}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.post(path, data=data, headers=named)
        return self._seen(answer)

    def _seen(self, answer: TestResponse) -> TestResponse:
        script = "X-Fragment" in answer.request.headers
        if answer.mimetype == "text/html" and not script and not 300 <= answer.status_code < 400:
            self.page = answer.text
        return answer

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.page)
        return html.unescape(found[1]) if found else ""

    @property
    def fields(self) -> dict[str, str]:
        """Return the values of the page's form fields, by name."""
        parser = _Fields()
        parser.feed(self.page)
        return parser.values

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        self.get("/login")
        return self.post("/login", {"email": email, "password": password})
