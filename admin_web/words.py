"""Errors in words for people: the api's own sentence, and what to do about it."""

from dataclasses import dataclass, field

from admin_web.api_http import ApiError

HINTS = {
    "not_authenticated": "Please sign in again.",
    "not_allowed": "Your account may not do this. An admin can change that.",
    "reauth_required": "Reload the page, enter your password there, then repeat it.",
    "signup_closed": "Ask an admin for an invitation.",
    "not_found": "It may have been deleted, or it belongs to somebody else.",
    "not_linked": "Link the chat from your profile first.",
    "invalid_request": "Change what is marked and send it again.",
    "option_unsupported": "Choose another value or another model.",
    "model_unavailable": "Choose another model from the list.",
    "budget_exceeded": "Choose something cheaper, or ask an admin for a higher budget. Nothing was charged.",
    "price_unknown": "Choose another model, or ask an admin to set a price. Nothing was charged.",
    "content_refused": "Say it in another way. Nothing was charged.",
    "provider_unavailable": "Nothing was charged. Try again in a moment.",
    "provider_out_of_credit": "Tell the person who runs this site. Nothing was charged.",
    "outcome_unknown": "Look into the gallery before you send it again.",
    "rate_limited": "Wait a moment, then try again.",
    "too_many_jobs": "Wait until one of your running jobs is done, or cancel one.",
    "confirm_cost": "Tick the box at the end of the form and send it again. Nothing was charged yet.",
    "already_finished": "There is nothing left to cancel.",
    "conflict": "Reload the page to see how things stand now.",
    "last_admin": "Make somebody else an admin first.",
    "setup_done": "Sign in with the account that was made then.",
    "too_large": "Use a smaller file.",
    "unsupported_media": "Use a PNG, JPEG or WebP picture.",
    "storage_full": "Tell the person who runs this site. Nothing was charged.",
    "still_running": "It goes on in the background; you find it in the gallery.",
    "timed_out": "Nothing was charged. Try it again; another model may be quicker.",
    "api_unavailable": "Nothing you typed is lost. Try again in a moment.",
}
PLATFORMS = {"telegram": "Telegram", "discord": "Discord", "terminal": "Terminal"}
API_DOWN = "The studio's engine does not answer right now."


@dataclass(frozen=True, slots=True)
class FormError:
    """What to show with a form: one sentence on top, a sentence per field that is wrong."""

    message: str
    hint: str = ""
    code: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """For a message without a form."""
        return f"{self.message} {self.hint}".strip()


def in_words(error: ApiError) -> FormError:
    message = API_DOWN if error.code == "api_unavailable" else error.detail
    hint = HINTS.get(error.code, "")
    if error.retry_after is not None:
        hint = f"Try again in {waiting(error.retry_after)}."
    fields = {problem.field.rpartition(".")[2]: problem.message for problem in error.fields}
    return FormError(message, hint, error.code, fields)


def waiting(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 120:
        return "1 second" if whole == 1 else f"{whole} seconds"
    return f"{round(whole / 60)} minutes"
