"""The page for a forgotten password, with a real mail server behind the api."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from admin_web.app import create_app
from admin_web.settings import WebSettings
from api.secrets import ensure_secrets
from tests.admin_web.browser import PASSWORD, Browser
from tests.admin_web.conftest import ADMIN, KEY
from tests.admin_web.own_api import own_api
from tests.fakes.smtp import Mailbox, smtp_server
from tests.stack import Stack

STUDIO = "https://studio.example"
SENT_WITHIN = 30


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Run a mail server in a thread."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    boxes: list[Mailbox] = []
    end = asyncio.Event()

    async def serve() -> None:
        async with smtp_server() as box:
            boxes.append(box)
            started.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(SENT_WITHIN)
    yield boxes[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(SENT_WITHIN)
    loop.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mail_server() as opened:
        yield opened


@pytest.fixture(scope="module")
def app(stack: Stack, box: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("api")
    mail = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_tls": "off"}
    mail |= {"smtp_from": "studio@example.org", "public_url": STUDIO}
    with own_api(folder, stack.sandbox_url, **mail) as url:
        body = {"token": ensure_secrets(folder).setup_token, "email": ADMIN, "password": PASSWORD}
        httpx.post(f"{url}/auth/setup", json=body).raise_for_status()
        made = create_app(WebSettings(_env_file=None, api_url=url, web_session_key=SecretStr(KEY)))
        yield made
        made.extensions["api_http"].close()


def sent(box: Mailbox) -> str:
    """Return the text of the next mail, and forget it."""
    for _ in range(SENT_WITHIN * 20):
        if box.mails:
            break
        threading.Event().wait(0.05)
    text = box.text()
    box.mails.clear()
    return text


def test_a_forgotten_password_is_replaced_by_mail(app: Flask, box: Mailbox) -> None:
    person = Browser(app)
    assert 'href="/forgot"' in person.get("/login").text
    person.get("/forgot")
    answer = person.post("/forgot", {"email": ADMIN})
    assert (answer.status_code, "Look into your mail" in answer.text) == (200, True)
    found = re.search(rf"{STUDIO}(/reset\?token=\S+)", sent(box))
    assert found
    person.get(found[1])
    new = {"password": "quite another long secret", "repeat": "quite another long secret"}
    assert person.post("/reset", {**person.fields, **new}).location == "/login"
    assert person.sign_in(ADMIN, new["password"]).location == "/"
    told = person.get("/admin/audit").text
    assert "Asked for a new password by mail" in told
    assert "Used a reset link" in told


def test_the_page_says_the_same_to_a_stranger(app: Flask, box: Mailbox) -> None:
    visitor = Browser(app)
    said = []
    for email in ("nobody@example.org", ADMIN):
        visitor.get("/forgot")
        answer = visitor.post("/forgot", {"email": email})
        assert answer.status_code == 200
        said.append(
            re.sub(r'name="csrf-token" content="[^"]+"', "", answer.text).replace(email, "X")
        )
    assert said[0] == said[1]
    sent(box)


def test_a_person_who_reads_german_is_asked_and_mailed_in_german(app: Flask, box: Mailbox) -> None:
    visitor = Browser(app)
    visitor.get("/forgot", {"Accept-Language": "de"})
    assert "Passwort vergessen?" in visitor.page
    answer = visitor.post("/forgot", {"email": ADMIN}, Accept_Language="de")
    assert "Sieh in deine E-Mails" in answer.text
    assert "Neues Passwort wählen" in sent(box)


def test_too_many_requests_are_told_to_wait(app: Flask) -> None:
    visitor = Browser(app)
    visitor.get("/forgot")
    found = [visitor.post("/forgot", {"email": "x@example.org"}).status_code for _ in range(4)]
    assert found == [200, 200, 200, 429]
    assert visitor.fields["email"] == "x@example.org"


def test_an_empty_address_is_asked_for(app: Flask) -> None:
    visitor = Browser(app)
    visitor.get("/forgot")
    answer = visitor.post("/forgot", {"email": " "})
    assert (answer.status_code, "Please type your e-mail address." in answer.text) == (422, True)


def test_without_mail_the_admin_is_named(stack: Stack) -> None:
    settings = WebSettings(_env_file=None, api_url=stack.api_url, web_session_key=SecretStr(KEY))
    app = create_app(settings)
    visitor = Browser(app)
    page = visitor.get("/login").text
    assert "Ask an admin for a reset link." in page
    assert "/forgot" not in page
    assert "This studio sends no mail." in visitor.get("/forgot").text
    answer = visitor.post("/forgot", {"email": ADMIN})
    assert "This studio sends no mail." in answer.text
    app.extensions["api_http"].close()
