"""The meaning of failed calls: every documented status, error shape and network error as a
`ProviderError`."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import httpx

from api.provider.http_client import NO_BYTES_SENT
from api.provider.types import Outcome, ProviderError
from api.reasons import Making
from api.unicode import storable


class Paid(Enum):
    """The kind of a call's price, which decides what its failure proves."""

    NO = "no"
    """A question: asking again is free."""
    AT_ONCE = "at_once"
    """Chat and images: an answered error is not billed."""
    JOB = "job"
    """A video submit: after a server error the job may exist."""


_REFUSED_TYPES = {"content_policy_violation", "refusal"}
_REFUSED_BY_FINISH = re.compile(
    r"safety|prohibit|content.?filter|blocklist|recitation|spii|moderat", re.IGNORECASE
)
_REFUSED_UPSTREAM = re.compile(
    r"content.?polic|moderation|safety|nsfw|prohibited.?content|content.?filter", re.IGNORECASE
)
"""Clear words only, because a supplier's breakdown speaks of refused connections, too."""
_REFUSED = re.compile(
    r"content.?polic|moderat|flagged|safety|nsfw|prohibited|sensitive|guardrail|inappropriate|copyright|violat|refus",
    re.IGNORECASE,
)
_GONE_TYPES = {
    "model_not_found",
    "wrong_endpoint",
    "no_endpoints",
    "model_deprecated",
    "model_unavailable_upstream",
    "free_variant_ended",
}
_SPENT = re.compile(r"budget|credit|limit exceeded|key limit", re.IGNORECASE)
_SECRET = re.compile(r"(sk-[\w-]{6,}|Bearer\s+\S+|https?://\S+|data:\S+)", re.IGNORECASE)
_RETRY_MAX = 3600.0


def refuses_content(message: str) -> bool:
    """Return whether the provider's message is about the content of the request, so that another
    try does not help."""
    return _REFUSED.search(message) is not None


def refuses_at_end(choice: Mapping[str, Any]) -> bool:
    """Return whether an answer ended because of its content. Where the finish reason is only `stop`
    or `error`, the supplier's own one tells it."""
    words = choice.get("finish_reason"), choice.get("native_finish_reason")
    return any(isinstance(word, str) and _REFUSED_BY_FINISH.search(word) for word in words)


def tidy(message: str) -> str:
    """Return the provider's message without addresses and keys, short enough for a chat."""
    text = " ".join(_SECRET.sub("…", message).split())
    return text if len(text) <= 300 else text[:299] + "…"


class Details:
    """The provider's error object, read defensively: every field may be missing or of another
    type."""

    def __init__(self, error: object) -> None:
        fields: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
        metadata, availability = fields.get("metadata"), fields.get("availability")
        self.metadata: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
        self.availability: Mapping[str, Any] = (
            availability if isinstance(availability, dict) else {}
        )
        message = fields.get("message")
        self.message = storable(message) if isinstance(message, str) else ""
        code = fields.get("code", fields.get("http_status"))
        word = code if isinstance(code, str) else ""
        self.kind = str(self.metadata.get("error_type") or fields.get("error_type") or word)
        self.status = code if isinstance(code, int) and 100 <= code <= 599 else None

    def refuses(self, status: int) -> bool:
        """Return whether the error is about the content. A 404 speaks of guardrails and policies,
        too, and means that the account's settings leave no supplier."""
        told = any(key in self.metadata for key in ("reasons", "flagged_input", "patterns"))
        if told or self.kind in _REFUSED_TYPES:
            return True
        if status >= 500:
            said = f"{self.message} {self.metadata.get('raw') or ''}"
            return _REFUSED_UPSTREAM.search(said) is not None
        return status != 404 and refuses_content(self.message)

    @property
    def upstream(self) -> bool:
        """Return whether the error names a supplier that failed, or certain models."""
        return bool(self.metadata.get("provider_name") or self.availability)

    @property
    def model_gone(self) -> bool:
        return self.availability.get("code") in _GONE_TYPES or "not a valid model" in self.message


def of_response(status: int, headers: Mapping[str, str], body: bytes, paid: Paid) -> ProviderError:
    """Return the error of an answer with another status than 2xx."""
    error: object = None
    with suppress(ValueError, RecursionError):
        parsed = json.loads(body)
        error = parsed.get("error") if isinstance(parsed, dict) else None
    details = Details(error)
    wait = _retry_after(headers.get("retry-after"), details)
    return of_details(status, details, _outcome(status, paid), wait)


def of_error_in_answer(error: object, paid: Paid) -> ProviderError:
    """Return the error in an HTTP 200, also inside a stream. It is not billed: the finish reason is
    `error`."""
    details = Details(error)
    outcome: Outcome = "unknown" if paid is Paid.JOB else "refused"
    return of_details(details.status or 502, details, outcome, _retry_after(None, details))


