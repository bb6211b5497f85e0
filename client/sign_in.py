"""The API for a program: signed in with a password, or with a key."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from client import calls
from client.connections import open_http
from client.errors import ApiError
from client.schemas.auth import TokensOut
from client.sync import Api

PATIENCE = 60.0
EARLY_SECONDS = 30
"""A token is renewed this long before its end, so that it does not end on its way."""


@contextmanager
def sign_in(
    api_url: str, email: str, password: str, *, patience: float = PATIENCE
) -> Iterator[Api]:
    """The API as somebody with an account, signed out at the end. Raises `ApiError`."""
    with open_http(api_url) as http:
        anonymous = Api(http)
        tokens = anonymous.send(calls.login(email, password))
        api = Api(http, _Session(anonymous, tokens), patience=patience)
        try:
            yield api
        finally:
            with suppress(ApiError):
                api.send(calls.logout())


@contextmanager
def with_key(api_url: str, key: str) -> Iterator[Api]:
    """The API for whoever has a key that lasts."""
    with open_http(api_url) as http:
        yield Api(http, _Key(key))


class _Key:
    def __init__(self, key: str) -> None:
        self._key = key

    def token(self) -> str:
        return self._key

    def renewed(self, stale: str) -> None:
        return None


class _Session:
    """Tokens in memory. A refresh token is spent once, also by several threads."""

    def __init__(self, anonymous: Api, tokens: TokensOut) -> None:
        self._api = anonymous
        self._lock = threading.Lock()
        self._keep(tokens)

    def token(self) -> str:
        return self._token if time.monotonic() < self._until else self.renewed(self._token)

    def renewed(self, stale: str) -> str:
        with self._lock:
            if self._token == stale:
                self._keep(self._api.send(calls.refresh(self._refresh)))
            return self._token

    def _keep(self, tokens: TokensOut) -> None:
        self._token, self._refresh = tokens.access_token, tokens.refresh_token
        self._until = time.monotonic() + tokens.expires_in - EARLY_SECONDS
