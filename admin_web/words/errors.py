"""Errors in words for people: the api's own sentence, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from admin_web.words.conflicts import CONFLICTS
from admin_web.words.language import DEFAULT, N_, _, chosen, money, ngettext
from admin_web.words.options import label
from client.errors import API_UNAVAILABLE, ApiError
from client.schemas import Between, FieldProblem, Problem, Reason
from client.schemas.generations import ErrorOut
from client.schemas.text import Finish

API_DOWN = N_("The studio's engine does not answer right now.")
HINTS = {
    "not_authenticated": N_("Please sign in again."),
    "not_allowed": N_("Your account may not do this. An admin can change that."),
    "reauth_required": N_("Reload the page, enter your password there, then repeat it."),
    "signup_closed": N_("Ask an admin for an invitation."),
    "not_found": N_("It may have been deleted, or it belongs to somebody else."),
    "not_linked": N_("Link the chat from your profile first."),
    "invalid_request": N_("Change what is marked and send it again."),
    "option_unsupported": N_("Choose another value or another model."),
    "model_unavailable": N_("Choose another model from the list."),
    "budget_exceeded": N_("Choose something cheaper, or ask an admin for a higher budget."),
    "price_unknown": N_("Choose another model, or ask an admin to set a price."),
    "content_refused": N_("Say it in another way."),
    "provider_unavailable": N_("Try again in a moment, or choose another model."),
    "provider_out_of_credit": N_("Tell the person who runs this site."),
    "no_answer": N_("Try it again, or choose another model."),
    "outcome_unknown": N_("Look into the gallery before you send it again."),
    "rate_limited": N_("Wait a moment, then try again."),
    "too_many_jobs": N_("Wait until one of your running jobs is done, or cancel one."),
    "confirm_cost": N_("Tick the box at the end of the form and send it again."),
    "already_finished": N_("There is nothing left to cancel."),
    "conflict": N_("Reload the page to see how things stand now."),
    "last_admin": N_("Make somebody else an admin first."),
    "setup_done": N_("Sign in with the account that was made then."),
    "too_large": N_("Use a smaller file."),
    "unsupported_media": N_("Use a picture: PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP or TIFF."),
    "storage_full": N_("Tell the person who runs this site."),
    "storage_unavailable": N_(
        "Try again in a moment. If it stays so, tell the person who runs this site."
    ),
    "still_running": N_("It goes on in the background; you find it in the gallery."),
    "timed_out": N_("Try it again; another model may be quicker."),
    "api_unavailable": N_("Nothing you typed is lost. Try again in a moment."),
}
MESSAGES = {
    "not_authenticated": N_("You are not signed in."),
    "not_allowed": N_("This is not for your account."),
    "reauth_required": N_("This needs your password."),
    "signup_closed": N_("New accounts are made by invitation here."),
    "not_found": N_("There is nothing here."),
    "not_linked": N_("This chat is not linked."),
    "invalid_request": N_("Some of this cannot be used."),
    "option_unsupported": N_("The model does not take one of these options."),
    "model_unavailable": N_("This model cannot be used."),
    "budget_exceeded": N_("This would cost more than what is left of your budget."),
    "price_unknown": N_("Nobody knows what this model costs."),
    "content_refused": N_("The model refused to make this."),
    "provider_unavailable": N_("The AI provider could not do it."),
    "provider_out_of_credit": N_("The account at the AI provider is empty."),
    "no_answer": N_("The model gave no answer."),
    "outcome_unknown": N_("It is not known whether this was made."),
    "rate_limited": N_("That was too much at once."),
    "too_many_jobs": N_("You have too many jobs running."),
    "confirm_cost": N_("This costs more than what you want to spend without being asked."),
    "already_finished": N_("This is finished already."),
    "conflict": N_("Somebody was faster."),
    "last_admin": N_("This is the last admin."),
    "setup_done": N_("Setup is done already."),
    "too_large": N_("This file is too large."),
    "unsupported_media": N_("This file cannot be used."),
    "storage_full": N_("There is no room for new files."),
    "storage_unavailable": N_("The files cannot be reached right now."),
    "still_running": N_("It is not ready yet."),
    "timed_out": N_("It took too long."),
    "api_unavailable": API_DOWN,
}
"""The api speaks English: in another language its sentence is said by its code, without the numbers
that were in it."""
CAUSES: dict[Reason, str] = {
    "unreachable": N_("The AI provider cannot be reached. Try again in a moment."),
    "connection_lost": N_("The connection to the AI provider broke before its answer was here."),
    "timed_out": N_("The AI provider took too long. Try it again; another model may be quicker."),
    "overloaded": N_(
        "The AI provider is overloaded. Try again in a moment, or choose another model."
    ),
    "busy": N_("The AI provider is busy: too much is asked of it at once. Try again in a moment."),
    "provider_failed": N_(
        "Something broke at the AI provider. Try again in a moment, or choose another model."
    ),
    "unreadable_answer": N_("The answer of the AI provider cannot be read."),
    "no_image": N_(
        "The model answered without a picture. Say it in another way, or choose another model."
    ),
    "words_only": N_("The model answered with words instead of a picture: “%(detail)s”"),
    "unusable_image": N_(
        "The picture that the model made cannot be read. Another model may do better."
    ),
    "not_fetched": N_("It was made, but could not be fetched from the AI provider."),
    "unusable_video": N_(
        "The video that the model made cannot be read. Another model may do better."
    ),
    "cut_short": N_("What the AI provider sent ends in the middle."),
    "safety": N_("The model refused this because of its content. Say it in another way."),
    "key_refused": N_(
        "The AI provider does not accept this server's key. Tell the person who runs this site."
    ),
    "out_of_credit": N_(
        "The account at the AI provider is empty. Tell the person who runs this site."
    ),
    "model_gone": N_(
        "The AI provider does not offer this model, or not to this server. Choose another one."
    ),
    "request_refused": N_("The AI provider does not take this request: “%(detail)s”"),
    "storage_unavailable": N_(
        "The store for files cannot be used right now. Tell the person who runs this site."
    ),
    "storage_full": N_("There is no room for new files. Tell the person who runs this site."),
    "server_stopped": N_("The server was stopped while this was being made."),
    "thinking_only": N_(
        "The model used up all its room for thinking, so there is no answer. Let it think less "
        "(below the question) or take another model."
    ),
    "empty_answer": N_("The model gave no answer. Try it again."),
}
"""Why something was not made, by the api's reason, and what to do about it. `detail`: what the
provider or the model said."""
ENDINGS: dict[Finish, str] = {
    "length": N_("Cut at the limit of its length."),
    "content_filter": N_("A content filter stopped the answer here."),
    "stopped": N_("Stopped."),
    "broken": N_("The answer broke off here."),
}
"""How an answer ended that did not end by itself."""
NOTICES = {
    "linked": N_("A chat was linked with your account."),
    "link_conflict": N_("A chat could not be linked: it belongs to another account."),
    "unlinked": N_("A chat was unlinked from your account."),
    "chat_unlinked": N_("%(name)s in %(platform)s was unlinked from your account."),
    "link_refused": N_("%(name)s in %(platform)s refused to be linked."),
}
_REASONS = {
    "missing": N_("Please fill this in."),
    "blank": N_("Please fill this in."),
    "string_too_short": N_("Please fill this in."),
    "string_too_long": N_("This is too long: %(max_length)s characters at most."),
    "int_parsing": N_("This has to be a whole number."),
    "int_from_float": N_("This has to be a whole number."),
    "greater_than_equal": N_("This has to be %(ge)s or more."),
    "less_than_equal": N_("This has to be %(le)s or less."),
    "decimal_parsing": N_("This has to be an amount, such as 10 or 2.50."),
    "decimal_max_places": N_("Six digits after the point at most."),
    "too_long": N_("Too many: %(max_length)s at most."),
    "password_short": N_("The password must have at least %(least)s characters."),
    "password_long": N_("The password must have at most %(most)s bytes."),
    "password_common": N_(
        "This password is among the first that are guessed: it is a common one with little added. "
        "Several words that do not belong together are good."
    ),
    "password_repeats": N_(
        "This password repeats itself. Several words that do not belong together are good."
    ),
    "password_run": N_(
        "This password follows the keyboard or the alphabet. Several words that do not belong "
        "together are good."
    ),
    "password_named": N_(
        "This password is mostly a name that others know: yours, this server's or this product's."
    ),
    "password_wrong": N_("The current password is not right."),
    "zone_unknown": N_("This time zone is not known. They are called such as Europe/Berlin."),
    "model_reads_less": N_("This is too long for %(model)s."),
    "two_sizes": N_("Give either a size in pixels, or an aspect ratio and a resolution: not both."),
    "address_not_https": N_("This is not an https address."),
    "address_not_plain": N_("The address needs a name, and may hold no port, user or password."),
    "address_not_fetched": N_("The image could not be fetched from this address."),
}
"""What is wrong with a field, by the api's word for it: its own, or the one of its schemas."""
_FACTS = {"max_length": "", "ge": "", "le": "", "least": "", "most": "", "model": ""}
PLATFORMS = {"telegram": "Telegram", "discord": "Discord", "terminal": "Terminal"}


