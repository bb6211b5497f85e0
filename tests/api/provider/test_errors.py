"""Every documented status on every paid call: its code, whether the call may have been paid, and a
sentence without secrets."""

import json
import socket
from collections.abc import Awaitable, Callable

import httpx
import pytest

from api.provider.failures import Paid, of_response
from api.provider.openrouter import OpenRouter
from api.provider.types import ImageAsk, Outcome, ProviderError, TextAsk, TextMessage, VideoAsk
from api.schemas import Reason
from sandbox.faults import CallKind, Fault
from tests.sandbox_server import Sandbox

KEY = "sk-or-v1-very-secret"
Ask = Callable[[OpenRouter], Awaitable[object]]


async def _text(provider: OpenRouter) -> object:
    return [
        part
        async for part in provider.text(TextAsk("openai/gpt-5-mini", (TextMessage("user", "tea"),)))
    ]


def _image(provider: OpenRouter) -> Awaitable[object]:
    return provider.image(ImageAsk("openai/gpt-image-2", "images", "a fox"))


def _video(provider: OpenRouter) -> Awaitable[object]:
    return provider.start_video(VideoAsk("google/veo-3.1-lite", "waves", duration=4))


ASKS: dict[CallKind, Ask] = {"chat": _text, "images": _image, "videos.submit": _video}

STATUSES: dict[int, tuple[str, Reason]] = {
    400: ("invalid_request", "request_refused"),
    401: ("provider_unavailable", "key_refused"),
    402: ("provider_out_of_credit", "out_of_credit"),
    403: ("content_refused", "safety"),
    404: ("model_unavailable", "model_gone"),
    408: ("provider_unavailable", "timed_out"),
    413: ("invalid_request", "request_refused"),
    422: ("invalid_request", "request_refused"),
    429: ("rate_limited", "busy"),
    500: ("provider_unavailable", "provider_failed"),
    502: ("provider_unavailable", "provider_failed"),
    503: ("provider_unavailable", "overloaded"),
    504: ("provider_unavailable", "timed_out"),
    524: ("provider_unavailable", "timed_out"),
    529: ("provider_unavailable", "overloaded"),
}


def _proves(call: CallKind, status: int) -> Outcome:
    if status == 524 or (call == "videos.submit" and (status >= 500 or status == 408)):
        return "unknown"
    return "refused"


@pytest.mark.parametrize("call", ASKS)
@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_of_each_paid_call(
    provider: OpenRouter, sandbox: Sandbox, call: CallKind, status: int
) -> None:
    sandbox.break_with(Fault(call=call, kind="status", status=status, retry_after=7))
    with pytest.raises(ProviderError) as caught:
        await ASKS[call](provider)
    error = caught.value
    assert (error.code, error.reason) == STATUSES[status]
    assert (error.outcome, error.status, error.retry_after) == (_proves(call, status), status, 7)
    assert "sk-or" not in error.said


@pytest.mark.parametrize("call", ASKS)
async def test_a_closed_port_is_not_sent(call: CallKind) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = OpenRouter(f"http://127.0.0.1:{unused.getsockname()[1]}/api/v1", KEY)
        with pytest.raises(ProviderError) as caught:
            await ASKS[call](client)
        await client.close()
    assert (caught.value.reason, caught.value.outcome) == ("unreachable", "not_sent")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("call", ASKS)
async def test_a_lost_answer_is_unknown_although_the_work_was_done(
    provider: OpenRouter, sandbox: Sandbox, call: CallKind
) -> None:
    sandbox.break_with(Fault(call=call, kind="lost"))
    with pytest.raises(ProviderError) as caught:
        await ASKS[call](provider)
    assert (caught.value.reason, caught.value.outcome) == ("connection_lost", "unknown")
    assert len(sandbox.calls(call)) == 1


async def test_an_unlisted_model_and_a_bad_option_in_the_sandboxs_own_words(
    provider: OpenRouter,
) -> None:
    with pytest.raises(ProviderError) as unknown:
        await provider.image(ImageAsk("nobody/nothing", "images", "a fox"))
    with pytest.raises(ProviderError) as bad:
        await provider.start_video(VideoAsk("google/veo-3.1-lite", "waves", duration=5))
    assert (unknown.value.code, unknown.value.status) == ("model_unavailable", 400)
    assert (bad.value.code, bad.value.outcome) == ("invalid_request", "refused")
    assert "duration" in bad.value.said


def _of(status: int, error: object, **headers: str) -> ProviderError:
    return of_response(
        status, httpx.Headers(headers), json.dumps({"error": error}).encode(), Paid.AT_ONCE
    )


