"""Answers to a sent form: the form again with what is wrong, or a message on the page to go back
to."""

from collections.abc import Callable
from typing import TypeVar

from flask import flash, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from admin_web.forms.fields import Invalid
from admin_web.sessions.caller import api, is_script
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _
from client.call import Call
from client.errors import ApiError
from client.words.language import N_

FORBIDDEN = 403
OF_OTHERS = {
    "budget_exceeded": N_(
        "The budget of this person, or one that all share, does not allow it. Raise it, then do "
        "this again."
    ),
    "too_many_jobs": N_(
        "This person has too many jobs under way. Wait until one is over, or cancel one."
    ),
    "price_unknown": N_("This model has no price. Set one under Models, then do this again."),
}
"""Words for an admin who acts for somebody else, where the usual words speak of one's own."""

T = TypeVar("T")


def refusal(error: Invalid | ApiError) -> tuple[FormError, int]:
    """Return the words and the status with which a refused form is shown again. An error that needs
    the person first is raised."""
    if isinstance(error, Invalid):
        return error.error, 422
    if error.needs_person:
        raise error
    return in_words(error), error.status


def same_nonce(error: Invalid | ApiError) -> str | None:
    """Return the nonce of the sent form where nobody knows whether the api did the act: sent again,
    it then counts as the same act. None where a new nonce is due."""
    is_unsure = isinstance(error, ApiError) and error.unanswered
    return request.form.get("nonce") if is_unsure else None


def act(call: Call[T], done: Callable[[T], str], back: str, then: str = "") -> ResponseReturnValue:
    """Make the call and go back with a message: `done` makes it of the answer, unless it is empty.
    `then`: the address to go on to after success. An error that needs the person, or that forbids
    the act, is raised."""
    try:
        result = api().send(call)
    except ApiError as error:
        if error.needs_person or error.status == FORBIDDEN:
            raise
        said = _(OF_OTHERS[error.code]) if error.code in OF_OTHERS else in_words(error).sentence
        return say_and_go(said, back, "error")
    return say_and_go(done(result), then or back)


def say_and_go(said: str, address: str, tone: str = "success") -> ResponseReturnValue:
    """Lead to a page that shows the message, unless it is empty."""
    if said:
        flash(said, tone)
    return redirect(address)


def go(address: str) -> ResponseReturnValue:
    """Lead to a page; our own scripts follow the address by themselves."""
    return jsonify(go=address) if is_script() else redirect(address)
