"""The provider's signature of webhooks: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>,<body>">`."""

import hashlib
import hmac


def sign(secret: str, body: bytes, moment: int) -> str:
    """Return the header value; `moment` in unix seconds."""
    # the joiner is a comma; other senders use a dot
    signed = str(moment).encode() + b"," + body
    return f"t={moment},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
