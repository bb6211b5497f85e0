"""/find: the person's own results and conversations with some words in them."""

import asyncio
from dataclasses import dataclass

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.cards import Buttons, in_rows
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake
from bots.core.types import Button, Inbound, Reply
from client import calls
from client.schemas.text import NewConversationIn
from client.words.language import N_

ON_A_PAGE = 4
"""Results, and conversations, on a page."""
PAGES = 20
IN_A_ROW = 4
WORDS_MOST = 200
WORDS_BYTES = 40
"""Longer words do not fit into a button: this process remembers them."""
LABEL = 40


@dataclass(frozen=True, slots=True)
class Search:
    words: str
    page: int = 0


async def _find(inbound: Inbound, context: Context) -> Replies:
    words = " ".join(inbound.text.split())
    if not words:
        raise Mistake(texts.find_what())
    if len(words) > WORDS_MOST:
        raise Mistake(texts.find_less())
    yield await _found(Search(words), inbound, context)


async def _page(inbound: Inbound, context: Context) -> Replies:
    number, _, words = inbound.text.partition(":")
    if words.startswith("@"):
        before = ACTIVITY.failed_request(words[1:])
        if before is None:
            raise Mistake(texts.say_it_again())
        words = before.text
    page = int(number) if number.isdigit() else 0
    yield await _found(Search(words, min(page, PAGES)), inbound, context)


async def _found(search: Search, inbound: Inbound, context: Context) -> Reply:
    first = search.page * ON_A_PAGE
    after, most = first + ON_A_PAGE, first + ON_A_PAGE + 1
    made, talks = await asyncio.gather(
        context.user.send(calls.generations(q=search.words, status="completed", limit=most)),
        context.user.send(calls.conversations(q=search.words, limit=most)),
    )
    shown, said = made.items[first:after], talks.items[first:after]
    if not shown and not said:
        return Reply(texts.found_nothing(search.words), secret=True)
    pictures = [Button(f"#{one.short_id}", "show", one.id) for one in shown]
    going_on = tuple(
        (Button(texts.go_on_with(one.title, LABEL), TAKE_UP.name, one.id),) for one in said
    )
    more = len(made.items) > after or len(talks.items) > after
    buttons = (
        *in_rows(pictures, IN_A_ROW),
        *going_on,
        *_pages(search, inbound, more=more and search.page < PAGES),
    )
    return Reply(texts.found(search.words, shown, said), buttons=buttons, secret=True)


def _pages(search: Search, inbound: Inbound, *, more: bool) -> Buttons:
    words = search.words
    if len(words.encode()) > WORDS_BYTES:
        words = f"@{ACTIVITY.remember(Inbound(inbound.address, inbound.sender, '', 'find', words))}"
    there = [(search.page - 1, texts.back())] if search.page else []
    there += [(search.page + 1, texts.more())] if more else []
    row = tuple(Button(label, FIND_PAGE.name, f"{number}:{words}") for number, label in there)
    return (row,) if row else ()


async def _take_up(inbound: Inbound, context: Context) -> Replies:
    chat = NewConversationIn(thread=inbound.address.thread_id or "")
    took = await context.user.send(calls.take_up_conversation(inbound.text.strip(), chat))
    yield Reply(texts.taken_up(took.title), secret=True, fresh=True)


FIND = Command(
    "find",
    N_("Search your own results and conversations"),
    _find,
    argument="words",
    argument_description=N_("Words that are in it"),
    argument_required=True,
    secret=True,
    personal=True,
)
FIND_PAGE = Command("find_page", "", _page, listed=False, secret=True)
TAKE_UP = Command("take_up", "", _take_up, listed=False, secret=True)
