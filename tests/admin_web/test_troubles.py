"""Troubles that the api names by facts, in the words of the reader's language."""

import pytest

from admin_web.app import create_app
from admin_web.settings import WebSettings
from admin_web.words.admin_states import check_words
from admin_web.words.admin_warnings import alert
from api.reasons import CheckReason
from client.schemas import CheckOut
from client.schemas.admin import WarningOut


@pytest.mark.parametrize(
    ("language", "facts", "said"),
    [
        ("en", {"reason": "unreachable"}, "“The AI provider cannot be reached right now.”"),
        ("de", {"reason": "unreachable"}, "„Der KI-Anbieter ist gerade nicht zu erreichen.“"),
        ("de", {"reason": "of_a_newer_api"}, "„“"),
    ],
)
def test_a_warning_quotes_its_reason(
    settings: WebSettings, language: str, facts: dict[str, str], said: str
) -> None:
    warning = WarningOut(code="provider_down", count=1, target="health", facts=facts)
    with create_app(settings).test_request_context(headers={"Accept-Language": language}):
        assert said in alert(warning).hint


def test_an_operator_reads_the_stores_own_words(settings: WebSettings) -> None:
    facts = {"reason": "storage_unavailable", "said": "AccessDenied", "waiting": "4"}
    warning = WarningOut(code="storage_unavailable", count=1, target="health", facts=facts)
    with create_app(settings).test_request_context(headers={"Accept-Language": "de"}):
        hint = alert(warning).hint
    assert "AccessDenied" in hint
    assert "cannot be used" not in hint


def said_of(settings: WebSettings, language: str, check: CheckOut) -> str:
    with create_app(settings).test_request_context(headers={"Accept-Language": language}):
        return check_words(check)


@pytest.mark.parametrize(
    ("reason", "params", "said"),
    [
        ("files_waiting", {"waiting": 4}, "Dateien, die auf der Platte dieses Rechners warten: 4."),
        ("work_fails", {"said": "models failed"}, "Arbeit im Hintergrund schlägt fehl: „models"),
        ("database_said", {"said": "away"}, "Die Datenbank ist nicht benutzbar: „away“"),
        ("disk_low", {"free_mb": 3, "floor_mb": 5}, "3 MB sind frei, und unter 5 MB"),
    ],
)
def test_a_check_is_said_in_german(
    settings: WebSettings, reason: CheckReason, params: dict[str, str | int], said: str
) -> None:
    check = CheckOut(ok=False, detail="In English.", reason=reason, params=params)
    assert said_of(settings, "de", check).startswith(said)


def test_waiting_files_are_named_beside_the_trouble(settings: WebSettings) -> None:
    params: dict[str, str | int] = {"said": "AccessDenied", "waiting": 2}
    check = CheckOut(ok=False, detail="x", reason="storage_unavailable", params=params)
    assert said_of(settings, "en", check) == (
        "The store for files cannot be used: AccessDenied. "
        "Files that wait on this machine's disk: 2."
    )
    assert said_of(settings, "de", CheckOut(ok=True, detail="duckdb")) == "duckdb"