def unavailable(code: str, *, retryable: bool = False) -> dict[str, object]:
    return {"availability": {"code": code, "retryable": retryable}}


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"message": "x/y is not a valid model ID"}, "model_unavailable"),
        (
            400,
            {"message": "bad", "metadata": {"error_type": "content_policy_violation"}},
            "content_refused",
        ),
        (400, {"message": "Your request was rejected by the safety system"}, "content_refused"),
        (
            400,
            {"http_status": 400, "error_type": "invalid_request", "message": "size: unknown"},
            "invalid_request",
        ),
        (403, {"message": "Key limit exceeded (monthly limit)"}, "provider_out_of_credit"),
        (403, {"message": "blocked", "metadata": {"patterns": ["x"]}}, "content_refused"),
        (403, {"message": "not available in your region"}, "model_unavailable"),
        (
            404,
            {"message": "No endpoints found matching your guardrail restrictions"},
            "model_unavailable",
        ),
        (
            404,
            {"message": "gone", "availability": {"code": "model_deprecated", "retryable": False}},
            "model_unavailable",
        ),
        (
            404,
            {
                "message": "busy",
                "availability": {"code": "temporarily_unavailable", "retryable": True},
            },
            "provider_unavailable",
        ),
        (400, unavailable("model_not_found"), "model_unavailable"),
        (
            400,
            {
                "availability": {
                    "code": "wrong_endpoint",
                    "retryable": False,
                    "constraint": {"field": "model"},
                }
            },
            "model_unavailable",
        ),
        (404, unavailable("no_endpoints"), "model_unavailable"),
        (404, unavailable("model_unavailable_upstream"), "model_unavailable"),
        (404, unavailable("privacy_restricted"), "model_unavailable"),
        (404, unavailable("constraint_filtered"), "model_unavailable"),
        (404, unavailable("free_variant_ended"), "model_unavailable"),
        (403, unavailable("region_restricted"), "model_unavailable"),
        (429, unavailable("capacity_exhausted", retryable=True), "rate_limited"),
        (503, unavailable("temporarily_unavailable", retryable=True), "provider_unavailable"),
        (
            404,
            {
                "http_status": 404,
                "error_type": "not_found",
                "availability": {"code": "new_word", "retryable": True},
            },
            "provider_unavailable",
        ),
        (400, "just a string", "invalid_request"),
        (400, None, "invalid_request"),
        (502, [1, 2], "provider_unavailable"),
        (302, None, "provider_unavailable"),
    ],
)
def test_the_error_body_is_read_defensively(status: int, error: object, code: str) -> None:
    assert _of(status, error).code == code


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            {
                "message": "Provider returned error",
                "metadata": {"error_type": "content_policy_violation"},
            },
            "safety",
        ),
        (
            {
                "message": "Provider returned error",
                "metadata": {"raw": "finishReason: PROHIBITED_CONTENT", "provider_name": "Acme"},
            },
            "safety",
        ),
        ({"message": "Your image was blocked by the safety system"}, "safety"),
        (
            {
                "message": "Provider returned error",
                "metadata": {"raw": "connect: connection refused"},
            },
            "provider_failed",
        ),
        ({"message": "sensitive dependency violated its deadline"}, "provider_failed"),
    ],
)
@pytest.mark.parametrize("paid", [Paid.AT_ONCE, Paid.JOB])
def test_a_refusal_behind_a_breakdown_is_a_refusal_and_is_not_asked_again(
    error: dict[str, object], reason: str, paid: Paid
) -> None:
    found = of_response(502, httpx.Headers(), json.dumps({"error": error}).encode(), paid)
    assert found.reason == reason
    seen = (found.retryable, found.outcome == "unknown")
    assert seen == (reason != "safety", reason != "safety" and paid is Paid.JOB)


def test_paid_and_final_failures_are_not_tried_again() -> None:
    assert not _of(401, None).retryable
    assert ProviderError("provider_unavailable", "no_image", outcome="refused").retryable
    assert not ProviderError(
        "provider_unavailable", "no_image", outcome="refused", cost_micro=1
    ).retryable


def test_a_failed_supplier_is_told_from_a_failed_provider() -> None:
    assert _of(
        502, {"message": "Provider returned error", "metadata": {"provider_name": "Acme"}}
    ).upstream
    assert _of(503, unavailable("temporarily_unavailable", retryable=True)).upstream
    assert not _of(
        502, {"message": "x", "metadata": {"error_type": "server", "provider_name": None}}
    ).upstream


def test_a_body_that_is_no_json_leaves_the_status() -> None:
    error = of_response(503, httpx.Headers(), b"<html>", Paid.JOB)
    assert (error.code, error.outcome) == ("provider_unavailable", "unknown")


def test_waiting_time_comes_from_header_or_body() -> None:
    assert _of(429, None, **{"Retry-After": "12"}).retry_after == 12
    assert _of(429, {"availability": {"retry_after": 3}}).retry_after == 3
    assert _of(429, None, **{"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}).retry_after == 0
    assert _of(429, None, **{"Retry-After": "99999999"}).retry_after == 3600
    assert _of(429, None, **{"Retry-After": "nan"}).retry_after is None
    assert _of(429, None).retry_after is None


def test_keys_and_addresses_of_the_providers_words_are_removed() -> None:
    message = _of(
        400, {"message": f"Bad key {KEY} at https://internal.example/x?key=1 and " + "x" * 900}
    ).said
    assert KEY not in message
    assert "internal.example" not in message
    assert len(message) < 400
