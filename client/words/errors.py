"""Errors for people: the sentence of a reason, and a hint about what to do.

The English sentences are those of the API's own table. A `Voice` brings what chats and web pages
have of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from api.reasons import MAKING, NO_REASON, NOT_REPEATED, SENTENCES, Facts, Reason
from client.schemas import Between, Problem
from client.schemas.generations import ErrorOut
from client.words.language import DEFAULT, N_, catalogue, filled

LOCALES = Path(__file__).parent / "locale"
_KINDS = {
    "text": N_("text"),
    "image": N_("image"),
    "video": N_("video"),
    "transcription": N_("transcription"),
    "speech": N_("speech"),
}

_POSSIBLE = N_("Possible: %(allowed)s.")
_TRY_AGAIN = N_("Please try again in a moment.")
_OTHER_WORDS = N_("Please put it in other words, or choose another model.")
_MAY_DO_BETTER = N_("Another model may do better.")
_TELL_OPERATOR = N_("Please tell the operator.")
_LATER_OR_OTHER = N_("Please try again in a moment, or choose another model.")
_SMALLER_FILE = N_("Use a smaller file.")
_WAIT = N_("Wait a moment, then try again.")
_SAY_ALL = (
    "account_gone",
    "backup_unknown",
    "bot_credential_unknown",
    "broadcast_unknown",
    "code_not_valid",
    "code_unknown",
    "delivery_without_generation",
    "draft_gone",
    "file_gone",
    "generations_not_finished",
    "image_gone",
    "invitation_not_valid",
    "link_unknown",
    "model_unknown_id",
    "nothing_shown_yet",
    "reported_already",
    "reset_not_valid",
    "share_gone",
    "webhooks_off",
)
"""Reasons for which the hint of their code is wrong, or says nothing new."""
HINTS: dict[str, str] = {
    "busy": _TRY_AGAIN,
    "document_pages": _SMALLER_FILE,
    "document_scanned": "",
    "document_too_long": _SMALLER_FILE,
    "document_unpacks": _SMALLER_FILE,
    "empty_answer": N_("Please try again."),
    "key_refused": _TELL_OPERATOR,
    "key_of_other_request": N_("Reload the page to see how things stand now."),
    "model_gone": N_("Please choose another one."),
    "no_image": _OTHER_WORDS,
    "out_of_credit": _TELL_OPERATOR,
    "overloaded": _LATER_OR_OTHER,
    "provider_failed": _LATER_OR_OTHER,
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
    "admins_only": N_("Your account may not do this. An admin can change that."),
    "not_found": N_("It may be gone, or belong to another account."),
    **dict.fromkeys(_SAY_ALL, ""),
    "price_unknown": N_("Choose another model, or ask an admin to set a price."),
    "rate_limited": _WAIT,
    "database_away": _TRY_AGAIN,
    "reauth_required": N_("Reload the page, enter your password there, then repeat it."),
    "file_too_large": _SMALLER_FILE,
    "pixels_too_many": _SMALLER_FILE,
    "request_too_large": _SMALLER_FILE,
}
"""By the reason, else by the code of an error that is not about making something."""
IN_CHATS: dict[str, str] = {
    "bot_credential_wrong": _TELL_OPERATOR,
    "confirm_cost": N_("Please ask for it once more."),
    "document_scanned": N_("Answer the file with /ask --scan and your question."),
    "jobs_too_many": N_("/cancel stops one."),
    "key_of_other_request": "",
    "model_unavailable": "",
    "admins_only": "",
    "reauth_required": N_("Please do that on the web page."),
    "thinking_only": N_("Let it think less (option effort: low) or take another model."),
}
"""Hints that are others in a chat, which has commands instead of forms."""
BESIDE_WAIT: dict[str, str] = {
    _TRY_AGAIN: "",
    _WAIT: "",
    _LATER_OR_OTHER: N_("Or choose another model."),
    HINTS["empty_answer"]: "",
    HINTS["timed_out"]: N_("Another model may be quicker."),
}
"""The rest of a hint, once the time to wait is said."""
OF_CODE: dict[str, str] = {
    "content_refused": SENTENCES["safety"],
    "model_unavailable": N_("This model cannot be used."),
    "no_answer": SENTENCES["empty_answer"],
    "outcome_unknown": NOT_REPEATED,
    "provider_out_of_credit": SENTENCES["out_of_credit"],
    "provider_unavailable": N_("The AI provider could not do it."),
    "rate_limited": N_("That was too much at once."),
    "storage_full": SENTENCES["storage_full"],
    "storage_unavailable": SENTENCES["storage_unavailable"],
    "timed_out": N_("It took too long."),
    "too_large": N_("This file is too large."),
    "unsupported_media": N_("This file cannot be used."),
}
"""Errors of another version of the API, whose own words are English."""
OF_FIELD: dict[str, str] = {
    "missing": N_("Please fill this in."),
    "string_too_short": N_("Please fill this in."),
    "string_too_long": N_("This is too long: %(max_length)s characters at most."),
    "int_parsing": N_("This has to be a whole number."),
    "int_from_float": N_("This has to be a whole number."),
    "greater_than_equal": N_("This has to be %(ge)s or more."),
    "less_than_equal": N_("This has to be %(le)s or less."),
    "decimal_parsing": N_("This has to be an amount, such as 10 or 2.50."),
    "decimal_max_places": N_("Six digits after the point at most."),
    "too_long": N_("Too many: %(max_length)s at most."),
}
"""Faults of a field, by the kind of pydantic's error."""


