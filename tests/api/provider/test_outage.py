"""A provider that is down is not asked on and on; free calls are tried twice."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from api import ids
from api.provider.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker
from api.provider.openrouter import OpenRouter
from api.provider.types import ImageAsk, ProviderError, VideoAsk
from sandbox.faults import Fault
from tests.sandbox_server import Sandbox

ASK = ImageAsk("openai/gpt-image-2", "images", "a fox")


def closed(breaker: Breaker) -> bool:
    try:
        breaker.enter()
    except ProviderError:
        return False
    return True


def broken(times: int = FAILURES) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.enter()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_one_answer_in_between_does_not() -> None:
    with time_machine.travel(ids.now(), tick=False):
        assert closed(broken(FAILURES - 1))
        assert not closed(broken())
        between = broken(FAILURES - 1)
        between.succeeded()
        between.failed()
        assert closed(between)


def test_after_the_pause_one_call_tries_and_decides() -> None:
    with time_machine.travel(ids.now(), tick=False) as clock:
        breaker = broken()
        clock.shift(FIRST_PAUSE)
        assert [closed(breaker) for _ in range(3)] == [True, False, False]
        breaker.succeeded()
        assert [closed(breaker) for _ in range(3)] == [True, True, True]


def test_a_try_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    with time_machine.travel(ids.now(), tick=False) as clock:
        breaker, pause = broken(), FIRST_PAUSE
        for _ in range(8):
            clock.shift(pause - timedelta(seconds=0.1))
            assert not closed(breaker)
            clock.shift(0.1)
            assert closed(breaker)
            breaker.failed()
            pause = min(pause * 2, LONGEST_PAUSE)
        assert pause == LONGEST_PAUSE


def test_a_try_that_says_nothing_lets_the_next_one_try() -> None:
    with time_machine.travel(ids.now(), tick=False) as clock:
        breaker = broken()
        clock.shift(FIRST_PAUSE)
        assert closed(breaker)
        breaker.unsure()
        assert [closed(breaker), closed(breaker)] == [True, False]


async def outcome(provider: OpenRouter) -> str:
    try:
        await provider.image(ASK)
    except ProviderError as error:
        return error.outcome
    return "made"


async def test_server_errors_stop_the_calls_until_one_is_answered(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=500))
    with time_machine.travel(ids.now(), tick=False) as clock:
        assert [await outcome(provider) for _ in range(FAILURES)] == ["refused"] * FAILURES
        assert await outcome(provider) == "not_sent"
        with pytest.raises(ProviderError) as caught:
            await provider.start_video(VideoAsk("google/veo-3.1-lite", "waves", duration=4))
        assert (caught.value.outcome, caught.value.retry_after) == ("not_sent", 2)
        assert sandbox.calls("videos.submit") == []
        sandbox.break_with()
        clock.shift(FIRST_PAUSE)
        assert [await outcome(provider), await outcome(provider)] == ["made", "made"]


async def test_a_list_that_is_answered_ends_the_pause(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=500))
    for _ in range(FAILURES):
        await outcome(provider)
    sandbox.break_with()
    await provider.reachable()
    assert await outcome(provider) == "made"


@pytest.mark.parametrize(
    "fault", [Fault(call="images", kind="status", status=429), Fault(call="images", kind="drop")]
)
async def test_failures_that_are_no_outage_do_not_open_the_breaker(
    provider: OpenRouter, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.break_with(fault)
    for _ in range(FAILURES + 1):
        assert await outcome(provider) != "made"
    assert len(sandbox.calls("images")) == FAILURES + 1


async def test_a_port_that_nobody_listens_on_opens_it(sandbox: Sandbox) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        provider = OpenRouter(f"http://127.0.0.1:{unused.getsockname()[1]}/api/v1", "key")
        for _ in range(FAILURES):
            await outcome(provider)
        with pytest.raises(ProviderError) as caught:
            await provider.image(ASK)
        await provider.close()
    assert caught.value.retry_after is not None


async def test_a_call_that_we_end_ourselves_leaves_the_try_to_the_next(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="images", kind="status", status=500))
    with time_machine.travel(ids.now(), tick=False) as clock:
        for _ in range(FAILURES):
            await outcome(provider)
        clock.shift(FIRST_PAUSE)
        sandbox.break_with(image=30)
        trying = asyncio.create_task(provider.image(ASK))
        await asyncio.sleep(0)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        sandbox.break_with(image=0.0)
        assert await outcome(provider) == "made"


async def test_a_question_is_asked_once_more(provider: OpenRouter, sandbox: Sandbox) -> None:
    for fault in (
        Fault(call="key", kind="status", status=503, times=1),
        Fault(call="key", kind="status", status=429, retry_after=0, times=1),
        Fault(call="key", kind="drop", times=1),
    ):
        sandbox.reset()
        sandbox.break_with(fault)
        await provider.reachable()
        assert len(sandbox.calls("key")) == 2


async def test_a_question_is_not_asked_again_where_that_is_no_use(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    """The call was refused for good, or the provider wants a longer wait than the caller has
    time."""
    for fault in (
        Fault(call="key", kind="status", status=403),
        Fault(call="key", kind="status", status=429, retry_after=60),
    ):
        sandbox.reset()
        sandbox.break_with(fault)
        with pytest.raises(ProviderError):
            await provider.reachable()
        assert len(sandbox.calls("key")) == 1


async def test_a_paid_call_is_never_sent_twice(provider: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.break_with(
        Fault(call="images", kind="status", status=503),
        Fault(call="videos.submit", kind="status", status=503),
    )
    assert await outcome(provider) == "refused"
    with pytest.raises(ProviderError):
        await provider.start_video(VideoAsk("google/veo-3.1-lite", "waves", duration=4))
    assert (len(sandbox.calls("images")), len(sandbox.calls("videos.submit"))) == (1, 1)


async def test_a_model_that_is_too_busy_is_left_alone_for_as_long_as_the_provider_says(
    provider: OpenRouter, sandbox: Sandbox
) -> None:
    other = replace(ASK, model="bytedance-seed/seedream-4.5")
    with time_machine.travel(ids.now(), tick=False) as clock:
        sandbox.break_with(Fault(call="images", kind="status", status=429, retry_after=30, times=1))
        for left in (30.0, 20.0):
            with pytest.raises(ProviderError) as refused:
                await provider.image(ASK)
            seen = (refused.value.code, refused.value.retry_after, refused.value.retryable)
            assert seen == ("rate_limited", left, True)
            clock.shift(10)
        assert len(sandbox.calls("images")) == 1
        assert (await provider.image(other)).images, "another model is not kept waiting"
        clock.shift(10)
        assert (await provider.image(ASK)).images
