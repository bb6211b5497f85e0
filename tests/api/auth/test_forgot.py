"""A forgotten password: one answer for every address, a mail for those who have an account, and
links that work once."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.auth import recovery
from api.background import Background
from api.db import Db
from api.settings import MailServer
from tests.api.auth.account_services import World, build, one_engine
from tests.fakes.smtp import Mailbox, smtp_server

SENDER = "studio@example.org"
NEW = "a brand new secret"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with smtp_server() as opened:
        yield opened


@pytest.fixture
def mailing(db: Db, box: Mailbox) -> World:
    return build(db, mail_server=MailServer("127.0.0.1", box.port, SENDER, "off"))


async def forgot(world: World, email: str, **body: Any) -> Any:
    return await world.ask("POST", "/auth/forgot", json={"email": email, **body})


async def mailed(world: World) -> None:
    """Wait for the work after the answers."""
    await asyncio.gather(*world.recovery._mailing)


def link_in(text: str) -> str:
    found = re.search(r"https://studio\.example\.org/reset\?token=(\S+)", text)
    assert found
    return found[1]


async def reset(world: World, token: str, password: str = NEW) -> int:
    body = {"token": token, "password": password}
    return int((await world.ask("POST", "/auth/reset", json=body)).status_code)


async def test_a_link_arrives_and_gives_a_new_password_once(mailing: World, box: Mailbox) -> None:
    before = await mailing.person()
    assert (await forgot(mailing, " Alice@Example.org ")).status_code == 204
    await mailed(mailing)
    assert box.receivers == ["alice@example.org"]
    token = link_in(box.text())
    assert await reset(mailing, token) == 204
    assert await reset(mailing, token, "yet another secret") == 404
    await mailing.login("alice", NEW)
    answer = await mailing.ask("GET", "/users/me", as_=before.access_token)
    assert answer.status_code == 401
    rows = await mailing.db.fetch("SELECT action, subject, after_json FROM audit ORDER BY id")
    assert [row["action"] for row in rows] == ["password_forgot", "password_reset"]
    assert rows[0]["subject"] == before.user.id
    assert token not in str(await mailing.db.fetch("SELECT * FROM one_time_tokens"))


@one_engine
@pytest.mark.parametrize(
    "who",
    ["has an account", "has none", "is disabled", "is invited", "is no address", "is a guest"],
)
async def test_the_answer_does_not_tell_who_has_an_account(
    mailing: World, box: Mailbox, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the same, and it has been given before anything that depends on the address."""
    person = await mailing.person()
    changes = {
        "is disabled": "status = 'disabled'",
        "is invited": "password_hash = NULL",
        "is a guest": "password_hash = NULL, guest = TRUE",
    }
    if who in changes:
        await mailing.db.execute(f"UPDATE users SET {changes[who]}")
    email = {"has none": "nobody@example.org", "is no address": "no address"}
    counted = Counted(mailing.db)
    monkeypatch.setattr(mailing.recovery, "_db", counted)
    monkeypatch.setattr(mailing.recovery, "_users", NotBefore(mailing.recovery._users, counted))
    answer = await forgot(mailing, email.get(who, "alice@example.org"))
    assert (answer.status_code, answer.content, counted.used) == (204, b"", 0)
    await mailed(mailing)
    has_account = who == "has an account"
    assert counted.used >= 1
    assert len(box.mails) == has_account
    rows = await mailing.db.fetch("SELECT subject FROM audit")
    assert [row["subject"] for row in rows] == ([person.user.id] if has_account else [])
    assert ended(mailing) == {"sent" if has_account else "no_account": 1}


def ended(world: World) -> dict[str, float]:
    """Return the number of mails by their end."""
    metrics: Any = world.recovery._count
    samples = [sample for family in metrics._password_mails.collect() for sample in family.samples]
    return {s.labels["end"]: s.value for s in samples if s.name.endswith("_total")}


class Counted:
    """Passes everything on to the database, and counts."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self.used = 0

    def transaction(self) -> Any:
        self.used += 1
        return self._db.transaction()

    async def fetch_one(self, *given: Any) -> Any:
        self.used += 1
        return await self._db.fetch_one(*given)


class NotBefore:
    """The users, whose look-ups count, too."""

    def __init__(self, users: Any, counted: Counted) -> None:
        self._users = users
        self._counted = counted

    async def find_by_email(self, email: str) -> Any:
        self._counted.used += 1
        return await self._users.find_by_email(email)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._users, name)


@pytest.mark.parametrize(
    ("chosen", "asked", "says"),
    [
        ("de", "en", "Ein neues Passwort"),
        ("en", "de", "A new password"),
        ("auto", "de", "Ein neues Passwort"),
        ("auto", "en", "A new password"),
    ],
)
@one_engine
async def test_the_mail_is_in_the_persons_language(
    mailing: World, box: Mailbox, chosen: str, asked: str, says: str
) -> None:
    await mailing.person()
    await mailing.db.execute("UPDATE users SET language = $1", chosen)
    await forgot(mailing, "alice@example.org", language=asked)
    await mailed(mailing)
    assert str(box.mails[0]["Subject"]).startswith(says)


@one_engine
async def test_a_stranger_takes_no_link_away(mailing: World, box: Mailbox) -> None:
    """The links of an admin and of earlier mails stay good. The first one used ends the others."""
    admin, person = await mailing.admin(), await mailing.person()
    path = f"/users/{person.user.id}/password-reset"
    made = (await mailing.ask("POST", path, as_=admin.access_token)).json()
    box.mails.clear()
    for _ in range(2):
        await forgot(mailing, "alice@example.org")
        await mailed(mailing)
    links = [link_in(str(mail.get_body(("plain",)).get_content())) for mail in box.mails]  # type: ignore[union-attr]
    assert len({*links, made["token"]}) == 3
    assert await reset(mailing, links[0]) == 204
    for token in (links[1], made["token"]):
        assert await reset(mailing, token) == 404


@one_engine
async def test_a_link_ends_after_an_hour(mailing: World, box: Mailbox) -> None:
    await mailing.person()
    await forgot(mailing, "alice@example.org")
    await mailed(mailing)
    await mailing.db.execute("UPDATE one_time_tokens SET expires_at = created_at")
    assert await reset(mailing, link_in(box.text())) == 404
    await mailing.login("alice", "a good password")


@one_engine
@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_each_address_is_asked_for_three_times_an_hour(mailing: World, name: str) -> None:
    await mailing.person()
    answers = [await forgot(mailing, f"{name}@example.org") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [204, 204, 204, 429, 429]
    assert answers[-1].json()["reason"] == "tries_too_many"
    await mailed(mailing)


@one_engine
async def test_each_network_asks_ten_times_an_hour(mailing: World) -> None:
    found = [(await forgot(mailing, f"n{number}@example.org")).status_code for number in range(12)]
    assert found == [204] * 10 + [429] * 2
    await mailed(mailing)


@one_engine
@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_each_address_is_asked_for_five_times_a_day(mailing: World, name: str) -> None:
    await mailing.person()
    found = []
    for _ in range(7):
        await mailing.db.execute("DELETE FROM throttles WHERE key NOT LIKE 'forgot-day:%'")
        found.append((await forgot(mailing, f"{name}@example.org")).status_code)
        await mailed(mailing)
    assert found == [204] * 5 + [429] * 2


@one_engine
async def test_a_mail_server_that_is_away_is_no_sign_of_an_account(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers read what is failing in `/readyz`: a mail is only counted and logged."""
    monkeypatch.setattr(recovery, "AGAIN_AFTER", (0.0,))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = MailServer("127.0.0.1", nobody.getsockname()[1], SENDER, "off")
        world = build(db, mail_server=server)
        await world.person()
        for name in ("nobody", "alice"):
            assert (await forgot(world, f"{name}@example.org")).status_code == 204
            with capture_logs() as logs:
                await mailed(world)
            told = [log for log in logs if log["event"] == "background_failed"]
            assert len(told) == (name == "alice")
            background: Background = world.recovery._background
            assert background.failing == {}
    assert ended(world) == {"no_account": 1, "failed": 1}
    assert "alice" not in str(told)


