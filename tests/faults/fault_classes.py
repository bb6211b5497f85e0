"""The ways in which a call to somebody else goes wrong, by name, as the sandbox and the fakes of
the chat platforms make them."""

from collections.abc import Mapping
from typing import Any

from sandbox.faults import CallKind, Fault

HANGS = 45.0
"""Seconds without an answer: longer than any program of the product waits in these tests."""
SLOW = 2.0
AWAY = 1.5
OUT_OF_CREDIT = {
    "no_credit": "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    "too_many_tokens": "This request requires more credits, or fewer max_tokens. You requested up "
    "to 65536 tokens, but can only afford 10114.",
    "key_limit": "This key has used up its monthly limit. Manage it in your settings",
}
"""Messages of the three kinds of 402."""

AT_PROVIDER: Mapping[str, Mapping[str, Any]] = {
    "reset_before": {"kind": "drop"},
    "reset_after": {"kind": "lost"},
    "hang": {"kind": "hang", "seconds": HANGS},
    "slow": {"kind": "slow", "seconds": SLOW},
    "429": {"kind": "status", "status": 429, "retry_after": 1},
    **{
        f"402_{name}": {"kind": "status", "status": 402, "message": said}
        for name, said in OUT_OF_CREDIT.items()
    },
    "5xx": {"kind": "status", "status": 502},
    "bad_json": {"kind": "garbage"},
    "cut": {"kind": "cut", "after": 1},
}
OF_WEBHOOKS: Mapping[str, Mapping[str, Any]] = {
    "lost": {"kind": "off"},
    "forged": {"kind": "bad_signature"},
    "duplicate": {"kind": "duplicate"},
    "late": {"kind": "late", "seconds": 3},
}
"""A hook that comes before the answer to its submit is the class `slow` there."""
AT_TELEGRAM: Mapping[str, Mapping[str, Any]] = {
    "reset_before": {"kind": "reset_before"},
    "reset_after": {"kind": "reset_after"},
    "hang": {"kind": "hang_before", "seconds": HANGS},
    "hang_after": {"kind": "hang_after", "seconds": HANGS},
    "slow": {"kind": "slow_after", "seconds": SLOW},
    "429": {"kind": "flood", "retry_after": 1},
    "5xx": {"kind": "status", "status": 502, "description": "Bad Gateway"},
    "bad_json": {"kind": "garbage_after"},
    "cut": {"kind": "cut_after"},
}
AT_DISCORD: Mapping[str, Mapping[str, Any]] = {
    **AT_TELEGRAM,
    "429": {"kind": "limited", "retry_after": 1.0},
    "5xx": {"kind": "status", "status": 502, "message": "Bad Gateway"},
    "5xx_after": {"kind": "status_after", "status": 502, "message": "Bad Gateway"},
}


def at_provider(call: CallKind, name: str, **where: Any) -> Fault:
    """Return the fault of a class, for one call."""
    known = OF_WEBHOOKS if call == "webhooks" else AT_PROVIDER
    return Fault.model_validate({"call": call, "times": 1, **known[name], **where})
