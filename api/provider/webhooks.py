"""The signature of the provider's webhooks: `t=<unix seconds>,v1=<hex HMAC-SHA256 of
"<t>,<body>">`."""

import hashlib
import hmac

TOLERANCE = 300
"""Seconds between the signed time and ours, in both directions."""


def verify(secret: str, header: str | None, body: bytes, now: float) -> bool:
    """Return whether `body`, the exact bytes received, was signed with `secret` about `now` (unix
    seconds)."""
    if not secret or header is None or not header.isascii():
        return False
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    moment, given = parts.get("t", ""), parts.get("v1", "")
    if not moment.isdecimal() or len(moment) > 12 or abs(now - int(moment)) > TOLERANCE:
        return False
    # the joiner is a comma; other senders use a dot
    digest = hmac.new(secret.encode(), moment.encode() + b"," + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest, given)
