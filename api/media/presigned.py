"""Links with which a browser reads one file from the S3 store itself, for some minutes.

They are signed as Signature Version 4 asks (its "query string" form). obstore signs links, too, but
none that says what the file is called and of which type it is.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from api.media.signed_links import STEP_SECONDS, VALID_SECONDS

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class PresignedLinks:
    """`root`: https address of the bucket, or of the prefix in it, for the outside."""

    root: str
    region: str
    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, public_url: str, media_url: str) -> "PresignedLinks":
        """Make links for `media_url` (`s3://bucket/prefix`) from the `AWS_*` variables. Raises
        KeyError with the name of one that is missing."""
        parts, names = urlsplit(media_url), os.environ
        is_named_by_host = names.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() == "true"
        path = f"{'' if is_named_by_host else parts.netloc}/{parts.path.strip('/')}".strip("/")
        return cls(
            f"{public_url}/{quote(path)}".rstrip("/"),
            names.get("AWS_REGION") or names.get("AWS_DEFAULT_REGION") or "us-east-1",
            names["AWS_ACCESS_KEY_ID"],
            names["AWS_SECRET_ACCESS_KEY"],
            names.get("AWS_SESSION_TOKEN") or None,
        )

    def link(self, key: str, *, content_type: str, disposition: str) -> str:
        """Make a link that is valid for 6 to 10 minutes, and the same for some of them."""
        answer = {
            "response-cache-control": "private, max-age=300",
            "response-content-disposition": disposition,
            "response-content-type": content_type,
        }
        at = int(time.time()) // STEP_SECONDS * STEP_SECONDS
        return self.signed(key, datetime.fromtimestamp(at, UTC), VALID_SECONDS, answer)

    def signed(self, key: str, at: datetime, seconds: int, answer: Mapping[str, str]) -> str:
        """Sign a link that is valid for `seconds` from `at`. `answer`: the headers that the store
        is to send, as S3 names them."""
        day, moment = f"{at:%Y%m%d}", f"{at:%Y%m%dT%H%M%SZ}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        asked = {
            **answer,
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.key_id}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.token is not None:
            asked["X-Amz-Security-Token"] = self.token
        query = urlencode(sorted(asked.items()), quote_via=quote, safe="")
        address = f"{self.root}/{quote(key)}"
        parts = urlsplit(address)
        request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{ALGORITHM}\n{moment}\n{scope}\n{digest}"
        signing = f"AWS4{self.secret}".encode()
        for each in (day, self.region, "s3", "aws4_request"):
            signing = hmac.digest(signing, each.encode(), "sha256")
        signature = hmac.digest(signing, text.encode(), "sha256").hex()
        return f"{address}?{query}&X-Amz-Signature={signature}"
