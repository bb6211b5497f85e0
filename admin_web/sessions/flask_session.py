"""Flask's session on two sealed cookies, and the access tokens of a signed-in session.

The web keeps nothing: any of its processes answers any request, as long as they have one key. See
`docs/decisions/0084-sessions-in-sealed-cookies.md`.
"""

import secrets
import time
from threading import Lock
from typing import cast

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import CallbackDict

from admin_web.sessions.cookies import InBrowser, NotOurs, SessionCookies, Tokens, looks_sealed
from admin_web.settings import WebSettings
from client import calls
from client.errors import ApiError, too_slow
from client.schemas.auth import TokensOut
from client.sync import Api

SIGNED_IN_SECONDS = 30 * 86_400
"""As long as the api lets a session last."""
VISITOR_SECONDS = 86_400
RENEW_WITHIN = 240.0
"""A request renews its tokens within so many seconds of its headers. For a minute longer the api
gives all requests that began with one pair the same new pair, whichever answer the browser gets
last."""
WARN_EVERY = 60.0


class SessionEnded(Exception):
    """Raised when the api no longer knows the session: signed out elsewhere, disabled, or
    expired."""


class WebSession(CallbackDict[str, object], SessionMixin):
    """`signed_in` is None for a visitor. `renewed`: the browser does not have it yet."""

    def __init__(
        self,
        values: dict[str, object],
        signed_in: InBrowser | None = None,
        *,
        new: bool = False,
    ) -> None:
        def changed(session: object) -> None:
            cast("WebSession", session).modified = True

        super().__init__(values, changed)
        self.signed_in = signed_in
        self.was_signed_in = signed_in is not None
        self.renewed = False
        self.modified = False
        self.new = new

    @property
    def sid(self) -> str | None:
        return self.signed_in.id if self.signed_in else None

    def renew(self, tokens: Tokens) -> None:
        if self.signed_in is not None:
            self.signed_in, self.renewed = InBrowser(self.signed_in.id, tokens), True


class SealedSessions(SessionInterface):
    """Two cookies; `__Host-` and Secure when browsers come over https."""

    def __init__(self, settings: WebSettings) -> None:
        self.cookies = SessionCookies(settings)
        self.secure = settings.is_https
        prefix = "__Host-" if self.secure else ""
        self.cookie, self.values_cookie = f"{prefix}sid", f"{prefix}values"
        self._warn_from = 0.0

    def open_session(self, app: Flask, request: Request) -> WebSession:
        values = request.cookies.get(self.values_cookie)
        signed_in = self._signed_in(app, request.cookies.get(self.cookie))
        kept = self._kept(app, signed_in.id if signed_in else None, values)
        return WebSession(kept, signed_in, new=not values)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        held = cast("WebSession", session)
        response.vary.add("Cookie")
        if held.signed_in is not None and held.renewed:
            self._set(response, self.cookie, self.cookies.seal(held.signed_in), SIGNED_IN_SECONDS)
        elif held.signed_in is None and held.was_signed_in:
            # one that cannot be opened stays: another replica may have a newer key
            self._drop(response, self.cookie)
        if not held and not held.new:
            self._drop(response, self.values_cookie)
        elif held and held.modified:
            value, cut = self.cookies.seal_values(held.sid, held)
            if cut:
                app.logger.warning("too long to be kept in a session: %s", ", ".join(sorted(cut)))
            seconds = SIGNED_IN_SECONDS if held.signed_in else VISITOR_SECONDS
            self._set(response, self.values_cookie, value, seconds)

    def sign_in(self, session: WebSession, tokens: Tokens) -> None:
        """Begin a session under a fresh id, with nothing of the visitor's: a planted cookie gains
        nobody a session."""
        session.clear()
        session.signed_in, session.renewed = InBrowser(secrets.token_urlsafe(16), tokens), True

    def sign_out(self, session: WebSession) -> None:
        session.signed_in, session.renewed = None, False
        session.clear()

    def _signed_in(self, app: Flask, cookie: str | None) -> InBrowser | None:
        try:
            return self.cookies.open(cookie) if cookie else None
        except NotOurs:
            self._warn(app, cookie)
            return None

    def _kept(self, app: Flask, sid: str | None, cookie: str | None) -> dict[str, object]:
        """Return a visitor's values also where the session cannot be opened: without them its
        browser could not send the sign-in form."""
        try:
            return self.cookies.open_values(sid, cookie) if cookie else {}
        except NotOurs:
            self._warn(app, cookie)
            return {}

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self.secure, httponly=True, samesite="Lax")

    def _warn(self, app: Flask, cookie: str | None) -> None:
        """Tell the operator, who may have given two replicas two keys: nobody could sign in."""
        now = time.monotonic()
        if looks_sealed(cookie or "") and now >= self._warn_from:
            self._warn_from = now + WARN_EVERY
            app.logger.warning(
                "a session cookie was sealed with another WEB_SESSION_KEY, so its browser counts "
                "as a visitor; all replicas of the web need the same key"
            )


def as_tokens(answer: TokensOut) -> Tokens:
    return Tokens(answer.access_token, answer.refresh_token)


class SessionAccess:
    """The access tokens of one session during one request. No clock says when they end: the api
    refuses them, and then they are renewed once for all threads of the request.

    `came`: the monotonic time at which the request's headers were here. The body of an upload may
    have taken minutes since, in which another tab has renewed the tokens."""

    def __init__(self, session: WebSession, anonymous: Api, came: float | None = None) -> None:
        if session.signed_in is None:
            raise RuntimeError("a page that asks the api as a person must not be public")
        self._session = session
        self._held = session.signed_in.tokens
        self._api = anonymous
        self._until = (time.monotonic() if came is None else came) + RENEW_WITHIN
        self._lock = Lock()

    def token(self) -> str:
        return self._held.access

    def renewed(self, stale: str) -> str:
        with self._lock:
            if self._held.access == stale:
                if time.monotonic() > self._until:
                    # by now the api may take an old token for a stolen one
                    raise too_slow()
                self._held = as_tokens(self._refresh(self._held.refresh))
                self._session.renew(self._held)
            return self._held.access

    def _refresh(self, refresh_token: str) -> TokensOut:
        """A lost answer is asked for once more: the api gives the same pair again."""
        try:
            try:
                return self._api.send(calls.refresh(refresh_token))
            except ApiError as error:
                if not error.unanswered:
                    raise
                return self._api.send(calls.refresh(refresh_token))
        except ApiError as error:
            if error.status in {400, 401, 403, 422} and not error.unanswered:
                raise SessionEnded from error
            raise
