"""Mail over a real server on this machine: taken as written, only under checked TLS, and without
holding up anything."""

import socket
import ssl
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from api.letters import Letter
from api.mail import Mailer
from api.settings import MailServer, Settings
from tests.fakes.smtp import Certificate, make_certificate, smtp_server

SENDER = "studio@example.org"
HELLO = Letter("Hello", "there\n", "<p>there</p>\n")
SECURE: list[Literal["starttls", "tls"]] = ["starttls", "tls"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def plain(port: int) -> Mailer:
    return Mailer(MailServer("127.0.0.1", port, SENDER, "off"))


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with smtp_server() as box:
        text = "Grüße,\n.\n..dots at the start\nhttps://x.example/reset?token=abc\n"
        written = Letter("Your link: 10 €", text, f"<p>{'Grüße ' * 300}</p>\n")
        assert await plain(box.port).send("ana@example.org", written)
    [mail] = box.mails
    seen = (box.receivers, str(mail["To"]), str(mail["Subject"]))
    assert seen == (["ana@example.org"], "ana@example.org", "Your link: 10 €")
    assert str(mail["From"]) == f"All You Can GET AI <{SENDER}>"
    assert mail.get_content_type() == "multipart/alternative"
    # the last part is the one that mail programs prefer
    parts = [part.get_content().replace("\r\n", "\n") for part in mail.iter_parts()]
    assert parts == [written.text, written.html]
    assert {"Date", "Message-ID", "Auto-Submitted"} <= set(mail.keys())
    assert not [*mail.defects, *(each for part in mail.walk() for each in part.defects)]


async def test_without_a_server_nothing_is_sent() -> None:
    assert not await Mailer(None).send("ana@example.org", HELLO)


@pytest.mark.parametrize(
    "address",
    [
        "ana@example.org\r\nBcc: eve@example.org",
        "ana@example.org\nBcc: eve@example.org",
        "ana@example.org, eve@example.org",
        "Ana <ana@example.org>",
        "ana@example.org\x00",
        "ana@example.org\u2028",
        "ana",
        "",
    ],
)
async def test_only_one_plain_address_is_taken(address: str) -> None:
    async with smtp_server() as box:
        assert not await plain(box.port).send(address, HELLO)
    assert (box.receivers, box.readable) == ([], [])


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\u2028", "\x85"])
async def test_a_subject_adds_no_header(end: str) -> None:
    async with smtp_server() as box:
        assert await plain(box.port).send(
            "ana@example.org",
            Letter(f"Hello{end}Bcc: eve@example.org{end}{end}<b>body</b>", "there\n", "there\n"),
        )
    [mail] = box.mails
    assert str(mail["Subject"]) == "Hello Bcc: eve@example.org <b>body</b>"
    assert mail["Bcc"] is None
    assert (box.receivers, box.text()) == (["ana@example.org"], "there\n")


@pytest.mark.parametrize("security", SECURE)
async def test_password_and_mail_go_under_tls(
    security: Literal["starttls", "tls"], certificate: Certificate
) -> None:
    async with smtp_server(security, certificate) as box:
        server = MailServer("127.0.0.1", box.port, SENDER, security, "studio", "pass word")
        assert await Mailer(server, certificate.trusted).send("ana@example.org", HELLO)
    assert (box.logins, len(box.mails)) == ([("studio", "pass word")], 1)
    assert {line.split()[0].lower() for line in box.readable} <= {b"ehlo", b"starttls"}


@pytest.mark.parametrize("security", SECURE)
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    security: Literal["starttls", "tls"], certificate: Certificate
) -> None:
    async with smtp_server(security, certificate) as box:
        server = MailServer("127.0.0.1", box.port, SENDER, security, "studio", "secret")
        assert not await Mailer(server).send("ana@example.org", HELLO)
    assert (box.logins, box.mails) == ([], [])


async def test_a_certificate_for_another_host_is_refused(certificate: Certificate) -> None:
    async with smtp_server("tls", certificate) as box:
        server = MailServer("localhost", box.port, SENDER, "tls", "studio", "secret")
        assert not await Mailer(server, certificate.trusted).send("ana@example.org", HELLO)
    assert (box.logins, box.mails) == ([], [])


