"""Flask's session on the store, and the access tokens of a signed-in session.

A visitor has no stored session: the little that a form needs (the CSRF token, a message) is in a
signed cookie. Signing in stores a session under a fresh id, and the cookie then holds only that id.
"""

import base64
import secrets
import time
from typing import cast

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import CallbackDict

from admin_web.sessions.store import ABSOLUTE_SECONDS, SessionStore, Tokens
from admin_web.settings import WebSettings
from client import calls
from client.errors import ApiError
from client.schemas.auth import TokensOut
from client.sync import Api

VISITOR_SECONDS = 86_400
EARLY_SECONDS = 30
"""An access token is renewed this long before its end, so that it does not end on its way."""


class SessionEnded(Exception):
    """Raised when the api no longer knows the session: signed out elsewhere, disabled, or
    expired."""


def derive(settings: WebSettings, purpose: str) -> bytes:
    """Derive a 32-byte key for one purpose."""
    return HKDF(SHA256(), 32, salt=None, info=f"allucanget-web:{purpose}".encode()).derive(
        settings.web_session_key.get_secret_value().encode()
    )


def open_store(settings: WebSettings) -> SessionStore:
    store = SessionStore(
        settings.data_dir, Fernet(base64.urlsafe_b64encode(derive(settings, "sessions")))
    )
    store.prepare()
    return store


class WebSession(CallbackDict[str, object], SessionMixin):
    """`sid` is None for a visitor. `cookie` is the browser's cookie, valid or not. `tokens` are
    those at the begin of this request."""

    def __init__(
        self,
        values: dict[str, object],
        sid: str | None,
        cookie: str | None,
        tokens: Tokens | None = None,
    ) -> None:
        def changed(session: object) -> None:
            cast("WebSession", session).modified = True

        super().__init__(values, changed)
        self.sid = sid
        self.cookie = cookie
        self.tokens = tokens
        self.modified = False
        self.new = cookie is None

    def values_to_keep(self) -> dict[str, object]:
        return dict(self)


class StoredSessions(SessionInterface):
    """One cookie; `__Host-` and Secure when browsers come over https."""

    def __init__(self, store: SessionStore, settings: WebSettings) -> None:
        self.store = store
        self.secure = settings.is_https
        self.cookie = "__Host-sid" if self.secure else "sid"
        self._signer = URLSafeTimedSerializer(derive(settings, "visitor"), salt="visitor")

    def open_session(self, app: Flask, request: Request) -> WebSession:
        cookie = request.cookies.get(self.cookie)
        if not cookie:
            return WebSession({}, None, None)
        if "." in cookie:
            return WebSession(self._visitor(cookie), None, cookie)
        row = self.store.load(cookie)
        return (
            WebSession({}, None, cookie)
            if row is None
            else WebSession(row.data, cookie, cookie, row.tokens)
        )

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        held = cast("WebSession", session)
        response.vary.add("Cookie")
        if held.sid is not None:
            if held.modified:
                self.store.save_data(held.sid, held.values_to_keep())
            if held.cookie != held.sid:
                self._set(response, held.sid, ABSOLUTE_SECONDS)
        elif held and held.modified:
            self._set(response, self._signer.dumps(held.values_to_keep()), VISITOR_SECONDS)
        elif held.cookie is not None and not held:
            response.delete_cookie(self.cookie, secure=self.secure, httponly=True, samesite="Lax")

    def sign_in(self, session: WebSession, tokens: Tokens) -> None:
        """Store a session under a fresh id, with nothing of the visitor's: a planted cookie gains
        nobody a session."""
        self.sign_out(session)
        session.sid = secrets.token_urlsafe(32)
        session.tokens = tokens
        self.store.create(session.sid, session.values_to_keep(), tokens)

    def sign_out(self, session: WebSession) -> None:
        if session.sid is not None:
            self.store.delete(session.sid)
        session.sid = session.tokens = None
        session.clear()

    def _visitor(self, cookie: str) -> dict[str, object]:
        try:
            values = self._signer.loads(cookie, max_age=VISITOR_SECONDS)
        except BadSignature:
            return {}
        return values if isinstance(values, dict) else {}

    def _set(self, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self.cookie,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )


def as_tokens(answer: TokensOut) -> Tokens:
    return Tokens(answer.access_token, answer.refresh_token, time.time() + answer.expires_in)


class SessionAccess:
    """The access tokens of one session. A refresh token is spent under the session's lock, and the
    new pair is stored before its first use, so that two tabs, threads or processes never send the
    api a spent token."""

    def __init__(
        self, store: SessionStore, sid: str, anonymous: Api, held: Tokens | None = None
    ) -> None:
        """`held`: as the request has read them already. They are read again when the api refuses
        them or they are about to end."""
        self._store = store
        self._sid = sid
        self._api = anonymous
        self._held = held

    def token(self) -> str:
        tokens = self._held = self._held or self._tokens()
        if tokens.expires_at - time.time() > EARLY_SECONDS:
            return tokens.access
        return self.renewed(tokens.access)

    def renewed(self, stale: str) -> str:
        with self._store.refreshing(self._sid):
            tokens = self._tokens()
            if tokens.access == stale:
                tokens = as_tokens(self._refresh(tokens.refresh))
                if not self._store.save_tokens(self._sid, tokens):
                    raise SessionEnded
            self._held = tokens
            return tokens.access

    def _refresh(self, refresh_token: str) -> TokensOut:
        """A lost answer is asked for once more: within its grace the api gives the same pair
        again."""
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

    def _tokens(self) -> Tokens:
        row = self._store.load(self._sid)
        if row is None:
            raise SessionEnded
        return row.tokens
