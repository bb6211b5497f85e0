"""Errors in the words of a page: the sentence on top of a form, and one for each field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from admin_web.words.formats import money
from admin_web.words.language import _, chosen, ngettext
from admin_web.words.options import label
from client.errors import API_UNAVAILABLE, TOO_SLOW, ApiError
from client.schemas import FieldProblem, Problem
from client.schemas.deliveries import DeliveryReason
from client.schemas.generations import ErrorOut
from client.schemas.text import Finish
from client.words import deliveries
from client.words import errors as words
from client.words.errors import Voice
from client.words.language import N_

API_DOWN = N_("The studio's engine does not answer right now.")
TOO_LONG = N_(
    "This took so long to arrive that your sign-in has to be renewed first. Open the studio in "
    "another tab, then send it again here."
)
ENDINGS: dict[Finish, str] = {
    "length": N_("Cut at the limit of its length."),
    "content_filter": N_("A content filter stopped the answer here."),
    "stopped": N_("Stopped."),
    "broken": N_("The answer broke off here."),
}
"""Endings of answers that did not end by themselves."""
NOTICES = {
    "linked": N_("A chat was linked with your account."),
    "link_conflict": N_("A chat could not be linked: it belongs to another account."),
    "unlinked": N_("A chat was unlinked from your account."),
    "chat_unlinked": N_("%(name)s in %(platform)s was unlinked from your account."),
    "link_refused": N_("%(name)s in %(platform)s refused to be linked."),
}
PLATFORMS = {"telegram": "Telegram", "discord": "Discord", "terminal": "Terminal"}
SOURCES = {"web": N_("Web"), "api": N_("API"), **PLATFORMS}


@dataclass(frozen=True, slots=True)
class FormError:
    """The errors of a form: one sentence on top, a sentence per field that is wrong."""

    message: str
    hint: str = ""
    code: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    cost: Decimal | None = None
    """In dollars: what has to be confirmed."""

    @property
    def spoken(self) -> dict[str, object]:
        """For our own scripts."""
        error = {
            "message": self.message,
            "hint": self.hint,
            "code": self.code,
            "cost": "" if self.cost is None else money(self.cost),
        }
        return {"error": error, "fields": self.fields}

    @property
    def sentence(self) -> str:
        """For a message without a form."""
        return f"{self.message} {self.hint}".strip()


def differing(message: str) -> FormError:
    """The error of a password that was typed in two ways."""
    return FormError(message, fields={"repeat": _("Type the same password again.")})


def voice() -> Voice:
    return Voice(chosen(), money, waiting, label)


def in_words(error: ApiError) -> FormError:
    problem = error.problem
    if error.code == "not_found" and problem is None:
        return FormError(words.of_reason(voice(), "address_unknown", {}), code=error.code)
    if error.code == TOO_SLOW:
        return FormError(_(TOO_LONG), code=TOO_SLOW)
    if not error.unanswered and problem is None:
        return FormError(error.detail, code=error.code)
    if problem is None:
        nothing_lost = _("Nothing you typed is lost. Try again in a moment.")
        return FormError(_(API_DOWN), nothing_lost, API_UNAVAILABLE)
    told = words.sentence(voice(), problem)
    helps = words.hint(voice(), problem), charged(problem.charged_usd)
    fields = {one.field.rpartition(".")[2]: field_words(one, problem) for one in error.fields}
    return FormError(told, " ".join(filter(None, helps)), error.code, fields, error.cost)


def failure(error: ErrorOut) -> str:
    """Why a job, or an answer, has failed."""
    return f"{words.sentence(voice(), error)} {words.hint(voice(), error)}".strip()


def charged(usd: Decimal | None) -> str:
    """The amount that was booked for something that failed; empty when the api does not say it."""
    return words.charged(voice(), usd)


def not_taken(reason: DeliveryReason, said: str) -> tuple[str, str]:
    """Why a chat did not take something: our sentence, and the chat's own words beside it."""
    return deliveries.why(voice(), reason, said)


def notice_words(code: str, facts: Mapping[str, str]) -> str:
    """A message that was meant for a chat. One that came later than these words is shown by its own
    text or name."""
    if code not in NOTICES:
        return facts.get("text") or code.replace("_", " ").capitalize()
    return _(NOTICES[code], **{"name": "", "platform": "", **facts})


def field_words(field: FieldProblem, problem: Problem) -> str:
    """The problem's own reason is about its one field."""
    if field.reason == problem.reason:
        return words.sentence(voice(), problem)
    return reason_words(field.reason, field.params or {})


def reason_words(reason: str, facts: Mapping[str, object]) -> str:
    return words.of_field(voice(), reason, facts) or _("This does not look right.")


def trouble_words(reason: str, params: Mapping[str, str | int]) -> str:
    """The sentence of a reason that is no error of this page; empty for one that came later than
    these words."""
    known = words.known(reason)
    if known is None:
        return ""
    said, quoted = words.of_reason(voice(), known, params), str(params.get("said", ""))
    # people are not told a store's own words, operators are
    return (
        f"{said.removesuffix('.')}: {quoted.removesuffix('.')}."
        if quoted and quoted not in said
        else said
    )


def waiting(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:
        return ngettext("%(n)s second", "%(n)s seconds", whole)
    return ngettext("%(n)s minute", "%(n)s minutes", round(whole / 60))
