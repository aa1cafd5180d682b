"""How notices leave the house: senders, and the courier who empties the outbox."""

from tiltyard.monitoring.delivery.courier import Backoff, Courier, Round
from tiltyard.monitoring.delivery.destinations import build_senders, notices_to
from tiltyard.monitoring.delivery.mail import MailSender, MailServer
from tiltyard.monitoring.delivery.mlflow_webhook import MLflowWebhookSender
from tiltyard.monitoring.delivery.plain_log import LogSender
from tiltyard.monitoring.delivery.ports import DeliveryError, Sender
from tiltyard.monitoring.delivery.signature import SIGNATURE_HEADER, sign, verify_signature
from tiltyard.monitoring.delivery.slack import SlackSender
from tiltyard.monitoring.delivery.webhook import WebhookSender

__all__ = [
    "SIGNATURE_HEADER",
    "Backoff",
    "Courier",
    "DeliveryError",
    "LogSender",
    "MLflowWebhookSender",
    "MailSender",
    "MailServer",
    "Round",
    "Sender",
    "SlackSender",
    "WebhookSender",
    "build_senders",
    "notices_to",
    "sign",
    "verify_signature",
]
