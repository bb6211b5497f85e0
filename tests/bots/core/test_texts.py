import re
from decimal import Decimal
from pathlib import Path
from typing import get_args

import httpx
import pytest

from api.generations.schemas import ErrorOut
from api.users.schemas import UserOut
from bots.core import texts
from bots.core.commands import COMMANDS
from bots.core.commands.image_video import OPTIONS
from bots.core.language import chosen, speaking
from client.errors import refused
from client.schemas import Problem, Reason
from tests.bots.core.samples import AT, generation, told


def test_sentences_stand_where_the_catalogue_finds_them() -> None:
    """Python 3.11 reads no sentence inside an f-string, and a key inside brackets would be taken
    for one."""
    for path in Path("bots").rglob("*.py"):
        assert not re.search(
            r"""\bf["'].*\{(_|ngettext)\(|\b_\([^"')]*\[["']""", path.read_text()
        ), path


def test_german_is_spoken_in_german_ways() -> None:
    made = generation(
        status="queued", estimate_usd="0.04", queue_position=3, typical_seconds=(20, 40)
    )
    with speaking("de"):
        assert texts.accepted(made).splitlines() == [
            "Dein Bild entsteht: „a fox in snow“",
            "FLUX.2 Klein · etwa 0,04 $ · #k7m2pqx",
            "wartet · Platz 3 in der Warteschlange · dauert meist 20 bis 40 Sekunden",
        ]
        assert texts.money(Decimal("1234.567")) == "1.234,57 $"
    waits = made.model_copy(update={"waiting": "provider", "typical_seconds": None})
    assert texts.accepted(waits).splitlines()[-1] == "waiting for the provider"
    with speaking("de"):
        assert "wartet auf den Anbieter" in texts.jobs([waits])
    assert texts.yes() == "Yes"


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [(("de-AT",), "de"), ((None, "de_CH"), "de"), (("fr", None), "en"), (("en", "de"), "en")],
)
def test_the_first_language_that_there_is_is_spoken(
    wanted: tuple[str | None, ...], spoken: str
) -> None:
    assert chosen(*wanted) == spoken


@pytest.mark.parametrize(
    ("charged", "told"),
    [("0.05", "It cost $0.05."), ("0.000000", "Nothing was charged."), (None, "")],
)
def test_an_error_says_its_cause_and_what_was_really_booked(charged: str | None, told: str) -> None:
    problem = {
        "code": "provider_unavailable",
        "title": "No",
        "status": 502,
        "detail": "x",
        "reason": "no_image",
        "charged_usd": charged,
    }
    error = refused(httpx.Response(502, json=problem))
    cause = (
        "The model answered without a picture. Please put it in other words, or choose "
        "another model."
    )
    assert texts.error(error.code, error.problem) == f"{cause} {told}".strip()


def test_an_unknown_outcome_says_why_and_that_it_is_not_repeated() -> None:
    assert told("outcome_unknown", "connection_lost") == (
        "The connection to the AI provider broke before its answer was here. "
        "Whether the AI provider did the work is not known, so it is not repeated."
    )


def test_errors_say_how_long_to_wait_and_what_was_wrong() -> None:
    wait = Problem(
        title="",
        status=429,
        detail="",
        code="rate_limited",
        reason="tries_too_many",
        retry_after=20,
    )
    assert texts.error("rate_limited", wait).endswith("Please try again in 20 seconds.")
    assert told("rate_limited", "tries_too_many").endswith("Wait a moment, then try again.")
    assert texts.error("brand_new") == texts.ERRORS["bad_answer"]
    newer = refused(httpx.Response(409, json={"code": "tired", "detail": "I sleep", "reason": "x"}))
    assert texts.error(newer.code, newer.problem) == "I sleep."


def test_fields_that_are_wrong_are_named() -> None:
    long = {"reason": "string_too_long", "params": {"max_length": 80}}
    fields = [
        {"field": "prompt", "message": "String should have at most 80 characters", **long},
        {"field": "changes.aspect_ratio", "message": "Odd thing", "reason": "newer"},
    ]
    facts = {"code": "invalid_request", "reason": "fields_wrong", "title": "", "detail": ""}
    error = refused(httpx.Response(422, json={**facts, "status": 422, "fields": fields}))
    assert texts.error(error.code, error.problem) == (
        "Some fields of the request are not valid. "
        "Prompt: this is too long: 80 characters at most. --ar: odd thing."
    )


