"""A notice in words, for receivers who are people."""

from __future__ import annotations

from dataclasses import dataclass

from tiltyard.ledger import Notice


@dataclass(frozen=True)
class NoticeText:
    """Title, text and link of a notice; a notice without a title is called by its topic."""

    title: str
    text: str
    link: str

    @classmethod
    def of(cls, notice: Notice) -> NoticeText:
        """The words of a notice."""
        said = {name: str(notice.payload.get(name) or "") for name in ("title", "text", "link")}
        return cls(said["title"] or notice.topic, said["text"], said["link"])

    @property
    def whole(self) -> str:
        """Text and link, for a body."""
        return "\n\n".join(part for part in (self.text, self.link) if part)
