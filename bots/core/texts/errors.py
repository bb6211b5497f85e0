"""Errors, and what to do about them."""

from collections.abc import Collection, Sequence
from decimal import Decimal

from bots.core.language import _, sentence, spoken
from bots.core.splitting import shorten
from bots.core.texts.words import money, number, seconds
from client.errors import API_UNAVAILABLE, BAD_ANSWER, NOT_KNOWN
from client.schemas import Problem
from client.schemas.generations import ErrorOut
from client.words import errors as words
from client.words.errors import Voice
from client.words.language import N_

ERRORS: dict[str, str] = {
    "too_large": N_(
        "That file is too large for me. I take images of up to 20 MB: please send a smaller copy."
    ),
    "not_found": N_("I can't find that. It may be gone, or belong to another account."),
    "file_unreadable": N_("The chat does not hand me that file. Please send it again."),
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
"""Errors that the api has not told, by their code."""

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


def voice(native: Collection[str] = ()) -> Voice:
    """`native`: the options that were given in the platform's own way, by the api's names, which
    are their names there."""

    def option(name: str) -> str:
        return name if name in native else _(OPTIONS.get(name, name))

    return Voice(spoken(), money, seconds, option, in_chat=True)


def error(code: str, problem: Problem | None = None, native: Collection[str] = ()) -> str:
    """`problem`: the facts, where the api has told the error. `native`: as in `voice`."""
    if problem is None:
        return _(ERRORS.get(code, ERRORS[BAD_ANSWER]))
    return " ".join(filter(None, [cause(problem, native), charged(problem.charged_usd)]))


def cause(problem: Problem | ErrorOut, native: Collection[str] = ()) -> str:
    """The sentence of an error, and the hint that helps."""
    says = voice(native)
    said = words.sentence(says, problem), *_fields(problem, says), words.hint(says, problem)
    return " ".join(filter(None, said))


def _fields(problem: Problem | ErrorOut, says: Voice) -> list[str]:
    """The fields that are wrong, where the reason says nothing about them."""
    if not isinstance(problem, Problem) or problem.reason != "fields_wrong":
        return []
    return [
        bad_field(
            says.option(one.field.rpartition(".")[2]),
            words.of_field(says, one.reason, one.params or {}) or one.message,
        )
        for one in (problem.fields or [])[:5]
    ]


def charged(usd: Decimal | None) -> str:
    """The amount that was booked for something that failed; empty when the api does not say it."""
    return words.charged(voice(), usd)


def over_budget(cost: Decimal | None, balance: Decimal) -> str:
    """`cost` is null when it can't be known in advance."""
    left = {"left": money(max(balance, Decimal(0)))}
    if cost is None:
        return _("This does not fit into your budget: you have %(left)s left this month.", **left)
    return _(
        "This would cost about %(cost)s, which does not fit into your budget: you have %(left)s "
        "left this month.",
        cost=money(cost),
        **left,
    )


def unexpected(reference: str) -> str:
    return _(
        "Something went wrong on my side. If it happens again, please tell the operator this "
        "code: %(code)s",
        code=reference,
    )


def unknown_command(name: str) -> str:
    return _("I don't know /%(name)s. /help shows what I can do.", name=shorten(name, 40))


def did_you_mean(name: str, near: str) -> str:
    said = {"name": shorten(name, 40), "near": near}
    return _("I don't know /%(name)s. Did you mean /%(near)s?", **said)


button_gone = sentence("I don't know that button any more. /help shows what I can do.")
not_yours = sentence("Only the person who asked can use this, as long as it is there.")


# --- options


def option_unknown(flag: str, known: Sequence[str], near: str | None) -> str:
    if near is not None:
        return _(
            "I don't know the option --%(flag)s. Did you mean --%(near)s?", flag=flag, near=near
        )
    flags = ", ".join(f"--{name}" for name in known)
    return _("I don't know the option --%(flag)s. I know %(known)s.", flag=flag, known=flags)


def option_needs_value(flag: str, example: str) -> str:
    said = {"flag": flag, "example": example}
    return _("The option --%(flag)s needs a value, such as --%(flag)s %(example)s.", **said)


def option_not_like(flag: str, value: str, example: str) -> str:
    said = {"flag": flag, "example": example, "value": shorten(value, 40)}
    return _("%(flag)s should be like %(example)s, not “%(value)s”.", **said)


def option_not_between(flag: str, value: str, least: int | None, most: int | None) -> str:
    said = {"flag": flag, "least": least, "most": most, "value": shorten(value, 40)}
    return _("%(flag)s should be a number from %(least)s to %(most)s, not “%(value)s”.", **said)


def option_not_on_or_off(flag: str, value: str) -> str:
    return _("%(flag)s should be on or off, not “%(value)s”.", flag=flag, value=shorten(value, 40))


def option_twice(flag: str) -> str:
    return _("The option --%(flag)s is there twice.", flag=flag)


def model_not_found(said: str, names: Sequence[str]) -> str:
    said, listed = shorten(said, 40), ", ".join(names)
    if not names:
        return _("I don't know the model “%(said)s”.", said=said)
    return _("I don't know the model “%(said)s”. There are: %(names)s.", said=said, names=listed)


def model_ambiguous(said: str, names: Sequence[str]) -> str:
    said, listed = shorten(said, 40), _(" or ").join(names)
    return _("“%(said)s” could be %(names)s. Please name one of them.", said=said, names=listed)


def prompt_too_long(length: int, most: int) -> str:
    return _(
        "That is %(length)s characters; a prompt may have %(most)s. Please shorten it.",
        length=number(length),
        most=number(most),
    )


def bad_field(field: str, reason: str) -> str:
    return f"{field.replace('_', ' ').capitalize()}: {reason[:1].lower()}{reason[1:].rstrip('.')}."


no_image_attached = sentence(
    "I can only work with pictures. Please attach one: PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP "
    "or TIFF."
)
