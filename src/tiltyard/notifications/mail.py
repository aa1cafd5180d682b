"""Notices as e-mail."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from tiltyard.ledger import Notice, OutboxItem
from tiltyard.notifications.notice_text import NoticeText
from tiltyard.notifications.ports import DELIVERY_TIMEOUT_SECONDS, DeliveryError

Encryption = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class MailServer:
    """A server that accepts e-mail.

    Attributes:
        host: its name; with encryption, its certificate must be for it.
        port: 587 for STARTTLS, 465 for TLS from the start, as a rule.
        sender: the address that mail comes from.
        encryption: ``none`` is for servers on this machine.
        user: user to log in as; None for no login.
        password: its password; never sent unencrypted unless encryption is ``none``.
        authorities: PEM file of certificate authorities; default: the system's.
    """

    host: str
    port: int
    sender: str
    encryption: Encryption = "starttls"
    user: str | None = None
    password: str | None = None
    authorities: str | None = None


class MailSender:
    """Sends a notification through a mail server, in one message to all recipients."""

    def __init__(self, server: MailServer, recipients: Sequence[str]) -> None:
        self._server, self._recipients = server, tuple(recipients)

    def send(self, item: OutboxItem) -> None:
        """Send the message; see ``Sender.send``."""
        message = build_mail_message(item.notice, self._server.sender, self._recipients)
        try:
            with self._connect() as connection:
                if self._server.user is not None:
                    connection.login(self._server.user, self._server.password or "")
                refused = connection.send_message(message)
        except (smtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise DeliveryError(
                f"The mail server did not accept the message: {type(error).__name__}: {error}"
            ) from None
        if refused:
            raise DeliveryError(f"The mail server refused {', '.join(sorted(refused))}.")

    def _connect(self) -> smtplib.SMTP:
        server, timeout = self._server, DELIVERY_TIMEOUT_SECONDS / 2
        if server.encryption == "none":
            return smtplib.SMTP(server.host, server.port, timeout=timeout)
        context = ssl.create_default_context(cafile=server.authorities)
        if server.encryption == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
        connection = smtplib.SMTP(server.host, server.port, timeout=timeout)
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
        return connection


def build_mail_message(notice: Notice, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The message; its Message-ID follows from the notification, so that a repeated delivery can be recognised."""
    text = NoticeText.from_notice(notice)
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(recipients)
    # A header is one line, whatever was in the data.
    message["Subject"] = " ".join(text.title.split())[:200]
    message["Date"] = format_datetime(notice.at)
    message["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2] or 'tiltyard'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.body or text.title)
    return message
