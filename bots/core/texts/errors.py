"""What went wrong, and what to do about it."""

from collections.abc import Sequence
from decimal import Decimal

from bots.core.language import DEFAULT, N_, _, spoken
from bots.core.splitting import shorten
from bots.core.texts.words import money, number, seconds
from client.errors import API_UNAVAILABLE, BAD_ANSWER, NOT_KNOWN
from client.schemas import Between, Problem, Reason

ERRORS: dict[str, str] = {
    "not_authenticated": N_(
        "The server does not accept this bot's credential any more. Please tell the operator."
    ),
    "not_allowed": N_("Your account is not allowed to do that."),
    "reauth_required": N_(
        "For that, please sign in on the web page and enter your password again."
    ),
    "signup_closed": N_("New accounts are by invitation only. Please ask the operator for one."),
    "not_found": N_("I can't find that. It may be gone, or belong to another account."),
    "not_linked": N_("This chat is not linked to an account yet."),
    "invalid_request": N_("That did not work: %(detail)s"),
    "option_unsupported": N_("This model can't do that: %(detail)s"),
    "model_unavailable": N_("This model is not available: %(detail)s"),
    "budget_exceeded": N_("Your budget for this month does not cover this."),
    "confirm_cost": N_(
        "That costs more than you want to spend without being asked. Please ask for it once more."
    ),
    "price_unknown": N_(
        "The price of this model is not known, so I can't use it. Please choose another one, or "
        "ask the operator."
    ),
    "content_refused": N_("The model refused this request. Please put it in other words."),
    "provider_unavailable": N_(
        "The AI provider could not do that right now. Please try again%(wait)s."
    ),
    "provider_out_of_credit": N_(
        "The operator's account at the AI provider is out of credit. Please tell the operator."
    ),
    "outcome_unknown": N_(
        "Whether the AI provider did the work is not known, so I won't repeat it by myself."
    ),
    "no_answer": N_("The model gave no answer. Please try again."),
    "timed_out": N_("The AI provider took too long, so I stopped waiting. Please try again."),
    "rate_limited": N_("That was a bit fast. Please try again%(wait)s."),
    "too_many_jobs": N_(
        "You already have as many jobs running as you may. Wait for one to finish, or stop one "
        "with /cancel."
    ),
    "already_finished": N_("That one has already finished."),
    "conflict": N_("That does not fit what is there already: %(detail)s"),
    "last_admin": N_("The last admin has to stay."),
    "setup_done": N_("Setup is already done."),
    "too_large": N_(
        "That file is too large for me. I take images of up to 20 MB: please send a smaller copy."
    ),
    "unsupported_media": N_(
        "I can't use this file. Please send a picture: PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP or "
        "TIFF."
    ),
    "file_unreadable": N_("The chat does not hand me that file. Please send it again."),
    "storage_full": N_("The server's storage is full. Please tell the operator."),
    "storage_unavailable": N_(
        "The server's storage can't be used right now. Please tell the operator."
    ),
    "still_running": N_(
        "This takes longer than usual. The result will arrive here when it is ready."
    ),
    API_UNAVAILABLE: N_("I can't reach my server right now. Please try again in a minute."),
    NOT_KNOWN: N_(
        "My server has not answered for minutes, so I don't know whether it is doing this. "
        "Please look at /jobs before you ask for it again."
    ),
    BAD_ANSWER: N_("My server answered something I don't understand. Please tell the operator."),
}
"""By the api's error code. `detail` is the api's own sentence, `wait` is empty or ` in 20
seconds`."""

