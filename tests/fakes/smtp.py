"""A mail server on a loopback port: STARTTLS or TLS, login, and answers that a test chooses."""

import asyncio
import base64
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Security = Literal["starttls", "tls", "off"]


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
    `readable` what came without TLS."""

    port: int = 0
    receivers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    readable: list[bytes] = field(default_factory=list)


@dataclass
class _Session:
    box: Mailbox
    certificate: Certificate | None
    refuse: str | None
    offers_tls: bool
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    secure: bool

    async def run(self) -> None:
        await self.say("220 tests ESMTP")
        while line := await self.reader.readline():
            if not self.secure:
                self.box.readable.append(line)
            verb = line.split(None, 1)[0].decode().upper()
            if verb == self.refuse:
                await self.say("550 not today")
            elif verb == "QUIT":
                await self.say("221 bye")
                return
            else:
                await self.answer(verb, line)

    async def answer(self, verb: str, line: bytes) -> None:
        if verb == "EHLO":
            await self.say(
                "250-tests",
                *(["250-STARTTLS"] if self.offers_tls and not self.secure else []),
                "250 AUTH PLAIN",
            )
        elif verb == "STARTTLS" and self.certificate is not None:
            await self.say("220 go on")
            await self.writer.start_tls(self.certificate.server)
            self.secure = True
        elif verb == "AUTH":
            _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            self.box.logins.append((user, password))
            await self.say("235 welcome")
        elif verb == "RCPT":
            self.box.receivers.append(line.decode().partition("<")[2].partition(">")[0])
            await self.say("250 ok")
        elif verb == "DATA":
            await self.say("354 go on")
            body = await self.reader.readuntil(b"\r\n.\r\n")
            text = body[:-3].replace(b"\r\n..", b"\r\n.").replace(b"\r\n", b"\n")
            self.box.mails.append(message_from_bytes(text, policy=policy.default))
            await self.say("250 taken")
        else:
            await self.say("250 ok")

    async def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()


@asynccontextmanager
async def smtp_server(
    security: Security = "off", certificate: Certificate | None = None, *, refuse: str | None = None
) -> AsyncIterator[Mailbox]:
    """`refuse` names a command that is answered with 550."""
    box = Mailbox()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Session(
                box, certificate, refuse, security == "starttls", reader, writer, security == "tls"
            ).run()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client hung up, as one does that distrusts the certificate
        finally:
            writer.close()

    context = certificate.server if certificate is not None and security == "tls" else None
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
