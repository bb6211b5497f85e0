"""Failures as they are stored, read as errors again."""

from datetime import UTC, datetime

import pytest

from api.errors import BY_CODE
from api.generations.accepting.service import failure_of
from api.generations.store import Generation
from api.problems import problem_of
from api.reasons import Reason

AT = datetime(2026, 1, 1, tzinfo=UTC)


def failed(code: str, reason: Reason | None, message: str = "Said then.") -> Generation:
    """A row from before params were kept."""
    return Generation(
        id="g",
        short_id="g",
        user_id="u",
        kind="image",
        mode="text_to_image",
        model="a/b",
        model_name="B",
        prompt="a fox",
        options={},
        status="failed",
        phase="done",
        estimate_micro=1,
        error_code=code,
        error_message=message,
        error_reason=reason,
        source="api",
        sandbox=False,
        created_at=AT,
        inputs=(),
        run_at=AT,
        callback_token="",
    )


@pytest.mark.parametrize("code", [*BY_CODE, "gone_since"])
def test_every_kept_code_becomes_an_error_again(code: str) -> None:
    kept: dict[Reason | None, str] = {None: "Said then.", "safety": "because of its content"}
    for reason, detail in kept.items():
        problem = problem_of(failure_of(failed(code, reason)))
        assert detail in problem.detail
        assert problem.code in {code, "provider_unavailable"}


def test_a_message_of_before_is_quoted_once_and_only_where_the_reason_quotes() -> None:
    busy = failed("rate_limited", "busy", "The AI provider is busy.")
    assert failure_of(busy).detail == "The AI provider is busy: too much is asked of it at once."
    assert busy.error_params == {}
    words = failed("content_refused", "words_only", "Which fox?")
    assert "“Which fox?”" in failure_of(words).detail
    assert "not repeated" not in failure_of(failed("outcome_unknown", None, "Lost.")).detail
