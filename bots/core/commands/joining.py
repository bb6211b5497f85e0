"""Buttons of people without an account who ask to be let in, and of the admins who decide."""

from functools import partial

from bots.core import language, texts
from bots.core.cards import Buttons
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake
from bots.core.types import Button, Inbound, Reply
from client import calls
from client.errors import ApiError
from client.schemas.joins import DecisionIn, JoinIn


async def _join(inbound: Inbound, context: Context) -> Replies:
    heard = inbound.sender.language
    asked = JoinIn.model_validate(
        {
            "platform_user_id": inbound.sender.id,
            "name": inbound.sender.name[:120],
            "chat_id": inbound.address.chat_id,
            "place": "" if inbound.place is None else inbound.place.name[:120],
            "language": None if heard is None else language.chosen(heard),
        }
    )
    joined = await context.bot.send(calls.ask_to_join(asked))
    if joined.state == "approved":
        context.bot.forget(context.user.who)
        said = texts.join_member()
    elif joined.state == "declined":
        said = texts.join_refused()
    else:
        said = texts.join_asked() if joined.new else texts.join_waits()
    yield Reply(said, secret=True, fresh=True)


async def _decide(inbound: Inbound, context: Context, *, approve: bool) -> Replies:
    decision = DecisionIn(approve=approve)
    try:
        await context.user.send(calls.decide_join_in_chat(inbound.text.strip(), decision))
    except ApiError as error:
        if error.code != "not_found":
            raise
        raise Mistake(texts.join_over()) from error
    yield Reply(texts.join_approved() if approve else texts.join_declined())


def ask_button() -> Buttons:
    """The button under the sentence that a person without an account gets."""
    return ((Button(texts.ask_to_join(), JOIN.name, ""),),)


JOIN = Command("join", "", _join, listed=False, secret=True, afresh=True)
JOIN_YES = Command("join_yes", "", partial(_decide, approve=True), listed=False)
JOIN_NO = Command("join_no", "", partial(_decide, approve=False), listed=False)