class Voice(NamedTuple):
    """The manner of one kind of client: `option` is what people call an option there."""

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
    """The sentence of an error."""
    allowed = error.allowed if isinstance(error, Problem) else None
    if error.reason == "earlier":
        said = str(error.params.get("said", ""))
        in_english = said and (voice.language == DEFAULT or error.code not in OF_CODE)
        return _ended(said) if in_english else voice.say(OF_CODE.get(error.code, NO_REASON))
    said = of_reason(voice, error.reason, error.params)
    if allowed:
        said = f"{said} {voice.say(_POSSIBLE, allowed=_listed(voice, allowed))}"
    return f"{said} {voice.say(NOT_REPEATED)}" if error.code == "outcome_unknown" else said


def of_reason(voice: Voice, reason: Reason, params: Mapping[str, str | int]) -> str:
    facts = Facts((name, fact(voice, name, value)) for name, value in params.items())
    template = NO_REASON if reason == "earlier" and not facts.get("said") else SENTENCES[reason]
    return _ended(voice.say(template) % facts)


def of_field(voice: Voice, reason: str, params: Mapping[str, object]) -> str:
    """The fault of a field in words; empty for a kind that came later than these words."""
    return voice.say(OF_FIELD.get(reason, "")) % Facts(params)


def hint(voice: Voice, error: Problem | ErrorOut) -> str:
    """The hint that helps; empty when the sentence says all."""
    wait = error.retry_after if isinstance(error, Problem) else None
    key = error.reason if error.reason in HINTS or error.reason in MAKING else error.code
    known = {**HINTS, **IN_CHATS} if voice.in_chat else HINTS
    helps = known.get(error.reason, known.get(key, ""))
    if wait is None:
        return voice.say(helps)
    later = voice.say(N_("Please try again in %(time)s."), time=voice.time(wait))
    return f"{later} {voice.say(BESIDE_WAIT.get(helps, helps))}".strip()


def charged(voice: Voice, usd: Decimal | None) -> str:
    """The amount that was booked for something that failed; empty when the API does not say it."""
    if usd is None:
        return ""
    if not usd:
        return voice.say(N_("Nothing was charged."))
    return voice.say(N_("It cost %(price)s."), price=voice.money(usd))


def fact(voice: Voice, name: str, value: str | int) -> str | int:
    """A param as people read it."""
    if name.endswith("_usd"):
        return voice.money(Decimal(value))
    if name == "option":
        return voice.option(str(value))
    return voice.say(_KINDS.get(str(value), str(value))) if name in {"kind", "makes"} else value


def _ended(said: str) -> str:
    return said if said.endswith((".", "!", "?", "”", "“")) else f"{said}."


def _listed(voice: Voice, allowed: Sequence[str] | Between) -> str:
    if not isinstance(allowed, Between):
        return ", ".join(allowed)
    if allowed.least == allowed.most:
        return str(allowed.most)
    return voice.say(N_("%(least)s to %(most)s"), least=allowed.least, most=allowed.most)