@dataclass(frozen=True, slots=True)
class FormError:
    """What to show with a form: one sentence on top, a sentence per field that is wrong."""

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


def in_words(error: ApiError) -> FormError:
    if error.unanswered:
        down = API_UNAVAILABLE
        return FormError(said(down, error.detail), _(HINTS[down]), down)
    wait = (
        ""
        if error.retry_after is None
        else _("Try again in %(time)s.", time=waiting(error.retry_after))
    )
    if error.problem is not None and error.problem.reason in CAUSES:
        paid = charged(error.problem.charged_usd)
        return FormError(
            cause(
                error.problem.reason,
                str(error.problem.params.get("said", error.detail)),
                error.code,
            ),
            f"{wait} {paid}".strip(),
            error.code,
        )
    hint = _(HINTS[error.code]) if error.code in HINTS and error.detail not in CONFLICTS else ""
    facts = _by_facts(error.problem) if error.problem is not None and chosen() != DEFAULT else ""
    fields = {
        problem.field.rpartition(".")[2]: facts or field_words(problem) for problem in error.fields
    }
    return FormError(
        facts or said(error.code, error.detail), wait or hint, error.code, fields, error.cost
    )


def failure(error: ErrorOut) -> str:
    """Why a job, or an answer, has failed."""
    if error.reason in CAUSES:
        return cause(error.reason, str(error.params.get("said", error.message)), error.code)
    words = said(error.code, error.message)
    return words if words.endswith((".", "!", "?")) else f"{words}."


