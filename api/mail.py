"""Mail to users, where the operator has set a server. Without one, links are shown to the admin and
nothing is sent."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from structlog import get_logger

from api.letters import SENDER, Letter
from api.mail_address import mailbox, plain_address
from api.settings import MailServer

log = get_logger("mail")

AT_ONCE = 2
"""Threads that may wait for the mail server: the others are for hashing passwords."""
ANSWER_WITHIN = 10.0
FAILURES = (OSError, ValueError)
"""`smtplib` and `ssl` make theirs of `OSError`."""
_POLICY = SMTP.clone(cte_type="7bit")
"""A body of 8 bits would need a server that takes it."""


class Mailer:
    """`server` None: mail is switched off. `trust` says which certificates are good, the system's
    list unless given."""

    def __init__(
        self,
        server: MailServer | None,
        trust: ssl.SSLContext | None = None,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        self._server = server
        self._trust = trust
        self._answer_within = answer_within
        self._gate = asyncio.Semaphore(AT_ONCE)

    @property
    def is_on(self) -> bool:
        return self._server is not None

    async def send(self, to: str, letter: Letter) -> bool:
        """Send a mail. True when the server has taken it; False when mail is off or it failed,
        which is logged and changes nothing else."""
        if self._server is None:
            return False
        try:
            mail = compose(self._server.sender, to, letter)
            async with self._gate:
                await asyncio.to_thread(self._deliver, self._server, mail)
        except FAILURES as error:
            log.warning(
                "mail_failed", server=self._server.host, error=f"{type(error).__name__}: {error}"
            )
            return False
        return True

    async def greet(self) -> None:
        """Go through everything except a mail. Raises `OSError`, `SMTPException`."""
        if self._server is not None:
            async with self._gate:
                await asyncio.to_thread(self._offers_utf8, self._server)

    async def takes(self, address: str) -> bool:
        """Tell whether mail can go to this address. False for one with other letters than ASCII
        before the @ when the server does not offer SMTPUTF8 (RFC 6531); True as well when mail is
        off or the server is away."""
        if self._server is None or address.isascii():
            return True
        try:
            if mailbox(address).isascii():
                return True
            async with self._gate:
                return await asyncio.to_thread(self._offers_utf8, self._server)
        except FAILURES as error:
            log.warning(
                "mail_failed", server=self._server.host, error=f"{type(error).__name__}: {error}"
            )
            return True

    def _deliver(self, server: MailServer, mail: EmailMessage) -> None:
        with self._session(server) as smtp:
            smtp.send_message(mail)

    def _offers_utf8(self, server: MailServer) -> bool:
        with self._session(server) as smtp:
            smtp.ehlo_or_helo_if_needed()
            return smtp.has_extn("smtputf8")

    @contextmanager
    def _session(self, server: MailServer) -> Iterator[smtplib.SMTP]:
        trust = self._trust or ssl.create_default_context()
        with self._connect(server, trust) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=trust)
            if server.user is not None:
                smtp.login(server.user, server.password)
            yield smtp

    def _connect(self, server: MailServer, trust: ssl.SSLContext) -> smtplib.SMTP:
        if server.security == "tls":
            return smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._answer_within, context=trust
            )
        return smtplib.SMTP(server.host, server.port, timeout=self._answer_within)


def compose(sender: str, to: str, letter: Letter) -> EmailMessage:
    """Return one mail to one address, as text and as HTML. Raises `ValueError` for an address that
    is none, or more than one.

    A line break would begin another header: an address with one is refused, and in a subject it
    becomes a blank.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(SENDER, addr_spec=plain_address(sender))
    user, _, domain = mailbox(to).rpartition("@")
    mail["To"] = Address(username=user, domain=domain)
    mail["Subject"] = " ".join(letter.subject.split())
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=mail["From"].addresses[0].domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.text)
    mail.add_alternative(letter.html, subtype="html")
    return mail
