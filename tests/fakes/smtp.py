"""A mail server on a loopback port, which is aiosmtpd and as strict as RFC 5321, 5322 and 6531 let
it be: STARTTLS or TLS, login, and answers that a test chooses."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Security = Literal["starttls", "tls", "off"]
LONGEST_LINE = 998


@dataclass(frozen=True)
class Certificate:
    """Self-signed for 127.0.0.1: `trusted` is the context of a client that knows it."""

    path: Path

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))


def make_certificate(path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)


@dataclass
class Mailbox:
    """Arrived mails: `receivers` by envelope, `mails` as sent, `logins` as (user, password),
    `readable` what came without TLS. `refuse` names a command that is answered with 550, and
    `arrived` is set with each mail."""

    port: int = 0
    refuse: str | None = None
    receivers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    readable: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def text(self) -> str:
        """Return the text part of the only mail."""
        [mail] = self.mails
        part = mail.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    def trust(self, _server: object, _session: object, _how: object, _kind: str, said: Any) -> Any:
        assert isinstance(said, LoginPassword)
        if self.refuse == "AUTH":
            return AuthResult(success=False)
        self.logins.append((said.login.decode(), said.password.decode()))
        return AuthResult(success=True)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        _server: object,
        session: Session,
        _envelope: object,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return ["550 not today"] if self.refuse == "EHLO" else responses

    async def handle_MAIL(  # noqa: N802
        self,
        _server: object,
        _session: object,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        envelope.mail_from, envelope.mail_options = address, options
        return "550 not today" if self.refuse == "MAIL" else "250 ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        if self.refuse == "RCPT":
            return "550 not today"
        if not address.isascii() and "SMTPUTF8" not in envelope.mail_options:
            return "553 such an address needs SMTPUTF8"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802
        self, _server: object, _session: object, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        if self.refuse == "DATA" or (wrong := _wrong(content, envelope.mail_options)):
            return f"550 {wrong if self.refuse != 'DATA' else 'not today'}"
        self.receivers += envelope.rcpt_tos
        text = content.replace(b"\r\n", b"\n")
        self.mails.append(message_from_bytes(text, policy=policy.default))
        self.arrived.set()
        return "250 taken"


def _wrong(content: bytes, options: list[str]) -> str | None:
    """Name the rule that a mail breaks."""
    head, _, body = content.partition(b"\r\n\r\n")
    if not head.isascii() and "SMTPUTF8" not in options:
        return "headers of 8 bits need SMTPUTF8"
    if not body.isascii() and "BODY=8BITMIME" not in options:
        return "a body of 8 bits needs 8BITMIME"
    if content.count(b"\n") != content.count(b"\r\n") or content.count(b"\r") != content.count(
        b"\r\n"
    ):
        return "a line ends with CRLF"
    if any(len(line) > LONGEST_LINE for line in content.split(b"\r\n")):
        return "a line is too long"
    return None


class _Listening(SMTP):
    """Records what arrives without TLS."""

    box: Mailbox

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.get_extra_info("sslcontext") is None:
            self.box.readable += data.splitlines()
        super().data_received(data)


@asynccontextmanager
async def smtp_server(
    security: Security = "off",
    certificate: Certificate | None = None,
    *,
    refuse: str | None = None,
    utf8: bool = False,
) -> AsyncIterator[Mailbox]:
    """`refuse` names a command that is answered with 550; `utf8`: it offers SMTPUTF8."""
    box = Mailbox(refuse=refuse)
    context = certificate.server if certificate is not None else None

    def serve() -> _Listening:
        made = _Listening(
            box,
            hostname="tests",
            enable_SMTPUTF8=utf8,
            decode_data=False,
            tls_context=context if security == "starttls" else None,
            auth_require_tls=False,
            authenticator=box.trust,
            ident="tests",
        )
        made.box = box
        return made

    server = await asyncio.get_running_loop().create_server(
        serve, "127.0.0.1", 0, ssl=context if security == "tls" else None
    )
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
