import asyncio
from collections.abc import AsyncGenerator

import pytest

from bots.core.pacing import paced
from bots.core.types import Reply

HOUR = 3600.0


async def _replies(*texts: str, last: str | None = None) -> AsyncGenerator[Reply, None]:
    for text in texts:
        yield Reply(text, preview=True)
    if last is not None:
        yield Reply(last)


async def _texts(replies: AsyncGenerator[Reply, None]) -> list[str]:
    return [reply.text async for reply in replies]


async def test_previews_within_the_gap_are_dropped_and_the_last_reply_is_not() -> None:
    assert await _texts(paced(_replies("a", "ab", "abc", last="abcd"), HOUR)) == ["a", "abcd"]


async def test_without_a_gap_everything_passes_but_never_twice_the_same() -> None:
    assert await _texts(paced(_replies("a", "a", "ab", "ab", last="ab"), 0)) == ["a", "ab", "ab"]


async def test_replies_that_are_no_previews_all_pass() -> None:
    async def two() -> AsyncGenerator[Reply, None]:
        yield Reply("one")
        yield Reply("one")

    assert await _texts(paced(two(), HOUR)) == ["one", "one"]


async def test_a_preview_held_back_is_shown_when_the_gap_is_over_though_nothing_follows() -> None:
    stuck = asyncio.Event()

    async def stalls() -> AsyncGenerator[Reply, None]:
        yield Reply("a", preview=True)
        yield Reply("ab", preview=True)
        await stuck.wait()
        yield Reply("abc")

    seen = []
    async for reply in paced(stalls(), 0.05):
        seen.append(reply.text)
        if reply.text == "ab":
            stuck.set()
    assert seen == ["a", "ab", "abc"]


async def test_an_error_of_the_source_passes_and_the_source_is_closed() -> None:
    closed = []

    async def breaks() -> AsyncGenerator[Reply, None]:
        try:
            yield Reply("a")
            raise ValueError("broken")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="broken"):
        await _texts(paced(breaks(), 0))
    assert closed == [True]


async def test_leaving_early_closes_the_source() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Reply, None]:
        try:
            yield Reply("a")
            await asyncio.Event().wait()
        finally:
            closed.set()

    replies = paced(endless(), 0)
    assert (await anext(replies)).text == "a"
    await replies.aclose()
    assert closed.is_set()
