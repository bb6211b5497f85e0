"""Signed links: the holder of one may read that file for some minutes, with no other proof."""

import base64
import hashlib
import hmac
import time

VALID_SECONDS = 600
STEP_SECONDS = 240
"""Links made within a step are the same, so that browsers can cache the file."""


class SignedLinks:
    """`key` is the server's secret; the signing key is derived from it, apart from every other
    use."""

    def __init__(self, key: str) -> None:
        self._key = hmac.new(key.encode(), b"media links", hashlib.sha256).digest()

    def path(self, media_id: str) -> str:
        """Make a link that is valid for 6 to 10 minutes."""
        expires = int(time.time()) // STEP_SECONDS * STEP_SECONDS + VALID_SECONDS
        return f"/media/{media_id}?exp={expires}&sig={self._sign(media_id, expires)}"

    def is_valid(self, media_id: str, expires: int, signature: str) -> bool:
        good = hmac.compare_digest(self._sign(media_id, expires).encode(), signature.encode())
        return good and time.time() < expires

    def _sign(self, media_id: str, expires: int) -> str:
        digest = hmac.digest(self._key, f"{media_id}\n{expires}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