def test_a_report_may_name_any_reason_or_code() -> None:
    def told(reason: str) -> str:
        return texts.notice("report", {"name": "Al", "reason": reason, "short_id": "k7m2"})

    for reason in get_args(Reason):
        assert "%(" not in told(reason)
    assert "The AI provider could not do it." in told("provider_unavailable")
    assert "The reason is not known any more." in told("earlier")
    assert "any_words" in told("any_words")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"params": {"option": "aspect_ratio", "model": "Veo"}, "allowed": ["16:9", "1:1"]},
            "Veo unterstützt --ar so nicht. Möglich: 16:9, 1:1.",
        ),
        (
            {"params": {"option": "n", "model": "Veo"}, "allowed": {"least": 1, "most": 4}},
            "Veo unterstützt --n so nicht. Möglich: 1 bis 4.",
        ),
        (
            {"params": {"option": "n", "model": "Veo"}, "allowed": {"least": 1, "most": 1}},
            "Veo unterstützt --n so nicht. Möglich: 1.",
        ),
        (
            {"reason": "option_unknown", "params": {"option": "seed", "model": "Veo"}},
            "Veo unterstützt --seed nicht.",
        ),
        (
            {
                "code": "model_unavailable",
                "reason": "model_off",
                "params": {"name": "Veo"},
                "allowed": ["a/b", "c/d"],
            },
            "Der Betreiber hat Veo abgeschaltet. Möglich: a/b, c/d.",
        ),
        (
            {
                "code": "budget_exceeded",
                "reason": "budget_own",
                "params": {
                    "cost_usd": "0.600000",
                    "left_usd": "0.500000",
                    "limit_usd": "10.000000",
                },
            },
            (
                "Das kann bis zu 0,60 $ kosten, und in deinem Budget sind für diesen Monat noch "
                "0,50 $ von 10,00 $. Nimm etwas Günstigeres, oder bitte einen Admin um ein höheres "
                "Budget."
            ),
        ),
        (
            {"code": "invalid_request", "reason": "model_reads_less", "params": {"model": "Veo"}},
            "Das ist zu lang für Veo.",
        ),
    ],
)
def test_in_german_the_facts_of_a_problem_are_said_in_german(
    facts: dict[str, object], said: str
) -> None:
    problem = {
        "code": "option_unsupported",
        "title": "No",
        "status": 422,
        "detail": "In English.",
        "reason": "option_value",
        **facts,
    }
    error = refused(httpx.Response(422, json=problem))
    with speaking("de"):
        assert texts.error(error.code, error.problem) == said


def test_an_option_of_the_platform_is_called_as_it_is_there() -> None:
    problem = {
        "code": "option_unsupported",
        "title": "No",
        "status": 422,
        "detail": "In English.",
        "reason": "option_value",
        "params": {"option": "aspect_ratio", "model": "Veo"},
        "allowed": ["1:1"],
    }
    error = refused(httpx.Response(422, json=problem))
    with speaking("de"):
        said = texts.error(error.code, error.problem, {"aspect_ratio": "5:1"})
    assert said == "Veo unterstützt aspect_ratio so nicht. Möglich: 1:1."


def test_chats_ask_for_an_option_by_the_flag_that_its_sentence_names() -> None:
    flags = {
        option.name: f"--{option.flags[0]}"
        for options in OPTIONS.values()
        for option in options
        if option.name != "model"
    }
    assert flags.items() <= texts.OPTIONS.items()


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0.00"),
        ("0.04", "$0.04"),
        ("0.039", "$0.039"),
        ("0.0035", "$0.0035"),
        ("0.000002", "$0.000002"),
        ("12.5", "$12.50"),
        ("1234.567", "$1,234.57"),
        ("0.123456", "$0.12"),
        ("0.014400", "$0.014"),
    ],
)
def test_money(usd: str, shown: str) -> None:
    assert texts.money(Decimal(usd)) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.2, "1 second"),
        (20, "20 seconds"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3601, "2 hours"),
        (86_400, "24 hours"),
    ],
)
def test_seconds(amount: float, shown: str) -> None:
    assert texts.seconds(amount) == shown


