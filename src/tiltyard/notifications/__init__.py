"""Delivery of notices: senders, and the dispatcher that empties the outbox."""

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
