"""A notification as text for people, and as a line of the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tiltyard.ledger import Notice, OutboxItem

LOGGER = logging.getLogger("tiltyard.notices")


@dataclass(frozen=True)
class NoticeText:
    """Title, text and link of a notification; its topic replaces a missing title."""

    title: str
    text: str
    link: str

    @classmethod
    def from_notice(cls, notice: Notice) -> NoticeText:
        """The text of a notification."""
        parts = {name: str(notice.payload.get(name) or "") for name in ("title", "text", "link")}
        return cls(parts["title"] or notice.topic, parts["text"], parts["link"])

    @property
    def body(self) -> str:
        """Text and link, for a body."""
        return "\n\n".join(part for part in (self.text, self.link) if part)


class LogSender:
    """Writes a notification to the log ``tiltyard.notices``, as a warning."""

    def send(self, item: OutboxItem) -> None:
        """Write the line; it never fails."""
        notice = NoticeText.from_notice(item.notice)
        LOGGER.warning("%s: %s %s", item.notice.topic, notice.title, notice.body.replace("\n", " "))
