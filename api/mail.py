"""Mail to users, where the operator has set a server. Without one, links are shown to the admin and
nothing is sent."""

import asyncio
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from structlog import get_logger

from api.mail_address import plain_address
from api.settings import MailServer

log = get_logger("mail")

AT_ONCE = 2
"""Threads that may wait for the mail server: the others are for hashing passwords."""
ANSWER_WITHIN = 10.0


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

    async def send(self, to: str, subject: str, text: str) -> bool:
        """Send a mail. True when the server has taken it; False when mail is off or it failed,
        which is logged and changes nothing else."""
        if self._server is None:
            return False
        try:
            mail = compose(self._server.sender, to, subject, text)
            async with self._gate:
                await asyncio.to_thread(self._deliver, self._server, mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:  # ssl's errors are an OSError
            log.warning(
                "mail_failed", server=self._server.host, error=f"{type(error).__name__}: {error}"
            )
            return False
        return True

    async def greet(self) -> None:
        """Go through everything except a mail. Raises `OSError`, `SMTPException`."""
        if self._server is not None:
            async with self._gate:
                await asyncio.to_thread(self._deliver, self._server, None)

    def _deliver(self, server: MailServer, mail: EmailMessage | None) -> None:
        trust = self._trust or ssl.create_default_context()
        with self._connect(server, trust) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=trust)
            if server.user is not None:
                smtp.login(server.user, server.password)
            if mail is None:
                smtp.ehlo_or_helo_if_needed()
            else:
                smtp.send_message(mail)

    def _connect(self, server: MailServer, trust: ssl.SSLContext) -> smtplib.SMTP:
        if server.security == "tls":
            return smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._answer_within, context=trust
            )
        return smtplib.SMTP(server.host, server.port, timeout=self._answer_within)


def compose(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """Return one plain mail to one address. Raises `ValueError` for an address that is none, or
    more than one.

    A line break would begin another header: an address with one is refused, and in a subject it
    becomes a blank.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("All You Can GET AI", addr_spec=plain_address(sender))
    mail["To"] = Address(addr_spec=plain_address(to))
    mail["Subject"] = " ".join(subject.split())
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=mail["From"].addresses[0].domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail
