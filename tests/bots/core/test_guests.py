"""Guests know that they are guests, what they have, and get and delete it without an account on the
web."""

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copyfile

import pytest
import pytest_asyncio

from bots.core import texts
from tests.api.harness import Api, running_api
from tests.bots.core.recording_chat import Place, served
from tests.bots.core.samples import told
from tests.bots.core.test_results import press
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served_api(
    tmp_path_factory: pytest.TempPathFactory, migrated_duckdb: Path, shared_sandbox: Sandbox
) -> AsyncIterator[tuple[Api, str]]:
    folder = tmp_path_factory.mktemp("guests")
    database = copyfile(migrated_duckdb, folder / "app.duckdb")
    async with (
        running_api(
            folder, shared_sandbox, database_url=f"duckdb://{database}", chat_signup="open"
        ) as api,
        served(api.app) as port,
    ):
        yield api, f"http://127.0.0.1:{port}"


async def test_a_guest_hears_it_once_with_the_first_answer(place: Place) -> None:
    *_, answered, notice = await place.say("/ask who are you?")
    assert "who are you?" in answered.text
    assert (notice.text, notice.secret) == (texts.guest_now(), True)
    assert texts.guest_now() not in [one.text for one in await place.say("/ask and now?")]


async def test_a_guest_is_told_what_there_is(place: Place) -> None:
    for line in ("/start", "/balance"):
        said = (await place.say(line))[0].text
        assert texts.guest() in said
        assert "of $1.00 left this month" in said


async def test_a_guest_gets_and_deletes_everything_but_keeps_its_spending(place: Place) -> None:
    await place.say("/ask my secret plan", person="31", chat="31")
    spent = (await place.say("/balance", person="31", chat="31"))[0].text
    assert "Spent: $0.0" in spent
    (page,) = await place.say("/privacy", person="31", chat="31")
    assert "You are a guest" in page.text
    (foreign, *_) = await press(place, page, "export", person="32", chat="32")
    assert foreign.text == texts.not_yours()
    (sent,) = await press(place, page, "export", person="31", chat="31")
    with zipfile.ZipFile(io.BytesIO(sent.files[0].data)) as archive:
        assert "my secret plan" in archive.read("messages.json").decode()
    (question,) = await press(place, page, "erase", person="31", chat="31")
    (done,) = await press(place, question, "erase_yes", person="31", chat="31")
    assert done.text == texts.erased()
    assert (
        await place.api.services.db.fetch(
            "SELECT id FROM messages WHERE strpos(content, 'my secret plan') > 0"
        )
        == []
    )
    assert (await place.say("/balance", person="31", chat="31"))[0].text == spent


async def test_who_has_an_account_is_sent_to_the_web(joined: Place) -> None:
    (page,) = await joined.say("/privacy")
    assert page.buttons == ()
    assert texts.guest() not in (await joined.say("/balance"))[0].text
    assert (await joined.say("/export 77", pressed="m1"))[-1].text == told(
        "not_allowed", "not_by_chat"
    )
    assert (await joined.say("/erase_yes 77", pressed="m1"))[-1].text == told(
        "not_allowed", "not_by_chat"
    )
    assert (await joined.web.get("/users/me")).is_success
