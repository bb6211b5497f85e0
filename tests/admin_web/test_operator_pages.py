"""Every page and act of admins, found by its address: refused to members and to forms without a
token, and with members' texts escaped. The effects of the acts are tested in a browser
(`tests/browser/test_admin_walk.py`)."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import httpx
import pytest
from flask import Flask
from pydantic import BaseModel

from admin_web.forms.fields import typed
from admin_web.words import admin_states, admin_warnings
from admin_web.words.admin_states import size_words
from admin_web.words.errors import not_taken
from admin_web.words.formats import ago, amount, duration
from api.admin.schemas import WarningOut
from api.auth.schemas import TokensOut
from api.budget.schemas import SharedScope
from api.deliveries.schemas import DeliveryRowOut, TryOut
from api.generations.schemas import GenerationOut
from api.generations.states import Phase
from api.provider.schemas import Capabilities
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import signed_in
from tests.admin_web.test_making import finished, make_image
from tests.stack import Stack

EVIL = "<script>alert(1)</script>"
FILL = {"kind": "image", "model_id": "a/b", "scope": "global", "platform": "terminal"}


def addresses(app: Flask, method: str) -> Iterator[str]:
    """Yield the addresses of all admin pages, with a value for each parameter of the path."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("admin_") and method in (rule.methods or ()):
            yield re.sub(
                r"<(?:\w+:)?(\w+)>",
                lambda part: FILL.get(part[1], "01a20288-e126-750e-9723-6b6c8fec66e1"),
                rule.rule,
            )


def test_no_page_of_admins_is_shown_to_a_member_or_to_a_visitor(
    app: Flask, browser: Browser
) -> None:
    pages = list(addresses(app, "GET"))
    assert len(pages) > 20
    for path in pages:
        refused = browser.get(path)
        assert (refused.status_code, "This is not for your account" in refused.text) == (
            403,
            True,
        ), path
        assert 'class="office-menu"' not in refused.text, path
        assert Browser(app).get(path).location.startswith("/login"), path


def test_no_act_of_admins_is_done_for_a_member_or_without_a_token(
    app: Flask, browser: Browser, admin: Browser
) -> None:
    acts = list(addresses(app, "POST"))
    assert len(acts) > 25
    browser.get("/")
    admin.get("/admin")
    for path in acts:
        assert browser.post(path).status_code == 403, path
        assert admin.post(path, token="").status_code == 400, path
        assert admin.post(path, Sec_Fetch_Site="cross-site").status_code == 400, path


@pytest.fixture
def evil(app: Flask, register: Callable[[], TokensOut]) -> Browser:
    """Return the browser of a member whose name and prompt are scripts."""
    person = signed_in(app, register())
    person.get("/profile")
    person.post("/profile/about", {**person.fields, "display_name": EVIL, "language": "en"})
    return person


def test_everything_that_the_api_can_say_to_admins_has_words() -> None:
    def choices(model: type[BaseModel], name: str) -> set[str]:
        return set(get_args(model.model_fields[name].annotation))

    assert choices(WarningOut, "code") == admin_warnings.TITLES.keys()
    assert choices(WarningOut, "code") == admin_warnings.HINTS.keys()
    assert choices(WarningOut, "target") == admin_warnings.PLACES.keys()
    assert set(get_args(Phase)) == admin_states.PHASES.keys()
    assert choices(GenerationOut, "mode") == admin_states.MODES.keys()
    assert choices(GenerationOut, "status") <= admin_states.STATUSES.keys()
    assert choices(TryOut, "outcome") == admin_states.TRIES.keys()
    assert choices(DeliveryRowOut, "state") <= admin_states.DELIVERY_STATES.keys()
    assert set(get_args(SharedScope)) == admin_states.SCOPES.keys()
    assert set(Capabilities.model_fields) == admin_states.CAPABILITIES.keys()


def test_why_a_chat_did_not_take_something_is_said_in_the_admins_language(app: Flask) -> None:
    """With the chat's own words beside it; those of before there were reasons stand alone."""
    with app.test_request_context(headers={"Accept-Language": "de"}):
        assert not_taken("bot_removed", "Forbidden: bot was kicked") == (
            "Der Bot wurde aus der Gruppe entfernt.",
            "Forbidden: bot was kicked",
        )
        assert not_taken("request_refused", EVIL) == (f"Der Chat hat es abgelehnt: „{EVIL}“", "")
        assert not_taken("earlier", EVIL) == (EVIL, "")


def test_names_and_prompts_are_text(admin: Browser, evil: Browser) -> None:
    job = make_image(evil, prompt=f'"><img src=x onerror=alert(1)>{EVIL}')
    pages = [
        "/admin/jobs",
        "/admin/jobs/table",
        f"/admin/jobs/{job}",
        f"/admin/jobs/{job}/live",
        "/admin/users",
        "/admin",
    ]
    admin.get("/admin/settings")
    for shown in ("true", "false"):
        admin.post("/admin/settings/content", {"show_content": shown})
        for path in pages:
            text = admin.get(path).text
            assert EVIL not in text, path
            assert "<img src=x" not in text, path
            assert ("onerror=alert(1)&gt;" in text) == (shown == "true" and "jobs" in path), (
                f"{path}: content shown is {shown}"
            )


def test_filters_are_shown_as_text_and_keep_the_page(admin: Browser) -> None:
    for path in (
        "jobs?user=",
        "jobs?q=",
        "jobs?model=",
        "audit?actor=",
        "audit?action=",
        "deliveries?user=",
        "models?q=",
        "users?q=",
    ):
        answer = admin.get(f"/admin/{path}{EVIL}")
        assert (answer.status_code, EVIL in answer.text) == (200, False), path
    for path in (
        "jobs?since=nonsense&until=9999-12-31",
        "jobs?status=no&kind=no",
        "audit?since=2026-13-40",
        "users?sort=no&role=no",
    ):
        assert admin.get(f"/admin/{path}").status_code == 200, path
    for path, words in (
        ("jobs", "No job is like this."),
        ("deliveries", "No delivery is like this."),
    ):
        assert words in admin.get(f"/admin/{path}?cursor=0").text, path


def test_heads_of_tables_sort_and_keep_the_filters(
    stack: Stack, admin: Browser, browser: Browser
) -> None:
    for _ in range(2):
        make_image(browser)
    cases = [("jobs", "kind=image", sort) for sort in ("oldest", "cost", "longest")]
    cases += [("users", "role=user", sort) for sort in ("oldest", "name", "spent", "limit", "used")]
    cases += [("models", "kind=image", sort) for sort in ("name", "cheapest", "dearest", "used")]
    cases += [
        ("audit", "action=setup", "oldest"),
        ("deliveries", "state=pending", "tries"),
        ("deliveries", "state=pending", "due"),
    ]
    for page, kept, sort in cases:
        text = admin.get(f"/admin/{page}?{kept}&sort={sort}").text
        if page == "deliveries":
            continue
        assert text.count("aria-sort=") == 1, (page, sort)
        key, value = kept.split("=")
        heads = re.findall(r'<th[^>]*><a href="([^"]+)"', text)
        assert heads
        assert all(f"{key}={value}" in head for head in heads), (page, sort)
    assert (
        "a week at most, now Mar 1 to Mar 7"
        in admin.get("/admin/jobs?sort=cost&since=2026-03-01").text
    )
    assert (
        "a week at most, now Mar 4 to Mar 10"
        in admin.get("/admin/jobs?sort=longest&since=2026-01-01&until=2026-03-10").text
    )
    assert admin.get("/admin/jobs?sort=cost&since=0001-01-01&until=9999-12-31").status_code == 200
    folder = stack.data_dir / "backups"
    folder.mkdir(exist_ok=True)
    made = [(f"allucanget-2026010{day}-000000.zip", size) for day, size in ((1, 5), (2, 9), (3, 7))]
    for name, size in made:
        (folder / name).write_bytes(b"x" * size)
    for sort, order in (("", [2, 1, 0]), ("oldest", [0, 1, 2]), ("largest", [1, 2, 0])):
        text = admin.get(f"/admin/backups?sort={sort}").text
        found = re.findall(r"<b>(allucanget-2026\S+?)</b>", text)
        assert found == [made[place][0] for place in order]
        assert text.count("aria-sort=") == 1
    for name, _size in made:
        (folder / name).unlink()
    assert "sort=tries" not in admin.get("/admin/deliveries?sort=tries").text, (
        "all that ever was sent is not sorted by tries"
    )


def test_a_shared_budget_is_an_amount_or_nothing(admin: Browser) -> None:
    admin.get("/admin/budgets")
    for nonsense in ("-1", "much", "1e99"):
        answer = admin.post("/admin/budgets/guests", {"monthly_usd": nonsense})
        assert (answer.status_code, 'id="e-guests"' in answer.text) == (422, True)
    assert admin.post("/admin/budgets/guests", {"monthly_usd": "12.5"}).status_code == 302
    assert 'value="12.50"' in admin.get("/admin/budgets").text
    admin.post("/admin/budgets/guests", {"monthly_usd": ""})
    assert "All guests together: no limit any more." in admin.get("/admin/budgets").text
    assert admin.post("/admin/budgets/somebody", {"monthly_usd": "1"}).status_code == 404


