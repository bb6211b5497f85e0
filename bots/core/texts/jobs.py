"""Sentences about images and videos: the waiting card, the result, the list."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from bots.core.language import _, ngettext, sentence
from bots.core.splitting import shorten
from bots.core.texts.errors import cause, charged
from bots.core.texts.words import (
    PROMPT_IN_CAPTION,
    PROMPT_IN_LIST,
    kind,
    money,
    seconds,
    span,
    state,
)
from bots.core.types import PictureWay
from client.schemas import MediaKind
from client.schemas.generations import GenerationOut
from client.schemas.users import UserOut

cancel_button = sentence("Cancel")
image_what = sentence("What shall I draw? For example: /image a fox in snow --ar 16:9")
video_what = sentence("What shall I film? For example: /video waves at night --duration 5")


def accepted(made: GenerationOut) -> str:
    """The words of the waiting card."""
    prompt = shorten(made.prompt, PROMPT_IN_CAPTION)
    what = _("Making your %(kind)s: “%(prompt)s”", kind=kind(made.kind), prompt=prompt)
    return "\n".join([what, _facts_line(made, made.estimate_usd, about=True), _progress(made)])


def _progress(made: GenerationOut) -> str:
    if made.status == "completed":
        return _("ready, on its way to this chat")
    facts = [_standing(made)]
    if made.queue_position is not None and made.queue_position > 1 and made.waiting is None:
        facts.append(_("place %(place)s in the queue", place=made.queue_position))
    if made.started_at is not None and made.status == "processing":
        passed = (datetime.now(UTC) - made.started_at).total_seconds()
        facts.append(_("for %(time)s", time=seconds(passed)))
    if made.typical_seconds is not None:
        facts.append(_("usually takes %(span)s", span=span(*made.typical_seconds)))
    return " · ".join(facts)


def _standing(made: GenerationOut) -> str:
    return _("waiting for the provider") if made.waiting == "provider" else state(made.status)


def caption(made: GenerationOut) -> str:
    """The words under a finished result."""
    facts = _facts_line(made, made.cost_usd, about=False)
    lines = shorten(made.prompt, PROMPT_IN_CAPTION), facts, _missing(made)
    return "\n".join(filter(None, lines))


def _missing(made: GenerationOut) -> str:
    """The words for a result with fewer pictures than were asked for."""
    asked = made.options.get("n")
    count = asked - len(made.images) if made.kind == "image" and isinstance(asked, int) else 0
    return (
        ngettext(
            "%(n)s of the pictures could not be made.",
            "%(n)s of the pictures could not be made.",
            count,
        )
        if count > 0
        else ""
    )


def _facts_line(made: GenerationOut, usd: Decimal | None, about: bool) -> str:
    price = [] if usd is None else [_("about %(price)s", price=money(usd)) if about else money(usd)]
    sandbox = [_("sandbox, not a real model")] if made.sandbox else []
    return " · ".join([made.model_name, *price, f"#{made.short_id}", *sandbox])


def not_made(made: GenerationOut) -> str:
    """The news of a failure, in place of a result."""
    if made.status == "cancelled":
        return cancelled(made)
    what = _("Your %(kind)s #%(id)s could not be made.", kind=kind(made.kind), id=made.short_id)
    why = _("No reason was given.") if made.error is None else cause(made.error)
    return " ".join(filter(None, [what, why, _charged(made)]))


def _charged(made: GenerationOut) -> str:
    """The words after a cancellation. A generation that had begun may still cost something: no
    promise then."""
    if made.error is not None:
        return charged(made.error.charged_usd)
    if made.status == "cancelled" and made.started_at is not None and made.cost_usd is None:
        return _("The model had begun already, so it may still be charged.")
    return charged(Decimal(0) if made.refunded else made.cost_usd or Decimal(0))


def card_closed(made: GenerationOut) -> str:
    """The words that replace the waiting card."""
    what = {"kind": kind(made.kind), "id": made.short_id}
    if made.status == "failed":
        return _("Failed: %(kind)s #%(id)s", **what)
    if made.status == "cancelled":
        return _("Cancelled: %(kind)s #%(id)s", **what)
    return _("Done: %(kind)s #%(id)s", **what)


def too_large_to_send(made: GenerationOut, public_url: str | None) -> str:
    said = _("The %(kind)s is too large to send in this chat.", kind=kind(made.kind))
    return f"{said} {_in_gallery(made, public_url)}"


def too_large_but_linked(made: GenerationOut, url: str) -> str:
    return _(
        "The %(kind)s is too large to send in this chat. For three days you find it here: %(url)s",
        kind=kind(made.kind),
        url=url,
    )


def smaller_copy(made: GenerationOut, public_url: str | None) -> str:
    said = _("This is a smaller copy, for the original is too large for this chat.")
    return f"{said} {_in_gallery(made, public_url)}"


def not_sendable(made: GenerationOut, public_url: str | None) -> str:
    said = _("This chat does not take the %(kind)s.", kind=kind(made.kind))
    return f"{said} {_in_gallery(made, public_url)}"


def _in_gallery(made: GenerationOut, public_url: str | None) -> str:
    if public_url:
        return _("You find it here: %(url)s", url=f"{public_url}/gallery/{made.id}")
    return _("You find it in your gallery on the web page.")


def cancelled(made: GenerationOut) -> str:
    said = _("Cancelled: %(kind)s #%(id)s.", kind=kind(made.kind), id=made.short_id)
    return f"{said} {_charged(made)}"


nothing_runs = sentence("Nothing is running right now.")
no_jobs = sentence("You have not made anything yet. Try /image a fox in snow.")


def jobs(made: Sequence[GenerationOut]) -> str:
    return "\n".join([_("Your last jobs:"), *(_job(one) for one in made)])


def _job(made: GenerationOut) -> str:
    cost = [] if made.cost_usd is None or made.refunded else [money(made.cost_usd)]
    prompt = shorten(made.prompt, PROMPT_IN_LIST)
    return " · ".join([f"#{made.short_id}", kind(made.kind), _standing(made), *cost, prompt])


def balance(user: UserOut) -> str:
    left = max(user.monthly_usd - user.spent_usd - user.held_usd, Decimal(0))
    facts = {"left": money(left), "limit": money(user.monthly_usd), "spent": money(user.spent_usd)}
    if not user.held_usd:
        return _("You have %(left)s of %(limit)s left this month. Spent: %(spent)s.", **facts)
    return _(
        "You have %(left)s of %(limit)s left this month. Spent: %(spent)s, %(held)s is reserved "
        "for running jobs.",
        held=money(user.held_usd),
        **facts,
    )


# --- buttons


again_button = sentence("🔁 Again")
other_model_button = sentence("🧠 Other model")
tell_admin_button = sentence("🔔 Tell the admin")
vary_button = sentence("🎲 Vary")


def larger_button(size: str) -> str:
    return _("🔍 In %(size)s", size=size)


no_larger = sentence("Its model offers no larger size any more. /edit with another --model may.")
edit_button = sentence("✏️ Edit")
animate_button = sentence("🎬 Animate")
original_button = sentence("⬇️ Original")
favourite_button = sentence("⭐ Favourite")
delete_button = sentence("🗑️ Delete")
refresh_button = sentence("🔄 Refresh")
keep_button = sentence("Keep it")
delete_yes = sentence("Yes, delete it")
delete_what = sentence("Delete this for good, here and in your gallery?")


def yes_for(cost: Decimal) -> str:
    return _("Yes, for %(cost)s", cost=money(cost))


def confirm_question(cost: Decimal) -> str:
    return _(
        "This can cost up to %(cost)s, which is more than you want to spend without being asked. "
        "Shall I go on?",
        cost=money(cost),
    )


declined = sentence("All right, I did not make it. Nothing was charged.")
pressed_twice = sentence("I am on it already.")


def favourite_on(made: GenerationOut) -> str:
    return _("⭐ #%(id)s is one of your favourites now.", id=made.short_id)


def favourite_off(made: GenerationOut) -> str:
    return _("#%(id)s is no favourite of yours any more.", id=made.short_id)


deleted = sentence("Deleted, here and in your gallery.")


def cancel_one(made: GenerationOut) -> str:
    return _("Cancel #%(id)s", id=made.short_id)


# --- pictures and results that are meant


def edit_which(way: PictureWay) -> str:
    match way:
        case "caption":
            return _(
                "Which picture? Answer one with /edit and what should be different, or send one "
                "with that as its caption."
            )
        case "option":
            return _(
                "Which picture? Choose “Edit” in the menu of a message with one, or attach one: "
                "/edit has the option image."
            )
        case "path":
            return _(
                "Which picture? Name it, such as /edit #k7m2pqx make it night, or attach one: "
                "/edit @fox.png make it night"
            )


def animate_which(way: PictureWay) -> str:
    match way:
        case "caption":
            return _(
                "Which picture? Answer one with /animate, or send one with that as its caption."
            )
        case "option":
            return _(
                "Which picture? Choose “Animate” in the menu of a message with one, or attach "
                "one: /animate has the option image."
            )
        case "path":
            return _(
                "Which picture? Name it, such as /animate #k7m2pqx, or attach one: /animate "
                "@fox.png"
            )


def which_picture(made: GenerationOut, count: int) -> str:
    return _("#%(id)s has %(count)s pictures. Which one?", id=made.short_id, count=count)


def no_such_picture(made: GenerationOut, count: int) -> str:
    return ngettext(
        "#%(id)s has only %(n)s picture.",
        "#%(id)s has only %(n)s pictures.",
        count,
        id=made.short_id,
    )


all_again = sentence("All of them anew")


def other_which(made: GenerationOut) -> str:
    prompt = shorten(made.prompt, PROMPT_IN_LIST)
    return _("With which model shall I try “%(prompt)s”?", prompt=prompt)


no_other_model = sentence("There is no other model that you may use for this.")
say_it_again = sentence("I don't remember what that was about. Please ask for it once more.")


def admin_told(chats: int) -> str:
    if chats:
        return _("I told the admin.")
    return _("I noted it for the admin, who finds it on the web page.")


def edit_what(of: MediaKind) -> str:
    return _("What should be different?") if of == "image" else _("What should the new video show?")


animate_what = sentence(
    "What should happen in the video? Answer with a dash (-) to leave it to the model."
)


def not_ready(made: GenerationOut) -> str:
    return _("#%(id)s is not there: it is %(state)s.", id=made.short_id, state=state(made.status))


no_gallery = sentence("Your gallery is still empty. Try /image a fox in snow.")


def gallery(made: Sequence[GenerationOut], public_url: str | None) -> str:
    where = _("All of them are in your gallery on the web page.")
    if public_url:
        where = _("All of them: %(url)s", url=f"{public_url}/gallery")
    return "\n".join([_("Your last results:"), *(_result(one) for one in made), where])


def _result(made: GenerationOut) -> str:
    star = "⭐ " if made.favourite else ""
    return f"{star}#{made.short_id} · {kind(made.kind)} · {shorten(made.prompt, PROMPT_IN_LIST)}"