@one_engine
@pytest.mark.parametrize(
    "change", ["the address", "a newer link of an admin", "a disabled account"]
)
async def test_a_link_that_is_good_no_longer_is_not_mailed(
    mailing: World, box: Mailbox, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The mail server refused it at first."""
    monkeypatch.setattr(recovery, "AGAIN_AFTER", (0.0,))
    admin, person = await mailing.admin(), await mailing.person()
    box.refuse = "RCPT"
    await forgot(mailing, "alice@example.org")
    send = mailing.recovery._mail.send

    async def changed(*given: Any) -> bool:
        sent = await send(*given)
        monkeypatch.setattr(mailing.recovery._mail, "send", send)
        if change == "the address":
            await mailing.db.execute(
                "UPDATE users SET email = 'new@example.org' WHERE id = $1", person.user.id
            )
        elif change == "a disabled account":
            await mailing.db.execute(
                "UPDATE users SET status = 'disabled' WHERE id = $1", person.user.id
            )
        else:
            path = f"/users/{person.user.id}/password-reset"
            await mailing.ask("POST", path, as_=admin.access_token)
        box.refuse = None
        return sent

    monkeypatch.setattr(mailing.recovery._mail, "send", changed)
    await mailed(mailing)
    assert (len(box.mails), ended(mailing)) == (0, {"over": 1})


@one_engine
async def test_a_mail_is_tried_again(
    mailing: World, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "AGAIN_AFTER", (0.0, 0.0, 0.0))
    await mailing.person()
    box.refuse = "RCPT"
    await forgot(mailing, "alice@example.org")
    send = mailing.recovery._mail.send

    async def better_now(*given: Any) -> bool:
        sent = await send(*given)
        box.refuse = None
        return sent

    monkeypatch.setattr(mailing.recovery._mail, "send", better_now)
    await mailed(mailing)
    assert len(box.mails) == 1


@one_engine
async def test_without_mail_nobody_is_told_to_wait_for_one(world: World) -> None:
    answer = await forgot(world, "alice@example.org")
    assert (answer.status_code, answer.json()["reason"]) == (404, "mail_off")


@one_engine
async def test_a_stop_lets_go_of_a_mail_that_waits(
    mailing: World, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "ANSWER_WITHIN", 0.0)
    await mailing.person()
    box.refuse = "MAIL"
    await forgot(mailing, "alice@example.org")
    await mailing.recovery.close()
    assert not mailing.recovery._mailing


@one_engine
@pytest.mark.parametrize("path", ["/auth/register", "/users", "/users/me"])
async def test_an_address_that_no_mail_reaches_is_refused(mailing: World, path: str) -> None:
    admin = await mailing.admin()
    email = "jörg@example.org"
    method, body = {
        "/auth/register": ("POST", {"email": email, "password": NEW}),
        "/users": ("POST", {"email": email}),
        "/users/me": ("PUT", {"email": email, "current_password": "an admin's long password"}),
    }[path]
    answer = await mailing.ask(method, path, as_=admin.access_token, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "address_not_mailable")


@one_engine
async def test_an_invitation_speaks_the_admins_language(mailing: World, box: Mailbox) -> None:
    admin = await mailing.admin()
    await mailing.db.execute("UPDATE users SET language = 'de'")
    body = {"email": "bob@example.org"}
    made = (await mailing.ask("POST", "/users", as_=admin.access_token, json=body)).json()
    assert made["mailed"]
    assert str(box.mails[0]["Subject"]) == "Deine Einladung zu All You Can GET AI"
    assert made["link"] in box.text()
