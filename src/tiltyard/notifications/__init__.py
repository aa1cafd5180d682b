"""Delivery of notices: senders, and the dispatcher that empties the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.notifications.destinations import address_notices, build_senders
    from tiltyard.notifications.dispatcher import Backoff, Dispatcher, DispatchResult
    from tiltyard.notifications.mail import MailSender, MailServer
    from tiltyard.notifications.mlflow_webhook import MLflowWebhookSender
    from tiltyard.notifications.notice_text import LogSender
    from tiltyard.notifications.ports import DeliveryError, Sender
    from tiltyard.notifications.signature import SIGNATURE_HEADER, sign, verify_signature
    from tiltyard.notifications.slack import SlackSender
    from tiltyard.notifications.webhook import WebhookSender

__all__ = [
    "SIGNATURE_HEADER",
    "Backoff",
    "DeliveryError",
    "DispatchResult",
    "Dispatcher",
    "LogSender",
    "MLflowWebhookSender",
    "MailSender",
    "MailServer",
    "Sender",
    "SlackSender",
    "WebhookSender",
    "address_notices",
    "build_senders",
    "sign",
    "verify_signature",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "destinations": (
                "address_notices",
                "build_senders",
            ),
            "dispatcher": (
                "Backoff",
                "DispatchResult",
                "Dispatcher",
            ),
            "mail": (
                "MailSender",
                "MailServer",
            ),
            "mlflow_webhook": ("MLflowWebhookSender",),
            "notice_text": ("LogSender",),
            "ports": (
                "DeliveryError",
                "Sender",
            ),
            "signature": (
                "SIGNATURE_HEADER",
                "sign",
                "verify_signature",
            ),
            "slack": ("SlackSender",),
            "webhook": ("WebhookSender",),
        },
    )