def test_amounts_are_written_and_read_as_the_language_does(app: Flask) -> None:
    for language, written, read in (("de", "12,50", "12.50"), ("en", "12.50", "12.50")):
        with app.test_request_context(
            f"/?monthly_usd={written}", headers={"Accept-Language": language}
        ):
            seen = (amount(Decimal("12.5")), typed("monthly_usd"), size_words(14_696_597))
            assert seen == (written, read, f"14{written[2]}7 MB")


def test_waiting_times_are_said_in_words_that_fit(app: Flask) -> None:
    for minutes, words in (("47", "47 Minuten"), ("130", "2 Stunden"), ("2900", "2 Tage")):
        with app.test_request_context(headers={"Accept-Language": "de"}):
            warning = WarningOut(
                code="deliveries_stuck",
                count=1,
                target="bots",
                facts={"platform": "telegram", "minutes": minutes},
            )
            found = admin_warnings.alert(warning).hint
            assert found == f"Das älteste ist schon {words} fällig. Läuft der Bot?"
    now = datetime.now(UTC)
    with app.test_request_context(headers={"Accept-Language": "de"}):
        said = [ago(now - timedelta(minutes=minutes)) for minutes in (0, 5, 180, -30, -2880)]
    assert said == ["gerade eben", "vor 5 Minuten", "vor 3 Stunden", "in 30 Minuten", "in 2 Tagen"]
    seen = [duration(seconds) for seconds in (59, 3599, 3600, 90_061)]
    assert seen == ["59 s", "59 min 59 s", "1 h 00 min", "25 h 01 min"]


def test_an_admin_who_acts_for_somebody_is_told_of_their_budget(
    stack: Stack, admin: Browser, browser: Browser, account: TokensOut
) -> None:
    def faults(*given: dict[str, object]) -> None:
        httpx.put(f"{stack.sandbox_url}/_sandbox/faults", json={"faults": given}).raise_for_status()

    faults({"call": "*", "kind": "status", "status": 403})
    job = make_image(browser)
    card = finished(browser, job)
    faults()
    assert 'data-status="failed"' in card
    admin.get("/admin")
    admin.post(f"/admin/users/{account.user.id}/budget", {"monthly_usd": "0"})
    admin.post(f"/admin/jobs/{job}/retry")
    shown = admin.get(f"/admin/jobs/{job}").text
    assert "The budget of this person, or one that all share, does not allow it." in shown
    assert "your budget" not in shown


def test_the_log_names_what_was_done_to_what_in_words(admin: Browser) -> None:
    admin.get("/admin")
    admin.post("/admin/budgets/admins", {"monthly_usd": ""})
    admin.post("/admin/models/image/openai/gpt-image-2/default")
    shown = admin.get("/admin/audit").text
    assert '<a href="/admin/budgets">All admins together</a>' in shown
    assert '<a href="/admin/models/image/openai/gpt-image-2">openai/gpt-image-2</a>' in shown
    assert "kind: Image" in shown


def test_the_log_as_a_file_holds_what_the_filters_leave(admin: Browser) -> None:
    admin.get("/admin/budgets")
    admin.post("/admin/budgets/admins", {"monthly_usd": "7"})
    admin.post("/admin/budgets/admins", {"monthly_usd": ""})
    file = admin.get("/admin/audit/audit.csv?action=budget_limit_set")
    assert file.mimetype == "text/csv"
    assert "attachment" in file.headers["Content-Disposition"]
    lines = file.text.splitlines()
    assert len(lines) > 2
    assert all("budget_limit_set" in line for line in lines[1:])
    assert len(admin.get("/admin/audit/audit.csv?since=2100-01-01").text.splitlines()) == 1
    assert admin.get("/admin/audit/audit.csv?actor=nobody-is-called-so").status_code == 404


def test_a_decision_and_a_price_say_what_they_lack(admin: Browser, browser: Browser) -> None:
    job = make_image(browser)
    admin.get("/admin")
    asked = admin.post(f"/admin/jobs/{job}/resolve", {"outcome": "provider_id", "provider_id": " "})
    assert (asked.status_code, "Please enter the provider&#39;s id." in asked.text) == (422, True)
    assert admin.post(f"/admin/jobs/{job}/resolve", {"outcome": "nothing"}).status_code == 400
    model = "/admin/models/image/openai/gpt-image-2"
    wrong = admin.post(f"{model}/price", {"price_override_usd": "much"})
    assert (wrong.status_code, 'id="e-price_override_usd"' in wrong.text) == (422, True)
    assert admin.get("/admin/models/image/nobody/knows-it").status_code == 404
    assert admin.get("/admin/models/music/openai/gpt-image-2").status_code == 404