async def test_a_server_that_offers_no_tls_gets_no_password() -> None:
    async with smtp_server("off") as box:
        server = MailServer("127.0.0.1", box.port, SENDER, "starttls", "studio", "secret")
        assert not await Mailer(server, ssl.create_default_context()).send("ana@example.org", HELLO)
    assert (box.logins, box.mails) == ([], [])


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "AUTH"])
async def test_a_refusal_is_answered_and_logged(
    command: str,
) -> None:
    async with smtp_server(refuse=command) as box:
        mailer = Mailer(MailServer("127.0.0.1", box.port, SENDER, "off", "studio", "secret"))
        with capture_logs() as logs:
            sent = await mailer.send("ana@example.org", HELLO)
    said = str(logs)
    assert (sent, box.mails) == (False, [])
    assert "mail_failed" in said
    assert "secret" not in said


async def test_a_server_that_is_not_there_is_no_crash() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert not await plain(taken.getsockname()[1]).send("ana@example.org", HELLO)
    assert not await Mailer(MailServer("no.such.host.invalid", 25, SENDER)).send(
        "ana@example.org", HELLO
    )


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailer = Mailer(
            MailServer("127.0.0.1", silent.getsockname()[1], SENDER, "off"), answer_within=0.2
        )
        assert not await mailer.send("ana@example.org", HELLO)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"smtp_host": "mail.example.org"}, "SMTP_HOST needs SMTP_FROM"),
        ({"smtp_from": "Studio <studio@example.org>"}, "must be one plain e-mail address"),
        ({"smtp_tls": "ssl"}, "'starttls', 'tls' or 'off'"),
        (
            {
                "smtp_host": "mail.example.org",
                "smtp_from": SENDER,
                "smtp_tls": "off",
                "smtp_password": "x",
            },
            "would send SMTP_PASSWORD readable",
        ),
    ],
)
def test_settings_that_cannot_work_stop_the_start(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate(given)


async def test_the_api_mails_as_its_settings_say(tmp_path: Path) -> None:
    async with smtp_server() as box:
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path,
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            smtp_tls="off",
            smtp_from=SENDER,
        )
        assert settings.mail_server == MailServer("127.0.0.1", box.port, SENDER, "off")
        assert await Mailer(settings.mail_server).send("ana@example.org", HELLO)
    assert box.receivers == ["ana@example.org"]
    assert Settings(_env_file=None, data_dir=tmp_path).mail_server is None


INTERNATIONAL = "jörg@bücher.example"


async def test_an_international_address_goes_to_a_server_that_takes_it() -> None:
    async with smtp_server(utf8=True) as box:
        assert await plain(box.port).takes(INTERNATIONAL)
        assert await plain(box.port).send(INTERNATIONAL, HELLO)
    assert box.receivers == ["jörg@xn--bcher-kva.example"]
    assert box.mails[0]["To"].encode(errors="surrogateescape").decode() == box.receivers[0]


async def test_an_international_address_is_known_to_be_refused() -> None:
    async with smtp_server() as box:
        assert not await plain(box.port).takes(INTERNATIONAL)
        with capture_logs() as logs:
            assert not await plain(box.port).send(INTERNATIONAL, HELLO)
    assert box.mails == []
    assert "SMTPNotSupportedError" in str(logs)


async def test_only_letters_before_the_at_need_such_a_server() -> None:
    async with smtp_server() as box:
        assert await plain(box.port).takes("ana@bücher.example")
        assert await plain(box.port).send("ana@bücher.example", HELLO)
    assert box.receivers == ["ana@xn--bcher-kva.example"]


async def test_an_address_is_taken_while_nobody_can_say() -> None:
    """Mail is off, or its server is away: an account must not depend on it."""
    assert await Mailer(None).takes(INTERNATIONAL)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await plain(taken.getsockname()[1]).takes(INTERNATIONAL)
