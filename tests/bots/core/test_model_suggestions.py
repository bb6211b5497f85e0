import pytest

from bots.core.model_suggestions import Suggestions
from client.bot import BotApi, Who
from tests.bots.core.recording_chat import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHO = Who("77", "Person 77", "77", "telegram:1")


async def test_models_are_suggested_by_what_is_typed(
    place: Place, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggestions = Suggestions(place.bot)
    assert await suggestions.models(WHO, ("image",), "", 25) == [], (
        "nothing for a person who is not linked"
    )
    await place.join()
    every = await suggestions.models(WHO, ("image", "video"), "", 25)
    assert {one.kind for one in every} == {"image", "video"}
    assert len(await suggestions.models(WHO, ("image", "video"), "", 2)) == 2
    wanted = every[-1]
    found = await suggestions.models(WHO, ("image", "video"), f" {wanted.name[:6].upper()} ", 25)
    assert wanted in found
    assert all(wanted.name[:6].lower() in f"{one.name} {one.id}".lower() for one in found)
    assert await suggestions.models(WHO, ("image",), "no such model", 25) == []

    async with BotApi(f"http://127.0.0.1:{unused_tcp_port}", "key") as away:
        suggestions._api = away
        assert await suggestions.models(WHO, ("image", "video"), "", 25) == every, (
            "remembered for a while"
        )
        monkeypatch.setattr("bots.core.model_suggestions.KEPT_SECONDS", 0.0)
        suggestions._api, suggestions._known = place.bot, {}
        assert await suggestions.models(WHO, ("image",), "", 25)
        suggestions._api = away
        assert await suggestions.models(WHO, ("image",), "", 25) == []
