"""Words for people: each sentence has its translation, each reason its sentence."""

import re
from decimal import Decimal
from typing import get_args

import pytest

from api.deliveries.schemas import REASONS
from api.errors import BY_CODE
from api.errors import sentence as api_sentence
from api.reasons import NOT_REPEATED, SENTENCES, Making, Reason
from client import calls
from client.errors import ApiError
from client.schemas import Problem
from client.schemas.generations import ErrorOut, EstimateIn
from client.words import catalogue, deliveries
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


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_reason_of_a_delivery_has_its_sentence(language: str) -> None:
    assert deliveries.SENTENCES.keys() == REASONS
    for reason, english in deliveries.SENTENCES.items():
        words, quote = deliveries.why(_voice(language), reason, "Forbidden")
        assert words, reason
        assert "%(" not in words, reason
        assert (quote == "") == ("Forbidden" in words), reason
        assert language == "en" or reason == "earlier" or words != english, reason


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


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_sentence_without_its_params_has_dashes(language: str) -> None:
    for reason in get_args(Reason):
        for said in (of_reason(_voice(language), reason, {}), api_sentence(reason, {})):
            assert len(said) > 5, reason
            assert "%(" not in said, reason
    strange = {"kind": "smell", "model": "Veo"}
    assert "smell" in of_reason(_voice(language), "model_unknown", strange)


def test_words_of_another_version_are_said_in_english_only() -> None:
    def earlier(code: str, **params: str | int) -> ErrorOut:
        return ErrorOut(code=code, message="", reason="earlier", params=params)

    lost = earlier("outcome_unknown", said="It was not repeated")
    assert sentence(_voice(), lost) == "It was not repeated."
    assert sentence(_voice("de"), lost) == _voice("de").say(NOT_REPEATED) != NOT_REPEATED
    assert "Inhalts" in sentence(_voice("de"), earlier("content_refused", said="Blocked."))
    assert sentence(_voice("de"), earlier("brand_new", said="No.")) == "No."
    assert sentence(_voice(), earlier("brand_new")) == "The reason is not known any more."


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("not_found", "code_not_valid"),
        ("not_found", "draft_gone"),
        ("not_found", "invitation_not_valid"),
        ("not_allowed", "account_disabled"),
        ("not_allowed", "setup_link_wrong"),
        ("rate_limited", "reported_already"),
        ("too_large", "memory_short"),
    ],
)
def test_a_hint_of_the_code_is_left_out_where_the_reason_says_it_all(
    code: str, reason: Reason
) -> None:
    assert hint(_voice(), _problem(code, reason)) == ""


def test_a_wait_takes_the_place_of_the_part_of_a_hint_about_time() -> None:
    def told(code: str, reason: Reason) -> str:
        return hint(_voice(in_chat=True), _problem(code, reason, 5))

    wait = "Please try again in 5 s."
    assert told("too_many_jobs", "jobs_too_many") == f"{wait} /cancel stops one."
    assert told("provider_unavailable", "overloaded") == f"{wait} Or choose another model."
    assert told("database_unavailable", "database_away") == wait
    assert "again" not in SENTENCES["database_away"]


def test_no_address_is_made_of_an_id_that_is_no_text() -> None:
    with pytest.raises(ApiError, match="not_found"):
        calls.generation("\ud800")


def test_an_estimate_is_not_asked_for_all_day() -> None:
    assert not calls.estimate(EstimateIn(kind="image")).harmless
