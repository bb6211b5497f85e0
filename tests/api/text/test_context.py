"""The part of a conversation that is sent along with a question."""

from dataclasses import replace

import pytest

from api import ids
from api.catalog.model import Model
from api.errors import InvalidRequest
from api.text.context import ANSWER_TOKENS, MEMORY_TOKENS, answer_tokens, fitting, title_of
from api.text.store import Message
from tests.api.catalog.samples import MINI, model


def talk(*texts: str, images: tuple[str, ...] = ()) -> list[Message]:
    """Return questions and answers in turn."""
    return [
        Message(
            ids.new_id(),
            "assistant" if place % 2 else "user",
            text,
            None,
            None,
            () if place % 2 else images,
            ids.now(),
        )
        for place, text in enumerate(texts)
    ]


def small(context: int, output: int | None = None) -> Model:
    can = MINI.capabilities.model_copy(
        update={"context_length": context, "max_output_tokens": output}
    )
    return model(replace(MINI, capabilities=can))


def test_the_answer_is_bounded_by_us_by_the_model_and_by_its_context() -> None:
    assert answer_tokens(model(MINI)) == ANSWER_TOKENS
    assert answer_tokens(small(100_000, 4_096)) == 4_096
    assert answer_tokens(small(6_000)) == 3_000


def test_a_short_talk_is_sent_whole() -> None:
    history = talk("a", "b", "c", "d")
    assert fitting(model(MINI), history, 10, 0) == history


def test_of_a_long_talk_the_newest_part_is_sent_beginning_with_a_question() -> None:
    third = "x" * MEMORY_TOKENS
    history = talk("old question", "old answer", third, third, third, "new answer")
    assert fitting(model(MINI), history, 10, 0) == history[4:]
    assert (
        fitting(model(MINI), talk("x" * MEMORY_TOKENS * 3, "an answer to what does not fit"), 10, 0)
        == []
    )


def test_a_small_window_holds_less_and_images_take_room() -> None:
    history = talk("x" * 3_000, "y" * 3_000, "a", "b")
    assert fitting(small(12_000, 2_000), history, 3_000, 0) == history
    assert fitting(small(12_000, 2_000), history, 3_000, 4) == history[2:]
    seen = talk("a", "b", images=("i", "j", "k", "l"))
    assert fitting(small(12_000, 2_000), seen, 9_000, 0) == []


def test_a_prompt_that_is_too_long_for_the_model_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="too long for OpenAI: GPT-5 Mini"):
        fitting(small(4_000), [], 9_000, 0)


def test_titles() -> None:
    assert title_of("  Why is the sky   blue?\nReally") == "Why is the sky blue?"
    assert title_of("word " * 30) == "word " * 10 + "word word…"
    assert title_of("x" * 100) == "x" * 60 + "…"
