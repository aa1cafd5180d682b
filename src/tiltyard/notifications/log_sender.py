"""Notices as lines of the log."""

from __future__ import annotations

import logging

from tiltyard.ledger import OutboxItem
from tiltyard.notifications.notice_text import NoticeText

LOGGER = logging.getLogger("tiltyard.notices")


class LogSender:
    """Writes a notice to the log ``tiltyard.notices``, as a warning."""

    def send(self, parcel: OutboxItem) -> None:
        """Write the line; it never fails."""
        words = NoticeText.of(parcel.notice)
        LOGGER.warning("%s: %s %s", parcel.notice.topic, words.title, words.whole.replace("\n", " "))
