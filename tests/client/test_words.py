"""Words for people: each sentence has its translation, each reason its sentence."""

import re
from decimal import Decimal
from typing import get_args

import pytest

from api.errors import BY_CODE
from api.reasons import SENTENCES, Making, Reason
from client.schemas import Problem
from client.words import catalogue
from client.words.errors import HINTS, IN_CHATS, Voice, hint, of_reason, sentence


def _voice(language: str = "en", *, in_chat: bool = False) -> Voice:
    def money(usd: Decimal) -> str:
        return f"${usd:.2f}"

    def time(seconds: float) -> str:
        return f"{seconds:g} s"

    return Voice(language, money, time, str.upper, in_chat=in_chat)


def _problem(code: str, reason: Reason, retry_after: float | None = None) -> Problem:
    return Problem(
        title="", status=400, detail="", code=code, reason=reason, retry_after=retry_after
    )


def test_every_sentence_is_translated_and_none_is_left_over() -> None:
    """`python -m client.words.catalogue` brings the files up to date and names what is missing."""
    assert all(len(found) > 30 for found in catalogue.sentences().values())
    assert catalogue.problems() == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_reason_of_the_api_has_a_sentence(language: str) -> None:
    for reason in get_args(Reason):
        facts = dict.fromkeys(re.findall(r"%\((\w+)\)s", SENTENCES[reason]), "1")
        if facts.keys() & {"kind", "makes"}:
            facts |= {"kind": "image", "makes": "video"}
        said = of_reason(_voice(language), reason, facts)
        assert said, reason
        assert "%(" not in said, reason
        assert language == "en" or reason == "earlier" or said != SENTENCES[reason], reason


def test_a_hint_belongs_to_a_reason_or_a_code_and_promises_nothing_about_money() -> None:
    assert HINTS.keys() | IN_CHATS.keys() <= {*get_args(Reason), *BY_CODE}
    told = [SENTENCES[one] for one in get_args(Making) if one != "charged_and_lost"]
    for words in (*HINTS.values(), *IN_CHATS.values(), *told):
        assert not re.search(r"charge|paid", words), words


def test_a_hint_is_of_the_place_where_it_is_read() -> None:
    thought = _problem("no_answer", "thinking_only")
    assert "below the question" in hint(_voice(), thought)
    assert "effort: low" in hint(_voice(in_chat=True), thought)
    assert hint(_voice(), _problem("conflict", "backup_running")) == ""
    assert hint(_voice(), _problem("conflict", "answered_already", 3)) == "Please try again in 3 s."


def test_facts_are_said_in_the_voices_way() -> None:
    short = Problem(
        title="",
        status=402,
        detail="",
        code="budget_exceeded",
        reason="budget_of_guests",
        params={"cost_usd": "0.600000", "left_usd": "0.500000"},
    )
    assert "$0.60" in sentence(_voice("de"), short)
    assert "aller Gäste" in sentence(_voice("de"), short)
