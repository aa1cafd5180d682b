"""Notices as e-mail, to a real mail server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tiltyard.ledger import OutboxItem
from tiltyard.notifications import DeliveryError, MailSender, MailServer
from tiltyard.testing.outbox_contract import make_notice


class Mailbox:
    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        return "250 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, in one PEM file."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mail") / "server.pem"
    pkcs8 = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox, certificate: Path) -> Iterator[MailServer]:
    """A server that insists on STARTTLS and on a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def may(_server: Any, _session: Any, _envelope: Any, _mechanism: str, credentials: Any) -> AuthResult:
        known = isinstance(credentials, LoginPassword) and (credentials.login, credentials.password) == (
            b"loop",
            b"pass word",
        )
        return AuthResult(success=known, handled=False)

    controller = Controller(
        mailbox, hostname="127.0.0.1", port=_free_port(), tls_context=context, require_starttls=True, authenticator=may,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    try:
        port = controller.port
        yield MailServer(
            "localhost", port, "loop@example.org", user="loop", password="pass word", authorities=str(certificate)
        )
    finally:
        controller.stop()


@pytest.mark.requirement("R-MON-12")
def test_a_notice_arrives_as_mail(server: MailServer, mailbox: Mailbox) -> None:
    """A notification goes over STARTTLS and a login to all recipients, in one message with a derived id."""
    payload = {"title": "Drift in films\nBcc: eve@example.org", "text": "PSI of »length« is 0.4.", "link": "http://x/"}
    notice = make_notice(id="n1", payload=payload)
    MailSender(server, ("ada@example.org", "grace@example.org")).send(OutboxItem(notice))
    (envelope,) = mailbox.envelopes
    assert envelope.rcpt_tos == ["ada@example.org", "grace@example.org"]
    message: Any = message_from_bytes(envelope.content, policy=policy.default)
    assert message["Subject"] == "Drift in films Bcc: eve@example.org"
    assert message["Message-ID"] == "<n1@example.org>"
    assert message.get_content().split() == ["PSI", "of", "»length«", "is", "0.4.", "http://x/"]


def test_a_server_that_cannot_be_trusted_gets_nothing(server: MailServer, mailbox: Mailbox) -> None:
    """An unknown certificate, a wrong password and an unreachable server are failures with that reason."""
    unknown = MailServer("localhost", server.port, server.sender, user="loop", password="pass word")
    wrong = MailServer(
        "localhost", server.port, server.sender, user="loop", password="x", authorities=server.authorities
    )
    away = MailServer("127.0.0.1", 1, server.sender, encryption="none")
    for bad, said in ((unknown, "CERTIFICATE_VERIFY_FAILED"), (wrong, "Authentication"), (away, "refused")):
        with pytest.raises(DeliveryError, match=said):
            MailSender(bad, ("ada@example.org",)).send(OutboxItem(make_notice()))
    assert mailbox.envelopes == []


def _free_port() -> int:
    """The controller knocks at the port that it was given, so that it cannot be given 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
