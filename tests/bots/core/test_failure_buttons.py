"""Under a failure stands the one button that helps; it works for who asked, and for nobody else."""

from typing import get_args

import httpx
import pytest
import pytest_asyncio

from api.schemas import Reason
from bots.core import texts
from bots.core.failure_buttons import BY_REASON, of_error, of_failed
from bots.core.types import Address, Inbound, Reply, Sender
from client.errors import refused
from client.schemas.generations import ErrorOut
from sandbox.faults import Fault
from tests.bots.core.recording_chat import Place, pumping
from tests.bots.core.samples import generation
from tests.bots.core.test_results import press
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def failure(place: Place, line: str, **more: object) -> Reply:
    await place.say(line, **more)
    async with pumping(place.stage, place.bot):
        return (await place.stage.seen("could not be made")).reply


def labels(reply: Reply) -> list[str]:
    return [one.action for row in reply.buttons for one in row]


async def test_each_reason_has_its_remedy() -> None:
    assert set(BY_REASON) <= set(get_args(Reason))


@pytest.mark.parametrize(
    ("code", "reason", "buttons"),
    [
        ("outcome_unknown", "charged_and_lost", ["again"]),
        ("outcome_unknown", "outcome_lost", ["again"]),
        ("provider_unavailable", "lists_empty", ["again"]),
        ("storage_unavailable", "storage_silent", ["tell"]),
        ("content_refused", "earlier", ["other"]),
        ("model_unavailable", "model_off", ["other"]),
        ("conflict", "earlier", []),
    ],
)
async def test_a_newer_reason_has_the_remedy_of_its_situation(
    code: str, reason: Reason, buttons: list[str]
) -> None:
    made = generation(status="failed", error=ErrorOut(code=code, message="", reason=reason))
    assert [one.action for row in of_failed(made) for one in row] == buttons


async def test_an_admin_is_told_the_code_where_no_reason_is_known() -> None:
    old = {"code": "storage_full", "detail": "Full."}
    asked = Inbound(Address("terminal", "c"), Sender("u", "Al"), "1", "image")
    ((button,),) = of_error(refused(httpx.Response(507, json=old)), asked)
    assert (button.action, button.value) == ("tell", "storage_full")


@pytest.mark.parametrize(
    ("fault", "action"),
    [
        (Fault(call="*", kind="lost"), "again"),
        (Fault(call="*", kind="status", status=403), "other"),
        (Fault(call="*", kind="status", status=401), "tell"),
    ],
    ids=["the connection broke", "refused for safety", "the key is refused"],
)
async def test_a_failed_job_comes_with_what_helps(
    place: Place, sandbox: Sandbox, fault: Fault, action: str
) -> None:
    sandbox.break_with(fault)
    told = await failure(place, "/image a fox")
    assert labels(told) == [action], told.text


async def test_what_has_failed_is_made_with_another_model(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="*", kind="status", status=403))
    told = await failure(place, "/image a fox")
    sandbox.reset()
    (which,) = await press(place, told, "other")
    assert which.text == "With which model shall I try “a fox”?"
    picked = which.buttons[0][0]
    (card, *_) = await place.say(f"/{picked.action} {picked.value}", pressed="m9")
    assert card.card is not None
    newest, failed = (await place.web.get("/generations")).json()["items"][:2]
    assert (newest["parent_id"], newest["model_name"]) == (failed["id"], picked.label)
    assert newest["model"] != failed["model"]


async def test_a_question_that_failed_is_asked_again_by_a_button(
    place: Place, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="chat", kind="status", status=503))
    *_, failed = await place.say("/ask why is the sky blue?")
    assert labels(failed) == ["repeat"]
    sandbox.reset()
    assert (await press(place, failed, "repeat", person="88"))[-1].text == texts.not_yours()
    answered = (await press(place, failed, "repeat", message="m2"))[-1]
    assert "why is the sky blue?" in answered.text
    assert (await place.say("/repeat 0123456789ab", pressed="m3"))[-1].text == texts.say_it_again()


async def test_the_admin_is_told_once_an_hour(place: Place, sandbox: Sandbox) -> None:
    sandbox.break_with(Fault(call="*", kind="status", status=401))
    told = await failure(place, "/image a fox")
    (reply,) = await press(place, told, "tell")
    assert (reply.text, reply.secret) == (texts.admin_told(0), True)
    async with await place.api.user("ada") as ada:
        admin = (await ada.get("/users/me")).json()
    await place.api.services.db.execute(
        "UPDATE users SET role = 'admin' WHERE id = $1", admin["id"]
    )
    query = (
        "INSERT INTO links (platform, platform_user_id, user_id, display_name, chat_id, "
        "created_at) VALUES ($1, $2, $3, '', $2, now())"
    )
    await place.api.services.db.execute(query, "telegram", "500", admin["id"])
    await place.api.services.db.execute("DELETE FROM throttles")
    for _ in range(2):
        assert (await press(place, told, "tell"))[-1].text == texts.admin_told(1)
    async with pumping(place.stage, place.bot):
        notice = await place.stage.seen("asks you to look at this: The AI provider does not accept")
    assert notice.to.chat_id == "500"
    rows = await place.api.services.db.fetch("SELECT id FROM audit WHERE action = 'report'")
    assert len(rows) == 2
    assert (
        await place.api.services.db.fetch("SELECT id FROM deliveries WHERE state = 'pending'") == []
    )


async def test_one_picture_of_several_is_chosen(place: Place) -> None:
    await place.say("/image a fox in snow --n 3")
    async with pumping(place.stage, place.bot):
        shown = (await place.stage.seen("a fox in snow\n")).reply
    made = (await place.web.get("/generations")).json()["items"][0]
    for action, asked in (("edit", "What should be different?"), ("animate", texts.animate_what())):
        (which,) = await press(place, shown, action)
        assert [one.label for row in which.buttons for one in row] == ["1", "2", "3"]
        second = which.buttons[0][1]
        (asking,) = await place.say(f"/{second.action} {second.value}", pressed="m5")
        assert asking.text == asked
        assert asking.ask is not None
        (card, *_) = await place.say(f"/{asking.ask.action} {asking.ask.value} at night")
        assert card.card is not None, card.text
        newest = (await place.web.get("/generations")).json()["items"][0]
        inputs = (await place.web.get(f"/generations/{newest['id']}")).json()["inputs"]
        assert [one["image"]["id"] for one in inputs] == [made["images"][1]["id"]]
    (which,) = await place.say(f"/vary {made['id']}", pressed="m5")
    assert [one.label for row in which.buttons for one in row] == ["1", "2", "3", texts.all_again()]
    (card, *_) = await place.say(f"/vary {which.buttons[0][2].value}", pressed="m6")
    assert card.card is not None, card.text
    newest = (await place.web.get("/generations")).json()["items"][0]
    assert (newest["mode"], newest["prompt"]) == ("image_to_image", "a fox in snow")
    (card, *_) = await place.say(f"/vary {which.buttons[-1][0].value}", pressed="m6")
    assert card.card is not None
    assert (await place.web.get("/generations")).json()["items"][0]["mode"] == "text_to_image"
    assert (await place.say(f"/edit #{made['short_id']}/4 red"))[
        -1
    ].text == f"#{made['short_id']} has only 3 pictures."
