"""A chat becomes part of an account, and stays apart until both sides said yes."""

import pytest

from bots.core import texts
from tests.bots.core.recording_chat import PLATFORM, PUBLIC_URL, Place, pumping
from tests.bots.core.samples import told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _code(place: Place) -> dict[str, str]:
    found: dict[str, str] = (
        await place.web.post("/links/codes", json={"platform": PLATFORM})
    ).json()
    return found


async def _state(place: Place, code: dict[str, str]) -> str:
    return str((await place.web.get(f"/links/codes/{code['id']}")).json()["state"])


async def test_without_an_account_every_command_tells_how_to_link(place: Place) -> None:
    for line in ("/image a fox", "/video waves", "/ask why?", "/jobs", "/cancel", "/balance"):
        (reply,) = await place.say(line)
        assert reply.text.startswith("This chat is not linked to an account yet."), line
        assert f"{PUBLIC_URL}/profile" in reply.text


async def test_start_greets_and_says_how_to_link_only_while_it_is_needed(place: Place) -> None:
    assert "link this chat" in (await place.say("/start"))[-1].text
    await place.link()
    assert (await place.say("/start"))[-1].text == texts.welcome_back("Person 77")


@pytest.mark.parametrize("command", ["start", "link"])
async def test_a_code_links_after_both_sides_said_yes(place: Place, command: str) -> None:
    code = await _code(place)
    question = (await place.say(f"/{command} {code['code']}"))[-1]
    assert question.text.startswith("Link this chat to an***@example.org?")
    yes, no = question.buttons[0]
    assert (yes.label, no.label) == ("Yes", "No")
    assert code["code"] not in f"{yes.value}{no.value}"

    (answer,) = await place.say(f"/{yes.action} {yes.value}", pressed="m1")
    assert answer.text == texts.link_accepted()
    assert place.stage.acts[-1].edited == "m1"
    assert (await place.web.post(f"/links/codes/{code['id']}/confirm")).is_success

    async with pumping(place.stage, place.bot):
        told = await place.stage.seen("now linked to an***@example.org")
    assert told.to.chat_id == "77"


async def test_no_ends_it(place: Place) -> None:
    code = await _code(place)
    _, no = (await place.say(f"/link {code['code']}"))[-1].buttons[0]
    assert (await place.say(f"/{no.action} {no.value}", pressed="m1"))[
        -1
    ].text == texts.link_declined()
    assert not (await place.web.post(f"/links/codes/{code['id']}/confirm")).is_success


async def test_somebody_elses_yes_is_refused_and_leaves_the_question(place: Place) -> None:
    code = await _code(place)
    yes, _ = (await place.say(f"/link {code['code']}"))[-1].buttons[0]
    (reply,) = await place.say(f"/{yes.action} {yes.value}", person="88", pressed="m1")
    assert reply.text == told("not_found", "code_not_valid")
    assert reply.secret
    assert place.stage.acts[-1].edited is None
    assert not (await place.web.get(f"/links/codes/{code['id']}")).json()["chat_accepted"]


async def test_a_code_shown_in_a_group_is_burned(place: Place) -> None:
    for command in ("start", "link"):
        code = await _code(place)
        (reply,) = await place.say(
            f"/{command} {code['code']}", chat="-5", private=False, person=f"9200-{command}"
        )
        assert reply.text == texts.code_burned()
        assert await _state(place, code) == "burned"
        assert (await place.say(f"/link {code['code']}"))[-1].text == texts.code_useless()


async def test_a_wrong_code_is_useless(place: Place) -> None:
    for code in ("nonsense", "x" * 500):
        assert (await place.say(f"/link {code}"))[-1].text == texts.code_useless()


async def test_a_linked_chat_is_told_to_unlink_first(place: Place) -> None:
    await place.join()
    code = await _code(place)
    assert (await place.say(f"/link {code['code']}"))[-1].text == texts.already_linked()


async def test_unlinking_asks_first_and_only_the_one_who_asked_decides(place: Place) -> None:
    await place.join()
    (question,) = await place.say("/unlink", chat="-5", private=False)
    yes, no = question.buttons[0]
    assert question.secret
    for button in (yes, no):
        assert (await place.say(f"/{button.action} {button.value}", person="88", pressed="m1"))[
            -1
        ].text == texts.not_yours()
    assert (await place.say(f"/{no.action} {no.value}", pressed="m1"))[
        -1
    ].text == texts.still_linked()
    assert (await place.say("/balance"))[-1].text.startswith("You have")
    assert (await place.say(f"/{yes.action} {yes.value}", pressed="m1"))[
        -1
    ].text == texts.unlinked()
    assert (await place.say("/balance"))[-1].text.startswith(told("not_linked", "chat_not_linked"))
    assert (await place.say("/unlink"))[-1].text.startswith(told("not_linked", "chat_not_linked"))


async def test_unlinking_on_the_web_tells_the_chat(place: Place) -> None:
    await place.join()
    async with pumping(place.stage, place.bot):
        await place.web.delete(f"/links/{PLATFORM}/77")
        assert (
            await place.stage.seen("not linked to an***@example.org any more")
        ).to.chat_id == "77"


async def test_privacy_leads_to_ones_data_also_without_an_account(place: Place) -> None:
    (told,) = await place.say("/privacy")
    assert f"{PUBLIC_URL}/profile" in told.text
    assert told.secret


async def test_after_unlinking_the_account_is_out_of_reach_at_once(place: Place) -> None:
    await place.join()
    assert (await place.say("/balance"))[-1].text.startswith("You have $10.00 of $10.00 left")
    assert (await place.web.delete(f"/links/{PLATFORM}/77")).is_success
    assert (await place.say("/balance"))[-1].text.startswith(told("not_linked", "chat_not_linked"))
