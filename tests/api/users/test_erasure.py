"""All data of an account is exported, and all of it is erased, on the real app with files."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db import Db
from api.users.export import BUDGETS, LONG, SHORT
from tests.api.generations.conftest import settings_of
from tests.api.harness import Api, running_api
from tests.api.media.samples import picture
from tests.api.media.test_storage import kept_in
from tests.sandbox_server import Sandbox

NOT_EXPORTED = {
    "refresh_tokens": "hashes",
    "link_codes": "hashes, five minutes long",
    "one_time_tokens": "hashes",
    "devices": "hashes",
    "spend_days": "sums of the ledger",
    "holds": "what the ledger and the budgets say, while it is being spent",
    "text_lookups": "what the ledger will say once the provider has said it",
    "guest_moves": "says which account a guest's things are in: here",
}
KEPT_AFTER = {
    "audit": "who deleted whom has to stay known; an id that leads nowhere is all that is left"
}


@pytest.fixture
async def api(sandbox: Sandbox, database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(
        tmp_path, sandbox, chat_signup="open", **settings_of(database)
    ) as running:
        yield running


async def columns(db: Db) -> dict[str, list[str]]:
    rows = await db.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema IN ('public', 'main')"
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], []).append(row["column_name"])
    return found


async def tables_with(db: Db, needle: str) -> set[str]:
    """Return every table in which a value of any column contains the text."""
    found = set()
    for table, names in (await columns(db)).items():
        holds = " OR ".join(f"strpos(CAST({name} AS TEXT), $1) > 0" for name in names)
        if await db.fetch(f"SELECT 1 AS one FROM {table} WHERE {holds} LIMIT 1", needle):
            found.add(table)
    return found


def files(api: Api) -> set[str]:
    return set(kept_in(api.data_dir / "media"))


async def live(api: Api, user: httpx.AsyncClient, identity: str) -> str:
    """Leave something of the user in every table and folder, and return the user's id."""
    guest = api.bot()
    who = {"platform_user_id": identity, "display_name": "Ana", "chat_id": identity}
    act = (await guest.post("/bot/act", json=who)).json()
    made = await api.signed(act["access_token"]).post(
        "/generate/image", json={"prompt": "a guest's fox"}
    )
    assert made.status_code == 200, made.text
    acting = await api.acting(user, identity, identity)
    address = {"platform": "telegram", "chat_id": identity}
    made = await acting.post(
        "/generate/image",
        json={"prompt": "a fox", "address": address},
        headers={"Idempotency-Key": f"key-{identity}"},
    )
    assert made.status_code == 200, made.text
    await user.put("/users/me", json={"confirm_above_usd": "0"})
    assert (
        await acting.post("/generate/image", json={"prompt": "a costly fox", "address": address})
    ).status_code == 409
    shown = await user.post("/uploads", files={"file": ("cat.png", picture(), "image/png")})
    assert (
        await user.post("/generate/text", json={"prompt": "why?", "images": [shown.json()["id"]]})
    ).status_code == 200
    assert (await acting.post("/conversations/new", json={})).status_code == 204
    await user.post(
        "/auth/login", json={"email": "ana@example.org", "password": "a wrong password"}
    )
    await user.post("/auth/reauth", json={"current_password": "a wrong password"})
    return str((await user.get("/users/me")).json()["id"])


async def test_all_that_is_kept_of_an_account_goes_with_it(api: Api) -> None:
    admin, ana, ben = await api.admin(), await api.user("ana"), await api.user("ben")
    await live(api, ben, "88")
    bens = files(api)
    ana_id = await live(api, ana, "77")
    await admin.post(f"/users/{ana_id}/password-reset")
    guest = await api.services.db.fetch_one(
        "SELECT guest_id FROM guest_moves WHERE user_id = $1", ana_id
    )
    assert guest is not None
    db = api.services.db
    lived_in = await tables_with(db, ana_id)
    assert lived_in >= {
        "users",
        "sessions",
        "links",
        "generations",
        "media",
        "conversations",
        "messages",
        "ledger",
        "throttles",
        "audit",
    }
    assert files(api) > bens
    spent = await db.fetch("SELECT scope, month, spent_micro FROM budgets WHERE scope = 'global'")

    assert (await ana.delete("/users/me")).status_code == 204
    for gone in (ana_id, guest["guest_id"]):
        assert await tables_with(db, gone) <= set(KEPT_AFTER)
    assert await tables_with(db, "ana@example.org") == set()
    assert files(api) == bens
    found = await db.fetch("SELECT scope, month, spent_micro FROM budgets WHERE scope = 'global'")
    assert found == spent
    assert await api.services.budget.audit() == []  # the books still add up
    assert (await ben.get("/generations")).json()["items"]


