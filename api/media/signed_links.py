"""Signed links: the holder of one may read that file for some minutes, with no other proof."""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence

VALID_SECONDS = 600
STEP_SECONDS = 240
"""Links made within a step are the same, so that browsers can cache the file."""


class SignedLinks:
    """`keys` are the server's secrets: the first one signs, and what another one signed stays good.
    The signing keys are derived from them, apart from every other use."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [
            hmac.new(key.encode(), b"media links", hashlib.sha256).digest() for key in keys
        ]

    def path(self, media_id: str) -> str:
        """Make a link that is valid for 6 to 10 minutes."""
        expires = int(time.time()) // STEP_SECONDS * STEP_SECONDS + VALID_SECONDS
        return f"/media/{media_id}?exp={expires}&sig={self._sign(self._keys[0], media_id, expires)}"

    def is_valid(self, media_id: str, expires: int, signature: str) -> bool:
        made = [self._sign(key, media_id, expires) for key in self._keys]
        good = [hmac.compare_digest(each.encode(), signature.encode()) for each in made]
        return any(good) and time.time() < expires

    @staticmethod
    def _sign(key: bytes, media_id: str, expires: int) -> str:
        digest = hmac.digest(key, f"{media_id}\n{expires}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