CAUSES: dict[Reason, str] = {
    "unreachable": N_("The AI provider can't be reached right now. Please try again%(wait)s."),
    "connection_lost": N_("The connection to the AI provider broke before its answer was here."),
    "timed_out": N_("The AI provider took too long, so I stopped waiting. Please try again."),
    "overloaded": N_("The AI provider is overloaded right now. Please try again%(wait)s."),
    "busy": N_(
        "The AI provider is busy: too much is asked of it at once. Please try again%(wait)s."
    ),
    "provider_failed": N_(
        "Something broke at the AI provider. Please try again%(wait)s, or choose another model."
    ),
    "unreadable_answer": N_("The AI provider answered something that can't be read."),
    "no_image": N_(
        "The model answered without a picture. Please put it in other words, or choose another "
        "model."
    ),
    "words_only": N_("The model answered with words instead of a picture: “%(detail)s”"),
    "unusable_image": N_(
        "The picture that the model made can't be read. Another model may do better."
    ),
    "not_fetched": N_("It was made, but could not be fetched from the AI provider."),
    "unusable_video": N_(
        "The video that the model made can't be read. Another model may do better."
    ),
    "cut_short": N_("What the AI provider sent ends in the middle."),
    "safety": N_(
        "The model refused this request because of its content. Please put it in other words."
    ),
    "key_refused": N_(
        "The AI provider does not accept this server's key. Please tell the operator."
    ),
    "out_of_credit": N_(
        "The operator's account at the AI provider is out of credit. Please tell the operator."
    ),
    "model_gone": N_(
        "The AI provider does not offer this model, or not to this server. Please choose another "
        "one."
    ),
    "request_refused": N_("The AI provider does not take this request: “%(detail)s”"),
    "storage_unavailable": N_(
        "The server's storage can't be used right now. Please tell the operator."
    ),
    "storage_full": N_("The server's storage is full. Please tell the operator."),
    "server_stopped": N_("The server was stopped while this was being made."),
    "thinking_only": N_(
        "The model used up all its room for thinking, so there is no answer. Let it think less "
        "(option effort: low) or take another model."
    ),
    "empty_answer": N_("The model gave no answer. Please try again."),
}
"""Why something was not made, by the api's reason. `detail` and `wait` as above."""

REASONS: dict[str, str] = {
    "model_reads_less": N_("this is too long for %(model)s."),
    "two_sizes": N_("give either --size, or --ar and --res: not both."),
    "blank": N_("the name must not be empty."),
    "zone_unknown": N_("I don't know this time zone. They are called such as Europe/Berlin."),
    "address_not_https": N_("this is not an https address."),
    "address_not_plain": N_("the address needs a name, and may hold no port, user or password."),
    "address_not_fetched": N_("the image could not be fetched from this address."),
}
"""By the api's word for what is wrong with a field."""


OPTIONS: dict[str, str] = {
    "aspect_ratio": "--ar",
    "size": "--size",
    "image_size": "--res",
    "quality": "--quality",
    "resolution": "--res",
    "duration": "--duration",
    "n": "--n",
    "generate_audio": "--audio",
    "seed": "--seed",
    "negative_prompt": "--no",
    "image_id": N_("a start image"),
    "last_image_id": N_("an end image"),
    "input_images": N_("input images"),
    "images": N_("images"),
}
"""By the api's field: how people ask for it in a chat."""


def error(
    code: str, detail: str, retry_after: float | None = None, problem: Problem | None = None
) -> str:
    """`problem`: the facts, from which the sentence is made where the api's own English one will
    not do."""
    if problem is not None and problem.reason in CAUSES:
        return (
            f"{cause(problem.reason, str(problem.params.get('said', detail)), retry_after, code)} "
            f"{charged(problem.charged_usd)}"
        ).strip()
    if problem is not None and spoken() != DEFAULT and (said := _by_facts(problem)):
        return said
    sentence = ERRORS.get(code, ERRORS["invalid_request"])
    return _(sentence, detail=detail or _("no reason was given."), wait=_wait(retry_after))


def cause(reason: Reason, detail: str, retry_after: float | None = None, code: str = "") -> str:
    """Why it was not made. With the code `outcome_unknown` also that it is not repeated."""
    said = _(CAUSES.get(reason, "%(detail)s"), detail=detail, wait=_wait(retry_after))
    return said + " " + _(ERRORS[code]) if code == "outcome_unknown" else said


def _wait(retry_after: float | None) -> str:
    return _(" in %(time)s", time=seconds(retry_after)) if retry_after else _(" in a moment")


def charged(usd: Decimal | None) -> str:
    """What was booked for something that failed, as the api says it; None = it does not say, and
    neither do we."""
    if usd is None:
        return ""
    return _("It cost %(price)s.", price=money(usd)) if usd else _("Nothing was charged.")