def test_the_waiting_card_says_what_is_made_with_which_model_for_how_much() -> None:
    made = generation(
        status="queued",
        estimate_usd="0.04",
        queue_position=3,
        typical_seconds=(20, 40),
        sandbox=True,
    )
    assert texts.accepted(made).splitlines() == [
        "Making your image: “a fox in snow”",
        "FLUX.2 Klein · about $0.04 · #k7m2pqx · sandbox, not a real model",
        "waiting · place 3 in the queue · usually takes 20 to 40 seconds",
    ]


def test_a_caption_repeats_the_prompt_and_tells_the_real_cost() -> None:
    made = generation(prompt="fox " * 100, cost_usd="0.041234", estimate_usd="0.5")
    first, second = texts.caption(made).splitlines()
    assert len(first) <= 200
    assert first.endswith("…")
    assert second == "FLUX.2 Klein · $0.041 · #k7m2pqx"


def test_a_caption_says_that_pictures_are_missing() -> None:
    images = [{"id": "1", "url": "/media/1", "content_type": "image/png", "size": 1}]
    assert (
        texts.caption(generation(options={"n": 3}, images=images)).splitlines()[2]
        == "2 of the pictures could not be made."
    )
    for made in (
        generation(options={"n": 1}, images=images),
        generation(options={}, images=images),
    ):
        assert len(texts.caption(made).splitlines()) == 2


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            ErrorOut(
                code="content_refused", message="blocked", reason="safety", charged_usd=Decimal(0)
            ),
            (
                "The model refused this request because of its content. Please put it in other "
                "words. "
                "Nothing was charged."
            ),
        ),
        (
            ErrorOut(
                code="content_refused",
                message="",
                reason="words_only",
                params={"said": "Which fox?"},
                charged_usd=Decimal("0.05"),
            ),
            "The model answered with words instead of a picture: “Which fox?” It cost $0.05.",
        ),
        (
            ErrorOut(
                code="new_code",
                reason="earlier",
                message="",
                params={"said": "The file was broken"},
                charged_usd=Decimal("0.05"),
            ),
            "The file was broken. It cost $0.05.",
        ),
        (
            ErrorOut(code="outcome_unknown", message="", reason="server_stopped"),
            (
                "The server was stopped while this was being made. "
                "Whether the AI provider did the work is not known, so it is not repeated."
            ),
        ),
    ],
)
def test_a_failure_says_why_and_what_it_cost(error: ErrorOut, why: str) -> None:
    made = generation(status="failed", cost_usd="0.05", error=error)
    assert texts.not_made(made) == f"Your image #k7m2pqx could not be made. {why}"


def test_a_cancelled_job_promises_nothing_that_is_not_sure() -> None:
    assert (
        texts.cancelled(generation(status="cancelled"))
        == "Cancelled: image #k7m2pqx. Nothing was charged."
    )
    begun = generation(status="cancelled", started_at=AT)
    assert (
        texts.cancelled(begun)
        == "Cancelled: image #k7m2pqx. The model had begun already, so it may still be charged."
    )


def test_the_balance_never_shows_less_than_nothing() -> None:
    user = UserOut(
        id="u",
        email=None,
        display_name="Al",
        role="user",
        status="active",
        language="en",
        monthly_usd=Decimal(10),
        spent_usd=Decimal("2.5"),
        held_usd=Decimal("0.3"),
        created_at=AT,
    )
    assert (
        texts.balance(user)
        == "You have $7.20 of $10.00 left this month. Spent: $2.50, $0.30 is reserved for running "
        "jobs."
    )
    over = user.model_copy(update={"spent_usd": Decimal(11), "held_usd": Decimal(0)})
    assert texts.balance(over) == "You have $0.00 of $10.00 left this month. Spent: $11.00."


def test_the_help_names_every_listed_command() -> None:
    page = texts.help_page(
        [(f"/{command.name}", command.description) for command in COMMANDS],
        private=True,
        way="caption",
    )
    assert all(f"/{command.name}: {command.description}" in page for command in COMMANDS)


def test_a_notice_is_told_even_if_its_code_is_new() -> None:
    assert texts.notice("linked", {"account_hint": "al***@example.org"}).startswith(
        "This chat is now linked to al***@example.org."
    )
    assert texts.notice("linked", {}).startswith("This chat is now linked to your account.")
    assert texts.notice("brand_new", {"text": "Hello"}) == "Hello"
    assert texts.notice("brand_new", {})