async def test_a_job_in_flight_ends_with_its_account(api: Api, sandbox: Sandbox) -> None:
    ana = await api.user("ana")
    db = api.services.db
    made = await ana.post("/generate/video", json={"prompt": "waves"})
    assert made.status_code == 202, made.text
    assert (await ana.delete("/users/me")).status_code == 204
    held = await db.fetch("SELECT held_micro FROM budgets WHERE held_micro <> 0")
    assert held == []  # a hold that nobody would ever release
    assert await api.services.budget.audit() == []
    assert files(api) == set()


async def test_the_export_holds_everything_and_no_secret(api: Api) -> None:
    ana, ben = await api.user("ana"), await api.user("ben")
    await live(api, ben, "88")
    ana_id = await live(api, ana, "77")
    await api.services.db.execute(
        "INSERT INTO joins (platform, platform_user_id, id, name, chat_id, place, state, "
        "created_at) VALUES ('telegram', '77', 'j1', 'Ana', '77', '', 'approved', now())"
    )
    answer = await ana.get("/users/me/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        held: dict[str, Any] = {
            name.removesuffix(".json"): json.loads(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".json")
        }
        media = {
            name: archive.read(name) for name in archive.namelist() if name.startswith("media/")
        }
    assert set(held) == {*SHORT, BUDGETS, *LONG}
    assert all(held[name] for name in held), [name for name in held if not held[name]]
    assert held["profile"][0]["id"] == ana_id
    assert {one["prompt"] for one in held["generations"]} == {"a fox", "a guest's fox"}
    assert [len(message["images"] or []) for message in held["messages"]] == [1, 0]
    rows = await api.services.db.fetch("SELECT id, size FROM media WHERE user_id = $1", ana_id)
    found = {name.split("/")[1].split(".")[0]: len(data) for name, data in media.items()}
    assert found == {row["id"]: row["size"] for row in rows}
    text = json.dumps(held)
    assert "argon2" not in text
    assert "hash" not in text
    assert "ben@example.org" not in text


async def test_tables_that_an_export_leaves_out_are_known(api: Api) -> None:
    """A new table with data of users has to be exported, or named here with a reason."""
    owned = {
        table for table, names in (await columns(api.services.db)).items() if "user_id" in names
    }
    exported = {query.split(" FROM ")[1].split()[0] for query in (*SHORT.values(), *LONG.values())}
    assert owned - exported == set(NOT_EXPORTED)


async def test_a_missing_file_does_not_stop_the_export(api: Api) -> None:
    ana = await api.user("ana")
    answer = await ana.post("/uploads", files={"file": ("cat.png", picture(), "image/png")})
    assert answer.status_code == 201
    for name in files(api):
        (api.data_dir / "media" / name).unlink()
    with zipfile.ZipFile(io.BytesIO((await ana.get("/users/me/export")).content)) as archive:
        assert len(archive.namelist()) == len({*SHORT, BUDGETS, *LONG})
        assert len(json.loads(archive.read("media.json"))) == 2


async def drawing(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    who: httpx.AsyncClient,
    meanwhile: Callable[[], Awaitable[object]],
) -> None:
    """Make an image; `meanwhile` is called after the provider has sent it and before it is
    recorded."""
    media = api.services.media
    keep, discard, ended = media.keep_image, media.discard, asyncio.Event()

    async def slow_keep(*given: Any, **named: Any) -> Any:
        kept = await keep(*given, **named)
        await meanwhile()
        return kept

    async def watched_discard(*given: Any) -> None:
        await discard(*given)
        ended.set()

    monkeypatch.setattr(media, "keep_image", slow_keep)
    monkeypatch.setattr(media, "discard", watched_discard)
    made = await who.post(
        "/generate/image", json={"prompt": "a fox"}, headers={"Prefer": "respond-async"}
    )
    assert made.status_code == 202, made.text
    with api.services.wake.listen(f"generation:{made.json()['id']}") as listener:
        async with asyncio.timeout(20):
            while not ended.is_set():
                row = await api.services.db.fetch_one(
                    "SELECT status FROM generations WHERE id = $1", made.json()["id"]
                )
                if row is not None and row["status"] == "completed":
                    return
                await listener.wait(0.1)


async def test_an_image_that_is_done_while_its_guest_is_linked_is_the_accounts(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await api.user("ana")
    act = (
        await api.bot().post(
            "/bot/act", json={"platform_user_id": "77", "display_name": "Ana", "chat_id": "77"}
        )
    ).json()
    await drawing(api, monkeypatch, api.signed(act["access_token"]), lambda: api.acting(ana))
    rows = await api.services.db.fetch("SELECT DISTINCT user_id FROM media")
    assert [row["user_id"] for row in rows] == [(await ana.get("/users/me")).json()["id"]]


async def test_an_image_that_is_done_while_its_account_is_deleted_leaves_no_file(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await api.user("ana")
    await drawing(api, monkeypatch, ana, lambda: ana.delete("/users/me"))
    assert files(api) == set()
    assert await api.services.db.fetch("SELECT id FROM media") == []
    assert await api.services.budget.audit() == []
