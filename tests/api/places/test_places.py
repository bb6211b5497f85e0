"""Places over HTTP: who changes them, what they allow, and whose budget it is."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.places import rules
from api.places.schemas import PlaceSettings, QuietHours
from tests.api.harness import Api, running_api
from tests.sandbox_server import Sandbox

PLACE, CHAT = "-100500", "-100500"
SEEN = {"platform_place_id": PLACE, "name": "Foxes", "chat_id": CHAT, "chat_name": "art"}
BY = {"platform_user_id": "5", "name": "Eve"}
IMAGE = {"prompt": "a fox", "model": "sandbox/picture"}


@pytest_asyncio.fixture
async def api(tmp_path: Any, sandbox: Sandbox) -> Any:
    async with running_api(tmp_path, sandbox) as running:
        yield running


async def seen(api: Api) -> Any:
    answer = await api.bot().post("/bot/places", json=SEEN)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def change(api: Api, **settings: Any) -> httpx.Response:
    body = {"platform_place_id": PLACE, "by": BY, "change": settings}
    return await api.bot().put("/bot/places", json=body)


async def acting(api: Api, person: str = "77", place: str | None = PLACE) -> httpx.AsyncClient:
    body = {"platform_user_id": person, "chat_id": CHAT, "display_name": "Ann", "place": place}
    answer = await api.bot().post("/bot/act", json=body)
    assert answer.status_code == 200, answer.text
    return api.signed(answer.json()["access_token"])


async def linked(api: Api) -> httpx.AsyncClient:
    """A person with an account, who speaks in the place."""
    await api.acting(await api.user())
    return await acting(api)


async def ask(person: httpx.AsyncClient, kind: str, **more: Any) -> httpx.Response:
    return await person.post(f"/generate/{kind}", json={"prompt": "a fox", **more})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


async def test_a_place_is_known_once_and_only_for_its_platform(api: Api) -> None:
    place, again = await seen(api), await seen(api)
    assert (place["id"], place["name"]) == (again["id"], "Foxes")
    other = await api.bot("discord").put(
        "/bot/places", json={"platform_place_id": PLACE, "by": BY, "change": {"spoiler": True}}
    )
    assert refusal(other) == (404, "place_unknown")
    admin = await api.admin()
    listed = (await admin.get("/admin/places")).json()["items"]
    assert [one["id"] for one in listed] == [place["id"]]
    assert (await admin.get(f"/admin/places/{place['id']}")).json()["chats"] == [
        {"id": CHAT, "name": "art"}
    ]


async def test_what_is_made_counts_for_the_place_and_stops_at_its_budget(api: Api) -> None:
    place, admin = await seen(api), await api.admin()
    person = await linked(api)
    assert (await ask(person, "image")).status_code == 200
    shown = (await admin.get(f"/admin/places/{place['id']}")).json()
    spent = shown["spent_usd"]
    assert float(spent) > 0
    assert [one["status"] for one in shown["results"]] == ["completed"]
    assert [(one["user"], one["spent_usd"]) for one in shown["spenders"]] == [
        ("ana@example.org", spent)
    ]
    assert "fox" not in str(shown)

    assert (await change(api, monthly_usd=spent)).status_code == 200
    refused = await ask(person, "image")
    assert refusal(refused) == (402, "budget_of_place")
    assert "the budget of this chat for this month has $0.00 left" in refused.json()["detail"]
    assert refusal(await ask(person, "text")) == (402, "budget_of_place")
    # elsewhere the person has a budget
    assert (await ask(await acting(api, place=None), "text")).status_code == 200

    assert (await change(api, monthly_usd=None, daily_usd=spent)).status_code == 200
    assert refusal(await ask(person, "image")) == (402, "budget_in_place_today")
    report = await api.services.invariants.of_rows()
    assert [one.name for one in report if one.state == "broken"] == []


async def test_kinds_models_and_words_that_a_place_does_not_allow(api: Api) -> None:
    await seen(api)
    person = await linked(api)
    models = (await person.get("/models", params={"kind": "image"})).json()["items"]
    default, other = models[0], models[1]
    assert (await change(api, kinds_off=["video"])).status_code == 200
    assert refusal(await ask(person, "video")) == (403, "kind_off_here")

    assert (await change(api, models=[other["name"]])).status_code == 200
    assert (await ask(person, "image")).json()["model"] == other["id"]
    refused = await ask(person, "image", model=default["id"])
    assert refusal(refused) == (422, "model_not_here")
    assert refused.json()["allowed"] == [other["id"]]
    assert (await ask(person, "text")).status_code == 200  # no model of this kind is named
    assert refusal(await change(api, models=["no such model"])) == (422, "model_unknown_here")

    assert (await change(api, safe=True, blocked_words=["Fox", "c++"])).status_code == 200
    refused = await ask(person, "text")
    assert refusal(refused) == (403, "words_not_here")
    assert "fox" not in refused.text.lower()
    assert (await ask(person, "text", prompt="a firefox")).status_code == 200
    assert (await change(api, safe=False)).status_code == 200
    assert (await ask(person, "text")).status_code == 200
    # the log of acts says how many words, and none of them
    log = (await (await api.admin()).get("/admin/audit?action=place_set")).json()["items"]
    assert [one["after"]["chat_admin"] for one in log] == ["5"] * len(log)
    assert "Fox" not in str(log)
    assert {"safe": True, "blocked_words": "2"}.items() <= log[1]["after"].items()


async def test_guests_come_in_only_where_an_admin_of_the_server_allows_them(api: Api) -> None:
    place, admin = await seen(api), await api.admin()
    stranger = {"platform_user_id": "900", "chat_id": CHAT, "place": PLACE}
    assert (await api.bot().post("/bot/act", json=stranger)).status_code == 404
    for settings in ({"audience": "everybody"}, {"guests_allowed": True}):
        assert refusal(await change(api, **settings)) == (403, "guests_by_server")
    path = f"/admin/places/{place['id']}"
    assert (await admin.put(path, json={"guests_allowed": True})).status_code == 200
    assert (await api.bot().post("/bot/act", json=stranger)).status_code == 404
    assert (await change(api, audience="everybody")).status_code == 200
    guest = await acting(api, "900")
    assert (await ask(guest, "text")).status_code == 200
    # a guest of this place alone
    for elsewhere in (None, "-9"):
        answer = await api.bot().post("/bot/act", json={**stranger, "place": elsewhere})
        assert answer.status_code == 404, answer.text
    assert (await change(api, audience="linked")).status_code == 200
    assert refusal(await ask(guest, "text")) == (403, "linked_only_here")
    assert (await api.bot().post("/bot/act", json=stranger)).status_code == 404


async def test_a_group_that_becomes_a_supergroup_keeps_its_place(api: Api) -> None:
    place = await seen(api)
    await change(api, spoiler=True)
    await api.bot().post("/bot/places", json={**SEEN, "platform_place_id": "-7", "chat_id": "-7"})
    for _ in range(2):
        moved = await api.bot().post("/bot/places/moved", json={"before": PLACE, "after": "-7"})
        assert moved.status_code == 204
    now = await api.bot().post(
        "/bot/places", json={**SEEN, "platform_place_id": "-7", "chat_id": "-7"}
    )
    assert (now.json()["id"], now.json()["settings"]["spoiler"]) == (place["id"], True)
    admin = await api.admin()
    assert len((await admin.get("/admin/places")).json()["items"]) == 1
    assert (await admin.delete(f"/admin/places/{place['id']}")).status_code == 204
    assert (await admin.get(f"/admin/places/{place['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("hour", "quiet"), [(20, False), (21, True), (23, True), (3, True), (5, False), (12, False)]
)
def test_quiet_hours_are_those_of_the_place(hour: int, quiet: bool) -> None:
    hours = QuietHours(since="22:00", until="06:00", time_zone="Europe/Berlin")
    now = datetime(2028, 1, 10, hour, 30, tzinfo=UTC)
    assert rules.is_quiet(hours, now) is quiet
    day = QuietHours(since="06:00", until="22:00", time_zone="Europe/Berlin")
    assert rules.is_quiet(day, now) is not quiet
    assert not rules.is_quiet(None, now)


@pytest.mark.parametrize(
    ("said", "blocked"),
    [("a FOX.", True), ("firefox", False), ("learn c++ now", True), ("", False), ("straße", True)],
)
def test_a_blocked_word_is_a_whole_word(said: str, blocked: bool) -> None:
    settings = PlaceSettings(safe=True, blocked_words=["fox", "C++", "STRASSE"])
    assert rules.is_blocked(settings, [said]) is blocked
