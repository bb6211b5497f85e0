"""Errors for people: the sentence of a reason, and a hint about what to do.

The English sentences are those of the API's own table. A `Voice` brings what chats and web pages
have of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from api.reasons import MAKING, NOT_REPEATED, SENTENCES, Reason
from client.schemas import Between, Problem
from client.schemas.generations import ErrorOut
from client.words.language import N_, catalogue, filled

LOCALES = Path(__file__).parent / "locale"
_KINDS = {"text": N_("text"), "image": N_("image"), "video": N_("video")}

_POSSIBLE = N_("Possible: %(allowed)s.")
_TRY_AGAIN = N_("Please try again in a moment.")
_OTHER_WORDS = N_("Please put it in other words, or choose another model.")
_MAY_DO_BETTER = N_("Another model may do better.")
_TELL_OPERATOR = N_("Please tell the operator.")
HINTS: dict[str, str] = {
    "busy": _TRY_AGAIN,
    "empty_answer": N_("Please try again."),
    "key_refused": _TELL_OPERATOR,
    "key_of_other_request": N_("Reload the page to see how things stand now."),
    "model_gone": N_("Please choose another one."),
    "no_image": _OTHER_WORDS,
    "out_of_credit": _TELL_OPERATOR,
    "overloaded": N_("Please try again in a moment, or choose another model."),
    "provider_failed": N_("Please try again in a moment, or choose another model."),
    "safety": N_("Please put it in other words."),
    "storage_full": _TELL_OPERATOR,
    "storage_silent": _TELL_OPERATOR,
    "storage_unavailable": _TELL_OPERATOR,
    "thinking_only": N_("Let it think less (below the question) or take another model."),
    "timed_out": N_("Please try again; another model may be quicker."),
    "unreachable": _TRY_AGAIN,
    "unusable_image": _MAY_DO_BETTER,
    "unusable_video": _MAY_DO_BETTER,
    "budget_exceeded": N_("Choose something cheaper, or ask an admin for a higher budget."),
    "confirm_cost": N_("Tick the box at the end of the form and send it again."),
    "model_unavailable": N_("Choose another model from the list."),
    "not_allowed": N_("Your account may not do this. An admin can change that."),
    "not_found": N_("It may be gone, or belong to another account."),
    "price_unknown": N_("Choose another model, or ask an admin to set a price."),
    "rate_limited": N_("Wait a moment, then try again."),
    "reauth_required": N_("Reload the page, enter your password there, then repeat it."),
    "too_large": N_("Use a smaller file."),
}
"""By the reason, else by the code of an error that is not about making something."""
IN_CHATS: dict[str, str] = {
    "bot_credential_wrong": _TELL_OPERATOR,
    "confirm_cost": N_("Please ask for it once more."),
    "jobs_too_many": N_("/cancel stops one."),
    "key_of_other_request": "",
    "model_unavailable": "",
    "not_allowed": "",
    "reauth_required": N_("Please do that on the web page."),
    "thinking_only": N_("Let it think less (option effort: low) or take another model."),
}
"""Hints that are others in a chat, which has commands instead of forms."""


class Voice(NamedTuple):
    """How one kind of client speaks: `option` is what people call an option there."""

    language: str
    money: Callable[[Decimal], str]
    time: Callable[[float], str]
    option: Callable[[str], str]
    in_chat: bool = False

    def say(self, sentence: str, /, **values: object) -> str:
        text = catalogue(LOCALES, self.language).gettext(sentence) if sentence else ""
        return filled(text, values)


def known(reason: str) -> Reason | None:
    return next((one for one in SENTENCES if one == reason), None)


def sentence(voice: Voice, error: Problem | ErrorOut) -> str:
    """What happened."""
    allowed = error.allowed if isinstance(error, Problem) else None
    said = of_reason(voice, error.reason, error.params)
    if allowed:
        said = f"{said} {voice.say(_POSSIBLE, allowed=_listed(voice, allowed))}"
    return f"{said} {voice.say(NOT_REPEATED)}" if error.code == "outcome_unknown" else said


def of_reason(voice: Voice, reason: Reason, params: Mapping[str, str | int]) -> str:
    facts = {name: _fact(voice, name, value) for name, value in params.items()}
    said = voice.say(SENTENCES[reason], **facts) if facts else voice.say(SENTENCES[reason])
    return said if said.endswith((".", "!", "?", "”", "“")) else f"{said}."


def hint(voice: Voice, error: Problem | ErrorOut) -> str:
    """What to do about it; empty when the sentence says all."""
    wait = error.retry_after if isinstance(error, Problem) else None
    if wait is not None:
        return voice.say(N_("Please try again in %(time)s."), time=voice.time(wait))
    key = error.reason if error.reason in HINTS or error.reason in MAKING else error.code
    known = {**HINTS, **IN_CHATS} if voice.in_chat else HINTS
    return voice.say(known.get(error.reason, known.get(key, "")))


def charged(voice: Voice, usd: Decimal | None) -> str:
    """The amount that was booked for something that failed; empty when the API does not say it."""
    if usd is None:
        return ""
    if not usd:
        return voice.say(N_("Nothing was charged."))
    return voice.say(N_("It cost %(price)s."), price=voice.money(usd))


def _fact(voice: Voice, name: str, value: str | int) -> str | int:
    if name.endswith("_usd"):
        return voice.money(Decimal(value))
    if name == "option":
        return voice.option(str(value))
    return voice.say(_KINDS[str(value)]) if name in {"kind", "makes"} else value


def _listed(voice: Voice, allowed: Sequence[str] | Between) -> str:
    if not isinstance(allowed, Between):
        return ", ".join(allowed)
    if allowed.least == allowed.most:
        return str(allowed.most)
    return voice.say(N_("%(least)s to %(most)s"), least=allowed.least, most=allowed.most)