def cause(reason: Reason, detail: str, code: str) -> str:
    words = _(CAUSES[reason], detail=detail)
    return words + " " + _(MESSAGES[code]) if code == "outcome_unknown" else words


def charged(usd: Decimal | None) -> str:
    """What was booked for something that failed; empty when the api does not say it."""
    if usd is None:
        return ""
    return _("It cost %(price)s.", price=money(usd)) if usd else _("Nothing was charged.")


def _by_facts(problem: Problem) -> str:
    """The sentence that the facts make; empty when there are none."""
    allowed = _allowed(problem.allowed)
    if problem.code == "option_unsupported" and problem.option:
        values = {
            "model": problem.model or _("This model"),
            "option": label(problem.option),
        }
        if not allowed:
            return _("%(model)s does not take the option “%(option)s”.", **values)
        return _(
            "%(model)s does not take “%(option)s” like that. Possible: %(allowed)s.",
            **values,
            allowed=allowed,
        )
    if problem.code == "model_unavailable" and problem.model:
        if not allowed:
            return _("The model “%(model)s” cannot be used.", model=problem.model)
        return _(
            "The model “%(model)s” cannot be used. Possible: %(allowed)s.",
            model=problem.model,
            allowed=allowed,
        )
    return ""


def _allowed(values: Sequence[str] | Between | None) -> str:
    if not isinstance(values, Between):
        return ", ".join(values or ())
    return (
        _("%(least)s to %(most)s", least=values.least, most=values.most)
        if values.least < values.most
        else str(values.most)
    )


def said(code: str, detail: str) -> str:
    """What the api has said of an error, in the language of the page."""
    if detail in CONFLICTS:
        return _(detail)
    if code == "api_unavailable" or (chosen() != DEFAULT and code in MESSAGES):
        return _(MESSAGES[code])
    return detail


def notice_words(code: str, facts: Mapping[str, str]) -> str:
    """A message that was meant for a chat. One that came later than these words is shown by its own
    text or name."""
    if code not in NOTICES:
        return facts.get("text") or code.replace("_", " ").capitalize()
    return _(NOTICES[code], **{"name": "", "platform": "", **facts})


def field_words(problem: FieldProblem) -> str:
    return reason_words(problem.reason, problem.params or {}) or (
        problem.message if chosen() == DEFAULT else not_right()
    )


def reason_words(reason: str | None, facts: Mapping[str, object]) -> str:
    """Empty for a reason that came later than these words."""
    return _(_REASONS[reason], **{**_FACTS, **facts}) if reason in _REASONS else ""


def not_right() -> str:
    return _("This does not look right.")


def waiting(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:
        return ngettext("%(n)s second", "%(n)s seconds", whole)
    return ngettext("%(n)s minute", "%(n)s minutes", round(whole / 60))
