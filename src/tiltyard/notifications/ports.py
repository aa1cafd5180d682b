"""What a courier needs of a sender."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from tiltyard.errors import TiltyardError
from tiltyard.ledger import OutboxItem


class DeliveryError(TiltyardError):
    """A notice did not arrive.

    Attributes:
        final: whether trying again is of no use.
        wait: how long the receiver asked to be left alone; None when it did not.
    """

    code = "delivery.failed"

    def __init__(self, message: str, *, final: bool = False, wait: timedelta | None = None) -> None:
        super().__init__(message, next_step="See what waits with: tiltyard outbox list")
        self.final = final
        self.wait = wait


class Sender(Protocol):
    """Delivers notices to one destination.

    It must give up within ``DELIVERY_TIMEOUT_SECONDS`` and keep no state of deliveries.
    """

    def send(self, parcel: OutboxItem) -> None:
        """Deliver; the receiver has taken the notice on when this returns.

        Raises:
            DeliveryError: it has not, or nobody knows.
        """


DELIVERY_TIMEOUT_SECONDS = 20.0
"""The longest that one delivery may take."""
