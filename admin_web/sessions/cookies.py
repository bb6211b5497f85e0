"""The two sealed cookies of a session: its tokens, and the small values that its pages keep.

They are apart, so that a page that keeps a message never puts back an older token pair, and the
other way round. Values count only beside the session that they were sealed for.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from admin_web.settings import WebSettings

VALUES_MAX = 2000
"""The longest cookie of values in bytes. With the other headers of an answer it fits into the 4 KB
that proxies take for all headers."""
MESSAGES = "_flashes"
"""Flask's own name for the messages of the next page."""
SHORTEST_MESSAGE = 100
ALWAYS_KEPT = {"csrf_token"}
SEALED = "gAAAA"
"""The beginning of whatever Fernet seals in this century: its version and the time."""


class NotOurs(Exception):
    """The cookie was not sealed with any key of this process."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The api's pair."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class InBrowser:
    """A signed-in session: its id in the web, which is new at each sign-in, and its tokens."""

    id: str
    tokens: Tokens


def keys(settings: WebSettings, purpose: str) -> list[bytes]:
    """Derive a 32-byte key for one purpose from each secret; the first one seals."""
    secrets = [settings.web_session_key, settings.web_session_key_previous]
    info = f"allucanget-web:{purpose}".encode()
    return [
        HKDF(SHA256(), 32, salt=None, info=info).derive(secret.get_secret_value().encode())
        for secret in secrets
        if secret is not None
    ]


class SessionCookies:
    def __init__(self, settings: WebSettings) -> None:
        self._tokens = _box(keys(settings, "tokens"))
        self._values = _box(keys(settings, "values"))

    def seal(self, session: InBrowser) -> str:
        return _seal(self._tokens, [session.id, *astuple(session.tokens)])

    def open(self, cookie: str) -> InBrowser:
        """Raises `NotOurs`."""
        match _open(self._tokens, cookie):
            case [str(sid), str(access), str(refresh)]:
                return InBrowser(sid, Tokens(access, refresh))
        raise NotOurs

    def seal_values(self, sid: str | None, values: Mapping[str, object]) -> tuple[str, set[str]]:
        """Return the cookie, and the names of the values that had to go or to be cut because they
        are too long: messages first, the oldest one before the others."""
        kept, cut = dict(values), set[str]()
        while len(cookie := _seal(self._values, [sid, kept])) > VALUES_MAX:
            cut.add(_shorten(kept))
        return cookie, cut

    def open_values(self, sid: str | None, cookie: str) -> dict[str, object]:
        """Return the values; none for another session's. Raises `NotOurs`."""
        match _open(self._values, cookie):
            case [owner, dict(values)] if owner == sid:
                return values
        return {}


def looks_sealed(cookie: str) -> bool:
    """Tell whether a cookie may have been sealed, with whichever key. The ids of sessions in
    versions before were not."""
    return cookie.startswith(SEALED)


def _shorten(values: dict[str, Any]) -> str:
    messages = values.get(MESSAGES)
    if messages:
        tone, text = messages[0]
        short = f"{text[: len(text) // 2]}…"
        alone = len(messages) == 1 and len(text) > SHORTEST_MESSAGE
        values[MESSAGES] = [[tone, short]] if alone else messages[1:]
        return MESSAGES
    longest = max(values.keys() - ALWAYS_KEPT, key=lambda name: len(json.dumps(values[name])))
    del values[longest]
    return longest


def _box(secrets: list[bytes]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(secret)) for secret in secrets])


def _seal(box: MultiFernet, value: object) -> str:
    return box.encrypt(json.dumps(value, separators=(",", ":")).encode()).decode()


def _open(box: MultiFernet, cookie: str) -> object:
    """The age is not looked at: the api says when a session ends, and clocks of two machines
    differ."""
    try:
        return json.loads(box.decrypt(cookie))
    except (InvalidToken, binascii.Error, ValueError) as error:
        raise NotOurs from error
