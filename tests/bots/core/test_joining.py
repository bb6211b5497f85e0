"""Somebody without an account asks to be let in, and an admin answers in a chat."""

from typing import Any

import pytest

from bots.core import texts
from bots.core.types import Reply
from tests.bots.core.recording_chat import Place, pumping

pytestmark = pytest.mark.asyncio(loop_scope="module")
ZOE: dict[str, Any] = {"person": "9201", "chat": "9201", "language": "de"}


def value(reply: Reply, label: str) -> str:
    button = next(one for row in reply.buttons for one in row if one.label == label)
    return f"/{button.action} {button.value}".strip()


async def test_ask_to_join_then_approve_then_use(joined: Place) -> None:
    await joined.api.services.db.execute("DELETE FROM joins")
    me = (await joined.web.get("/users/me")).json()["id"]
    await joined.api.services.db.execute("UPDATE users SET role = 'admin' WHERE id = $1", me)
    (refused,) = await joined.say("/ask why?", **ZOE)
    press = value(refused, "Um Zutritt bitten")
    async with pumping(joined.stage, joined.bot):
        said = [await joined.say(press, pressed="m1", **ZOE) for _ in range(2)]
        assert ["Admins gefragt" in str(one[-1].text) for one in said] == [True, False]
        act = await joined.stage.seen("asks to join (Telegram)")
        assert act.to.chat_id == "77"
        approve, decline = value(act.reply, "Approve"), value(act.reply, "Decline")
        (nobody,) = await joined.say(approve, pressed="m1", **ZOE)
        assert "asked" not in nobody.text
        (group,) = await joined.say(approve, pressed="m1", chat="-5", private=False)
        assert "Only admins" in group.text
        (done,) = await joined.say(approve, pressed="m1")
        assert done.text == texts.join_approved()
        (over,) = await joined.say(decline, pressed="m1")
        assert over.text == texts.join_over()
        told = await joined.stage.seen("hat dich eingelassen")
        assert told.to.chat_id == "9201"
    *_, answered = await joined.say("/ask why?", **ZOE)
    assert "why?" in answered.text
    (again,) = await joined.say("/join", **ZOE)
    assert again.text == "Du kannst mich schon benutzen."