def of_details(
    status: int, details: Details, outcome: Outcome, retry_after: float | None
) -> ProviderError:
    code, reason, said = _meaning(status, details)
    # a refusal is an answer, also where the status says that something broke
    proven: Outcome = "refused" if code == "content_refused" else outcome
    return ProviderError(
        code,
        reason,
        outcome=proven,
        status=status,
        retry_after=retry_after,
        upstream=details.upstream,
        said=said,
    )


def _outcome(status: int, paid: Paid) -> Outcome:
    # after an edge timeout the work goes on and may be billed
    if status == 524 and paid is not Paid.NO:
        return "unknown"
    if paid is Paid.JOB and (status >= 500 or status in {408, 499}):
        return "unknown"
    return "refused"


_Meaning = tuple[str, Making]
"""Code and reason."""
_TIMED_OUT: _Meaning = ("provider_unavailable", "timed_out")
_OVERLOADED: _Meaning = ("provider_unavailable", "overloaded")
_FAILED: _Meaning = ("provider_unavailable", "provider_failed")
_NO_CREDIT: _Meaning = ("provider_out_of_credit", "out_of_credit")
_REFUSED_REQUEST: _Meaning = ("invalid_request", "request_refused")
_BY_STATUS: Mapping[int, _Meaning] = {
    401: ("provider_unavailable", "key_refused"),
    402: _NO_CREDIT,
    408: _TIMED_OUT,
    429: ("rate_limited", "busy"),
    503: _OVERLOADED,
    504: _TIMED_OUT,
    524: _TIMED_OUT,
    529: _OVERLOADED,
}
_BY_CLIENT_STATUS: Mapping[int, _Meaning] = {
    409: _FAILED,
    410: ("invalid_request", "not_fetched"),
    413: _REFUSED_REQUEST,
    499: _FAILED,
}
_QUOTED: frozenset[Making] = frozenset({"safety", "model_gone", "request_refused"})
"""Reasons that are shown with the provider's own words."""


def _meaning(status: int, details: Details) -> tuple[str, Making, str]:
    code, reason = _code_and_reason(status, details)
    said = tidy(details.message) if reason in _QUOTED and not details.model_gone else ""
    return code, reason, said or ("–" if reason == "request_refused" else "")


def _code_and_reason(status: int, details: Details) -> _Meaning:
    if status not in {401, 402, 429} and status >= 400 and details.refuses(status):
        return "content_refused", "safety"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return _FAILED
    if status < 400:
        return "provider_unavailable", "unreadable_answer"
    return _client_error(status, details)


def _client_error(status: int, details: Details) -> _Meaning:
    if details.availability.get("retryable") is True:
        return _OVERLOADED
    if status == 403 and not details.model_gone and _SPENT.search(details.message):
        return _NO_CREDIT
    if details.model_gone or status in {403, 404}:
        return "model_unavailable", "model_gone"
    return _BY_CLIENT_STATUS.get(status, _REFUSED_REQUEST)


def _retry_after(header: str | None, details: Details) -> float | None:
    """Return seconds from the header (number or date) or the error's fields, at most an hour."""
    told = details.availability.get("retry_after"), details.metadata.get("retry_after")
    for given in (header, *told):
        if not isinstance(given, bool) and (seconds := _seconds(given)) is not None:
            return min(max(seconds, 0.0), _RETRY_MAX)
    return None


def _seconds(given: object) -> float | None:
    try:
        value = float(given) if isinstance(given, int | float | str) else None
    except ValueError:
        with suppress(ValueError, TypeError):
            moment = parsedate_to_datetime(str(given))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (moment - datetime.now(UTC)).total_seconds()
        return None
    return value if value is not None and math.isfinite(value) else None


def of_network(error: httpx.HTTPError | httpx.InvalidURL, paid: Paid) -> ProviderError:
    """Return the error of a call with no answer, or with only a part of one."""
    if isinstance(error, (*NO_BYTES_SENT, httpx.InvalidURL)):
        return ProviderError("provider_unavailable", "unreachable", outcome="not_sent")
    outcome: Outcome = "refused" if paid is Paid.NO else "unknown"
    reason: Making = "timed_out" if isinstance(error, httpx.TimeoutException) else "connection_lost"
    return ProviderError("provider_unavailable", reason, outcome=outcome)


def garbage(paid: Paid, status: int | None = None, cost_micro: int | None = None) -> ProviderError:
    """Return the error of an unreadable success, whose work may have been done and billed."""
    return ProviderError(
        "provider_unavailable",
        "unreadable_answer",
        outcome="refused" if paid is Paid.NO else "unknown",
        status=status,
        cost_micro=cost_micro,
    )
