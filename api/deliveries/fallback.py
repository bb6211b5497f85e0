"""The next way for a delivery that was not shown: later again, the owner's private chat, the web,
or an operator. These functions take rows and return rows; they touch no database."""

from dataclasses import replace
from datetime import datetime, timedelta

from api.deliveries.owners import Owner
from api.deliveries.schemas import DeliveryReason, FailIn, State
from api.deliveries.store import Delivery, DeliveryTarget, Try
from api.links.service import PrivateChat

UNCERTAIN_WAIT = timedelta(seconds=60)
PASSED_AFTER = timedelta(seconds=5)
"""The time for which results of other requests wait behind one whose send had an unclear end."""
BACKOFF_LEAST = timedelta(seconds=2)
BACKOFF_MAX = timedelta(minutes=2)
MISHAPS_MAX = 4
"""The number of defects and lost bots that one delivery may cause. After that it goes another way,
so that it does not hold up its chat or kill the bot again."""
DOUBTS_MAX = 2
"""The number of copies that a chat may show."""
CARD_TRIES = 12
"""A waiting card that can't be closed that often stays open: pressing its button says that it is
done."""
EXPIRES = timedelta(days=2)


def tried(
    row: Delivery, outcome: str, reason: DeliveryReason, at: datetime, said: str = ""
) -> Delivery:
    """Return the row with one more entry in its trail; the same outcome again only counts up."""
    chat = (row.target.platform, row.target.chat_id, row.target.private)
    here = Try(at.isoformat(), *chat, outcome, reason, said)
    last = row.trail[-1] if row.trail else None
    if last is not None and replace(last, at=here.at, times=1) == here:
        here = replace(here, times=last.times + 1)
        return replace(row, reason=reason, said=said, trail=(*row.trail[:-1], here))
    return replace(row, reason=reason, said=said, trail=(*row.trail, here))


def outcome_of(fail: FailIn) -> str:
    found = ("final", fail.final), ("broke", fail.broke), ("uncertain", fail.uncertain)
    return next((outcome for outcome, is_so in found if is_so), "failed")


def hopeless(row: Delivery) -> bool:
    """Tell whether this address is given up: too many possible copies, or too much harm. `row` is
    as it stands after the last try."""
    return (row.doubts >= DOUBTS_MAX and not row.repeatable) or row.mishaps >= MISHAPS_MAX


def later(row: Delivery, fail: FailIn, at: datetime) -> Delivery:
    """Return the row for a later try at the same address. A result that may have been shown is not
    repeated at once, unless the platform shows it once only. A wait that the chat asked for holds
    for everything there; one after an unclear end does not."""
    if fail.retry_after is not None:
        return replace(row, due_at=at + timedelta(seconds=fail.retry_after), passable_at=None)
    if fail.uncertain and not row.repeatable:
        return replace(row, due_at=at + UNCERTAIN_WAIT, passable_at=at + PASSED_AFTER)
    pause = min(BACKOFF_MAX, BACKOFF_LEAST * 2 ** min(row.attempt - 1, 10))
    return replace(row, due_at=at + pause, passable_at=None)


def to_private_chat(row: Delivery, chat: PrivateChat, platform: str, at: datetime) -> Delivery:
    name, owner = row.target.user_name, row.target.user_id
    there = DeliveryTarget(platform, chat.chat_id, user_name=name, private=True, user_id=owner)
    return afresh(replace(row, target=there, origin=row.origin or row.target), at)


def to_first_address(row: Delivery, at: datetime) -> Delivery:
    return afresh(replace(row, target=row.origin or row.target, origin=None), at)


def afresh(row: Delivery, at: datetime) -> Delivery:
    """Return the row as if it had just been written."""
    row = replace(row, state="pending", attempt=0, doubts=0, mishaps=0)
    return replace(row, due_at=at, since_at=at, done_at=None, passable_at=None)


def to_web(row: Delivery, owner: Owner | None, at: datetime) -> Delivery:
    """Return the row for its owner's inbox. A guest cannot sign in, and some rows have no owner:
    then an operator has to see it."""
    return over(row, "dead" if owner is None or owner.guest else "inbox", at)


def over(row: Delivery, state: State, at: datetime) -> Delivery:
    """Return the row as one that no chat gets any more. `done`: nobody misses it."""
    return replace(row, state=state, done_at=at)
