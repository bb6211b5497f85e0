"""The buttons under a result, the waiting card of a generation, and the question about its price.

A button carries an action and an id, nothing else: it works weeks later, after restarts, on any
platform.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bots.core import texts
from bots.core.types import Button, Reply
from client.schemas.generations import GenerationOut

EACH_IN_A_ROW = 5
Buttons = tuple[tuple[Button, ...], ...]


def in_rows(buttons: Sequence[Button], most: int) -> Buttons:
    """The buttons in rows of at most `most`."""
    return tuple(tuple(buttons[start : start + most]) for start in range(0, len(buttons), most))


def result_buttons(made: GenerationOut) -> Buttons:
    """The buttons under a finished result. Anybody may press them: the API knows whose result it
    is."""

    def button(label: str, action: str) -> Button:
        return Button(label, action, made.id)

    first = [
        button(texts.again_button(), "again"),
        button(texts.vary_button(), "vary"),
        button(texts.edit_button(), "edit"),
    ]
    if made.kind == "image":
        first.append(button(texts.animate_button(), "animate"))
    second = [button(texts.original_button(), "original")]
    second.append(button(texts.other_model_button(), "other"))
    if made.larger_size and len(made.images) == 1:
        second.append(button(texts.larger_button(made.larger_size), "larger"))
    third = (
        button(texts.favourite_button(), "favourite"),
        Button(texts.delete_button(), "delete", made.id, "danger"),
    )
    return *_each_picture(made), tuple(first), tuple(second), third


def _each_picture(made: GenerationOut) -> Buttons:
    """Buttons for each picture of a set: one makes it larger, where its model can, one varies
    it."""
    places = range(1, len(made.images) + 1) if len(made.images) > 1 else ()
    larger = [Button(f"U{place}", "larger", f"{made.id}/{place}") for place in places]
    vary = [Button(f"V{place}", "vary", f"{made.id}/{place}") for place in places]
    rows = in_rows(larger, EACH_IN_A_ROW) if made.larger_size else ()
    return *rows, *in_rows(vary, EACH_IN_A_ROW)


def waiting_card(made: GenerationOut, *, fresh: bool = False) -> Reply:
    """The card that is shown until the result arrives, which rings; the card does not. `fresh`: the
    message whose button was pressed stays as it is."""
    buttons = (
        Button(texts.refresh_button(), "refresh", made.id),
        Button(texts.cancel_button(), "cancel", made.id, "danger"),
    )
    said = texts.accepted(made)
    return Reply(said, buttons=(buttons,), card=made.id, fresh=fresh, quiet=True)


def moving_card(made: GenerationOut) -> Reply:
    """The waiting card as it is now; without buttons while the result is being sent."""
    if made.status == "completed":
        return Reply(texts.accepted(made), quiet=True, idle=True)
    return replace(waiting_card(made), card=None, idle=True)


def closed_card(made: GenerationOut) -> Reply:
    """The text that replaces a waiting card. A failure is told once: its own message takes the
    place of the card."""
    failed = made.status == "failed"
    return Reply(texts.card_closed(made), gone=failed, quiet=failed)


def price_question(cost: Decimal, draft_id: str, asker: str, *, fresh: bool) -> Reply:
    """The question whether a price is too high. `asker` is the sender's id: the API knows who may
    say yes, but not who may say no."""
    buttons = (
        Button(texts.yes_for(cost), "confirm", draft_id, "primary"),
        Button(texts.no(), "decline", asker),
    )
    return Reply(texts.confirm_question(cost), buttons=(buttons,), fresh=fresh)


def delete_question(made: GenerationOut) -> Reply:
    """The question that takes the place of the result's own buttons."""
    buttons = (
        Button(texts.delete_yes(), "delete_yes", made.id, "danger"),
        Button(texts.keep_button(), "keep", made.id),
    )
    return Reply(f"{texts.caption(made)}\n\n{texts.delete_what()}", buttons=(buttons,))