def _by_facts(problem: Problem) -> str:
    """Empty when the problem carries none."""
    allowed = _allowed(problem.allowed)
    if problem.code == "option_unsupported" and problem.option:
        model = problem.model or _("This model")
        option = _(OPTIONS.get(problem.option, problem.option))
        if not allowed:
            return _("%(model)s does not take %(option)s.", model=model, option=option)
        return _(
            "%(model)s does not take %(option)s like that. Possible: %(allowed)s.",
            model=model,
            option=option,
            allowed=allowed,
        )
    if problem.code == "model_unavailable" and problem.model:
        said = shorten(problem.model, 40)
        if not allowed:
            return _("The model “%(model)s” can't be used here.", model=said)
        return _(
            "The model “%(model)s” can't be used here. Possible: %(allowed)s.",
            model=said,
            allowed=allowed,
        )
    known = next((field for field in problem.fields or () if field.reason in REASONS), None)
    if known is None:
        return ""
    sentence, reason = ERRORS[problem.code], REASONS[known.reason or ""]
    return _(sentence, detail=_(reason, **{"model": "", **(known.params or {})}), wait="")


def _allowed(values: Sequence[str] | Between | None) -> str:
    if not isinstance(values, Between):
        return ", ".join(values or ())
    return (
        _("%(least)s to %(most)s", least=values.least, most=values.most)
        if values.least < values.most
        else str(values.most)
    )


def over_budget(cost: Decimal | None, balance: Decimal) -> str:
    """`cost` is null when it can't be known in advance."""
    left = money(max(balance, Decimal(0)))
    if cost is None:
        return _(
            "This does not fit into your budget: you have %(left)s left this month.", left=left
        )
    return _(
        "This would cost about %(cost)s, which does not fit into your budget: you have %(left)s "
        "left this month.",
        cost=money(cost),
        left=left,
    )


def unexpected(reference: str) -> str:
    return _(
        "Something went wrong on my side. If it happens again, please tell the operator this "
        "code: %(code)s",
        code=reference,
    )


def unknown_command(name: str) -> str:
    return _("I don't know /%(name)s. /help shows what I can do.", name=shorten(name, 40))


def button_gone() -> str:
    return _("I don't know that button any more. /help shows what I can do.")


def not_yours() -> str:
    return _("Only the person who asked can use this, as long as it is there.")


# --- options


def option_unknown(flag: str, known: Sequence[str], near: str | None) -> str:
    if near is not None:
        return _(
            "I don't know the option --%(flag)s. Did you mean --%(near)s?", flag=flag, near=near
        )
    return _(
        "I don't know the option --%(flag)s. I know %(known)s.",
        flag=flag,
        known=", ".join(f"--{name}" for name in known),
    )


def option_needs_value(flag: str, example: str) -> str:
    return _(
        "The option --%(flag)s needs a value, such as --%(flag)s %(example)s.",
        flag=flag,
        example=example,
    )


def option_not_like(flag: str, value: str, example: str) -> str:
    return _(
        "%(flag)s should be like %(example)s, not “%(value)s”.",
        flag=flag,
        example=example,
        value=shorten(value, 40),
    )


def option_not_between(flag: str, value: str, least: int | None, most: int | None) -> str:
    value = shorten(value, 40)
    return _(
        "%(flag)s should be a number from %(least)s to %(most)s, not “%(value)s”.",
        flag=flag,
        least=least,
        most=most,
        value=value,
    )


def option_not_on_or_off(flag: str, value: str) -> str:
    return _("%(flag)s should be on or off, not “%(value)s”.", flag=flag, value=shorten(value, 40))


def option_twice(flag: str) -> str:
    return _("The option --%(flag)s is there twice.", flag=flag)


def model_not_found(said: str, names: Sequence[str]) -> str:
    said = shorten(said, 40)
    if not names:
        return _("I don't know the model “%(said)s”.", said=said)
    return _(
        "I don't know the model “%(said)s”. There are: %(names)s.",
        said=said,
        names=", ".join(names),
    )


def model_ambiguous(said: str, names: Sequence[str]) -> str:
    return _(
        "“%(said)s” could be %(names)s. Please name one of them.",
        said=shorten(said, 40),
        names=_(" or ").join(names),
    )


def prompt_too_long(length: int, most: int) -> str:
    return _(
        "That is %(length)s characters; a prompt may have %(most)s. Please shorten it.",
        length=number(length),
        most=number(most),
    )


def bad_field(field: str, reason: str) -> str:
    return f"{field.replace('_', ' ').capitalize()}: {reason[:1].lower()}{reason[1:]}."


def no_image_attached() -> str:
    return _(
        "I can only work with pictures. Please attach one: PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP "
        "or TIFF."
    )
