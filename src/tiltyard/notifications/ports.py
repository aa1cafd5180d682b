"""What a dispatcher needs of a sender."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from tiltyard.errors import TiltyardError
from tiltyard.ledger import OutboxItem


class DeliveryError(TiltyardError):
    """A notification did not arrive.

    Attributes:
        final: whether another attempt is useless.
        wait: least wait before the next attempt, by request of the receiver; None for none.
    """

    code = "delivery.failed"

    def __init__(self, message: str, *, final: bool = False, wait: timedelta | None = None) -> None:
        super().__init__(message, next_step="List the pending notifications: tiltyard outbox list")
        self.final = final
        self.wait = wait


class Sender(Protocol):
    """Delivers notices to one destination.

    It must give up within ``DELIVERY_TIMEOUT_SECONDS`` and keep no state of deliveries.
    """

    def send(self, item: OutboxItem) -> None:
        """Deliver; the receiver has accepted the notification when this returns.

        Raises:
            DeliveryError: it has not, or that is not known.
        """


DELIVERY_TIMEOUT_SECONDS = 20.0
"""The longest that one delivery may take."""
