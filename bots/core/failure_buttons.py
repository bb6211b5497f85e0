"""The one button under a failure, which helps against it."""

from typing import Literal

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.cards import Buttons
from bots.core.types import Button, Inbound
from client.errors import ApiError
from client.schemas import Kind, Reason
from client.schemas.generations import GenerationOut

Remedy = Literal["again", "other_model", "tell_admin"]

BY_REASON: dict[Reason, Remedy] = {
    "unreachable": "again",
    "connection_lost": "again",
    "timed_out": "again",
    "overloaded": "again",
    "busy": "again",
    "provider_failed": "again",
    "unreadable_answer": "again",
    "not_fetched": "again",
    "cut_short": "again",
    "server_stopped": "again",
    "empty_answer": "again",
    "no_image": "other_model",
    "words_only": "other_model",
    "unusable_image": "other_model",
    "unusable_video": "other_model",
    "safety": "other_model",
    "model_gone": "other_model",
    "request_refused": "other_model",
    "thinking_only": "other_model",
    "key_refused": "tell_admin",
    "out_of_credit": "tell_admin",
    "storage_unavailable": "tell_admin",
    "storage_full": "tell_admin",
}
BY_CODE: dict[str, Remedy] = {
    "provider_unavailable": "again",
    "no_answer": "again",
    "timed_out": "again",
    "outcome_unknown": "again",
    "rate_limited": "again",
    "content_refused": "other_model",
    "model_unavailable": "other_model",
    "option_unsupported": "other_model",
    "price_unknown": "other_model",
    "provider_out_of_credit": "tell_admin",
    "storage_unavailable": "tell_admin",
    "storage_full": "tell_admin",
}
"""Remedies where no reason is given. Other words, or time, help against the failures that are
missing here."""
MADE_BY: dict[str, Kind] = {
    "ask": "text",
    "go_on": "text",
    "image": "image",
    "edit": "image",
    "video": "video",
    "animate": "video",
}


def of_failed(made: GenerationOut) -> Buttons:
    """The button under the news of a failed generation. Anybody may press it: the API knows whose
    it is."""
    if made.status != "failed" or made.error is None:
        return ()
    actions: dict[Remedy, tuple[str, str]] = {
        "again": (texts.again_button(), "again"),
        "other_model": (texts.other_model_button(), "other"),
        "tell_admin": (texts.tell_admin_button(), "tell"),
    }
    remedy = _remedy(made.error.code, made.error.reason)
    return ((Button(*actions[remedy], made.id),),) if remedy is not None else ()


def of_error(error: ApiError, inbound: Inbound) -> Buttons:
    """The button under the reason why a command did nothing. A button that was pressed can be
    pressed again: it gets no second one."""
    reason = None if error.problem is None else error.problem.reason
    told = error.code if reason is None or reason == "earlier" else reason
    remedy = _remedy(error.code, reason)
    match remedy:
        case "again" if inbound.pressed is None:
            return ((Button(texts.again_button(), "repeat", ACTIVITY.remember(inbound)),),)
        case "other_model":
            kind = MADE_BY.get(inbound.command)
            models = ("models", f"{kind}:0:{inbound.sender.id}")
            target = ("model", "") if kind is None else models
            return ((Button(texts.other_model_button(), *target),),)
        case "tell_admin":
            return ((Button(texts.tell_admin_button(), "tell", told),),)
    return ()


def _remedy(code: str, reason: Reason | None) -> Remedy | None:
    known = BY_CODE.get(code)
    return known if reason is None else BY_REASON.get(reason, known)
