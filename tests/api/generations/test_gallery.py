"""The gallery on both engines: contents of lists, acts on several results, and shared links."""

import io
import zipfile
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import time_machine

from api.ids import now
from tests.api.auth.account_services import one_engine
from tests.api.harness import Api


async def made(client: httpx.AsyncClient, prompt: str, **body: Any) -> dict[str, Any]:
    answer = await client.post("/generate/image", json={"prompt": prompt, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def shown(
    client: httpx.AsyncClient, query: str = "", path: str = "/generations"
) -> list[str]:
    answer = await client.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["prompt"] for each in answer.json()["items"]]


def said(moment: datetime) -> str:
    return quote(moment.isoformat())


async def test_the_gallery_filters_and_pages(api: Api, user: httpx.AsyncClient) -> None:
    models = [each["id"] for each in (await user.get("/models?kind=image")).json()["items"]]
    fox = await made(user, "A red FOX", model=models[0])
    cat = await made(user, "a cat", model=models[1])
    async with await api.acting(user) as acting:
        await made(acting, "a fox in a chat", model=models[0])
    async with await api.user("ben") as ben:
        await made(ben, "ben's fox")
        assert await shown(ben) == ["ben's fox"]
    used = (await user.get("/generations/models")).json()["items"]
    assert used == [{"kind": "image", "model": each} for each in sorted(models[:2])]
    await user.put(f"/generations/{cat['id']}/favourite", json={"favourite": True})
    everything = ["a fox in a chat", "a cat", "A red FOX"]
    assert await shown(user) == everything
    assert await shown(user, "q=fox") == ["a fox in a chat", "A red FOX"]
    assert await shown(user, f"q={fox['short_id']}") == ["A red FOX"]
    assert await shown(user, "q=%25") == []
    assert await shown(user, f"model={models[1]}") == ["a cat"]
    assert await shown(user, "source=telegram") == ["a fox in a chat"]
    assert await shown(user, "favourite=true") == ["a cat"]
    assert await shown(user, "favourite=false&q=fox&source=api") == ["A red FOX"]
    assert await shown(user, "kind=video") == []
    assert await shown(user, "status=completed&kind=image") == everything
    first = (await user.get("/generations?limit=2")).json()
    rest = (await user.get(f"/generations?limit=2&cursor={first['next_cursor']}")).json()
    assert [each["prompt"] for each in first["items"] + rest["items"]] == everything
    assert rest["next_cursor"] is None
    seen = await shown(
        user, f"since={said(now() - timedelta(hours=1))}&until={said(now() + timedelta(hours=1))}"
    )
    assert seen == everything
    assert await shown(user, f"since={said(now() + timedelta(hours=1))}") == []
    assert await shown(user, f"until={said(now() - timedelta(hours=1))}") == []


async def test_admins_find_everybodys_by_what_they_are(api: Api, user: httpx.AsyncClient) -> None:
    async with await api.admin() as admin:
        fox = await made(user, "a fox")
        await made(admin, "an admin's cat")
        me = (await user.get("/users/me")).json()["id"]
        await api.services.db.execute(
            "UPDATE generations SET status = 'processing', phase = 'needs_review' WHERE id = $1",
            fox["id"],
        )

        async def found(query: str) -> list[str]:
            return [
                each["short_id"]
                for each in (await admin.get(f"/admin/generations?{query}")).json()["items"]
            ]

        mine = [fox["short_id"]]
        assert len(await found("")) == 2
        assert await found(f"user_id={me}") == mine
        assert await found("phase=needs_review") == await found("needs_review=true") == mine
        assert mine[0] not in await found("phase=done")
        assert await found("status=processing") == mine
        assert await found(f"q={mine[0]}") == mine
        assert await found(f"model={fox['model']}&kind=image&user_id={me}&source=api") == mine
        assert await found(f"since={said(now() + timedelta(hours=1))}") == []


async def test_several_are_deleted_but_not_what_is_under_way_or_anothers(
    api: Api, user: httpx.AsyncClient
) -> None:
    async with await api.user("ben") as ben:
        bens = (await made(ben, "ben's"))["id"]
    fox, cat = (await made(user, "a fox"))["id"], (await made(user, "a cat"))["id"]
    await api.services.db.execute(
        "UPDATE generations SET phase = 'poll', status = 'processing' WHERE id = $1", cat
    )
    refused = await user.delete(f"/generations/{cat}")
    assert (refused.status_code, refused.json()["reason"]) == (409, "still_being_made")
    answer = await user.post("/generations/delete", json={"ids": [fox, cat, bens, "nothing", fox]})
    assert answer.json() == {"deleted": [fox], "kept": [cat, bens, "nothing"]}
    assert await shown(user) == ["a cat"]
    assert (await user.post("/generations/delete", json={"ids": [bens]})).status_code == 404
    left = await api.services.db.fetch("SELECT id FROM generations")
    assert {row["id"] for row in left} == {cat, bens}
    assert (await user.post("/generations/delete", json={"ids": []})).status_code == 422


@one_engine
async def test_several_come_as_one_zip(api: Api, user: httpx.AsyncClient) -> None:
    two = await made(user, "two foxes", n=2)
    one = await made(user, "a cat")
    async with await api.user("ben") as ben:
        bens = await made(ben, "ben's")
    answer = await user.post("/generations/zip", json={"ids": [one["id"], two["id"], bens["id"]]})
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    ending = two["images"][0]["content_type"].partition("/")[2]
    assert archive.namelist() == [f"{one['short_id']}.{ending}"] + [
        f"{two['short_id']}-{number}.{ending}" for number in (1, 2)
    ]
    assert archive.read(archive.namelist()[0]) == (await user.get(one["images"][0]["url"])).content
    assert (await user.post("/generations/zip", json={"ids": [bens["id"]]})).status_code == 404


async def test_a_shared_link_shows_one_result_until_it_ends_or_is_taken_back(
    api: Api, user: httpx.AsyncClient
) -> None:
    fox = await made(user, "a fox")
    path = f"/generations/{fox['id']}"
    share = (await user.post(f"{path}/share", json={"hours": 2})).json()
    opened = await api.client.get(f"/shared/{share['token']}")
    assert opened.status_code == 200
    facts = opened.json()
    seen = (facts["prompt"], facts["expires_at"], len(facts["images"]))
    assert seen == ("a fox", share["expires_at"], 1)
    assert "example.org" not in opened.text
    assert (await user.get("/users/me")).json()["id"] not in opened.text
    assert (await api.client.get(facts["images"][0]["url"])).status_code == 200
    listed = [each["token"] for each in (await user.get(f"{path}/shares")).json()["items"]]
    assert listed == [share["token"]]

    share_id, _, signature = share["token"].partition(".")
    for wrong in (f"{share_id}.{signature[:-1]}x", share_id, f"{fox['id']}.{signature}", "x.y"):
        assert (await api.client.get(f"/shared/{wrong}")).status_code == 404, wrong
    with time_machine.travel(now() + timedelta(hours=2, seconds=1)):
        assert (await api.client.get(f"/shared/{share['token']}")).status_code == 404

    async with await api.user("ben") as ben:
        assert (await ben.delete(f"{path}/shares/{share_id}")).status_code == 404
        bens = (await made(ben, "ben's"))["id"]
        assert (await ben.delete(f"/generations/{bens}/shares/{share_id}")).status_code == 404
    assert (await user.delete(f"{path}/shares/{share_id}")).status_code == 204
    assert (await api.client.get(f"/shared/{share['token']}")).status_code == 404

    again = (await user.post(f"{path}/share", json={})).json()
    await user.delete(path)
    assert (await api.client.get(f"/shared/{again['token']}")).status_code == 404
    assert await api.services.db.fetch("SELECT id FROM shares") == []


@one_engine
@pytest.mark.parametrize("hours", [0, 10_000, -1])
async def test_a_link_has_to_end(api: Api, user: httpx.AsyncClient, hours: int) -> None:
    fox = await made(user, "a fox")
    answer = await user.post(f"/generations/{fox['id']}/share", json={"hours": hours})
    assert answer.status_code == 422


async def test_admins_see_no_content_until_one_of_them_turns_it_on(
    api: Api, user: httpx.AsyncClient
) -> None:
    fox = await made(user, "a secret fox")
    options = '{"n": 1, "negative_prompt": "no secret cat"}'  # few models take this option
    await api.services.db.execute(
        "UPDATE generations SET options_json = $2 WHERE id = $1", fox["id"], options
    )
    async with await api.admin() as admin:

        async def texts() -> str:
            return (await admin.get("/admin/generations")).text + (
                await admin.get(f"/admin/generations/{fox['id']}")
            ).text

        assert (await admin.get("/admin/settings")).json() == {"show_content": False}
        hidden = await texts()
        assert "secret" not in hidden
        assert "/media/" not in hidden
        (item,) = (await admin.get("/admin/generations")).json()["items"]
        seen = (item["hidden"], item["cost_usd"] is not None, item["status"], item["images"])
        assert seen == (True, True, "completed", [])
        assert await shown(admin, "q=secret", "/admin/generations") == []  # no guessing either
        answer = len((await admin.get(f"/admin/generations?q={fox['short_id']}")).json()["items"])
        assert answer == 1

        told = (await admin.put("/admin/settings", json={"show_content": True})).json()
        assert told == {"show_content": True}
        assert "/media/" in await texts()
        assert await shown(admin, "q=secret", "/admin/generations") == ["a secret fox"]
        assert "no secret cat" in await texts()
        (entry,) = (await admin.get("/admin/audit?action=studio_settings")).json()["items"]
        assert (entry["before"], entry["after"]) == (
            {"show_content": False},
            {"show_content": True},
        )
        await admin.put("/admin/settings", json={"show_content": False})
        assert "secret" not in await texts()
