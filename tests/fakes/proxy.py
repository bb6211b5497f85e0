"""A proxy of a network that lets nobody out by another way: HTTP's CONNECT and SOCKS5 on one port.
Behind it, every name is one server of the test, with a certificate of a CA that nobody knows."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SOCKS = b"\x05"
ADDRESS, NAME = 1, 3


@dataclass(frozen=True)
class PrivateCertificate:
    """`path`: what `SSL_CERT_FILE` has to name for it to be trusted."""

    path: Path
    server: ssl.SSLContext


def private_certificate(folder: Path, name: str) -> PrivateCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "site.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return PrivateCertificate(pem, server)


@dataclass
class Proxy:
    """`asked`: whom it was asked to connect to. `refuses`: it lets nobody through."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def running_proxy(certificate: PrivateCertificate, port: int) -> AsyncIterator[Proxy]:
    """`port`: of the plain server on loopback that stands behind every name, here with TLS before
    it."""
    proxy = Proxy()
    open_ones: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            first = await reader.readexactly(1)
            target, good, refused = await (
                _socks(reader, writer) if first == SOCKS else _connect(reader)
            )
            proxy.asked.append(target)
            writer.write(refused if proxy.refuses else good)
            await writer.drain()
            if not proxy.refuses:
                await writer.start_tls(certificate.server)
                behind = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await asyncio.gather(_pass(reader, behind[1]), _pass(behind[0], writer))
                finally:
                    behind[1].transport.abort()

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


async def _connect(reader: asyncio.StreamReader) -> tuple[str, bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return (
        head.split()[1].decode(),
        b"HTTP/1.1 200 Go on\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    )


async def _socks(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, bytes, bytes]:
    await reader.readexactly((await reader.readexactly(1))[0])
    writer.write(b"\x05\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == NAME:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ip_address(await reader.readexactly(4 if kind == ADDRESS else 16)))
    port = int.from_bytes(await reader.readexactly(2))
    answer = b"\x00\x01\x7f\x00\x00\x01\x00\x00"
    return f"{host}:{port}", b"\x05\x00" + answer, b"\x05\x02" + answer


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()
