"""Senders for the destinations of a project, with the secrets of this host, and notices for these destinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tiltyard.ledger import Notice
from tiltyard.notifications.mail import MailSender, MailServer
from tiltyard.notifications.mlflow_webhook import MLflowWebhookSender
from tiltyard.notifications.notice_text import LogSender
from tiltyard.notifications.ports import DeliveryError, Sender
from tiltyard.notifications.slack import SlackSender
from tiltyard.notifications.webhook import WebhookSender
from tiltyard.project import AlertsSection, DestinationSection
from tiltyard.settings import Settings


def address_notices(
    destinations: Sequence[str], topic: str, payload: Mapping[str, Any], at: datetime, *, key: str | None = None
) -> list[Notice]:
    """The same notice for each of the destinations.

    Args:
        destinations: their names.
        topic: what it is about, such as ``model.promoted``.
        payload: ``title``, ``text``, ``link`` and ``data``.
        at: when the event took place.
        key: the ids derive from it, so that a notification that is enqueued twice is sent once; default: new ids.
    """
    return [
        Notice(topic, name, payload, at, id=f"{key}/{name}") if key else Notice(topic, name, payload, at)
        for name in destinations
    ]


def build_senders(alerts: AlertsSection, settings: Settings) -> dict[str, Sender]:
    """A sender for each destination of the project, and always one for ``log``.

    The sender of a destination whose URL or mail server is not set on this host fails with that reason.
    """
    senders: dict[str, Sender] = {"log": LogSender()}
    for name, destination in alerts.destinations.items():
        senders[name] = _build_sender(name, destination, settings)
    return senders


def _build_sender(name: str, destination: DestinationSection, settings: Settings) -> Sender:
    if destination.kind == "log":
        return LogSender()
    if destination.kind == "email":
        server = build_mail_server(settings)
        return (
            MailSender(server, destination.to)
            if server
            else _UnconfiguredSender("TILTYARD_SMTP_HOST and TILTYARD_SMTP_FROM")
        )
    secrets = settings.destination(name)
    if secrets is None or secrets.url is None:
        return _UnconfiguredSender(f"TILTYARD_DESTINATIONS__{name.upper().replace('-', '_')}__URL")
    url = secrets.url.get_secret_value()
    if destination.kind == "slack":
        return SlackSender(url)
    sender = MLflowWebhookSender if destination.kind == "mlflow" else WebhookSender
    return sender(url, secrets.secret.get_secret_value() if secrets.secret else None)


def build_mail_server(settings: Settings) -> MailServer | None:
    """The mail server of this host; None where none is set."""
    if settings.smtp_host is None or settings.smtp_from is None:
        return None
    password = settings.smtp_password
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.smtp_from,
        encryption=settings.smtp_encryption,
        user=settings.smtp_user,
        password=password.get_secret_value() if password else None,
        authorities=settings.smtp_ca,
    )


class _UnconfiguredSender:
    """The sender of a destination that is not configured on this host."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def send(self, item: object) -> None:
        """Raise an error that names the missing setting."""
        del item
        raise DeliveryError(f"The destination is not configured on this host: {self._variable} is not set.")
