"""What a stream process asks of a broker: to take messages, confirm them, count them, and publish others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken from a stream.

    Attributes:
        body: its content.
        sent_at: when the broker, or else its producer, says that it was sent, UTC; when it came, if neither does.
        position: where the broker keeps it, the same at each delivery; empty where the broker gives messages no place.
        own_id: the id that its producer gave it; empty for none.
        key: the broker's own key of it, which decides its partition; empty for none.
        headers: its headers.
        receipt: what its source needs to confirm it.
    """

    body: bytes
    sent_at: datetime
    position: str = ""
    own_id: str = ""
    key: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    receipt: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published.

    Attributes:
        body: its content.
        id: names it, so that readers, and brokers that can, recognise it when it comes again.
        key: the broker's own key of it; empty for none.
        headers: its headers.
    """

    body: bytes
    id: str
    key: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def read_time(milliseconds: float) -> datetime:
    """A time in milliseconds since 1970, UTC; the present where a producer wrote no time, or one that cannot be."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else datetime.now(UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.now(UTC)


class Source(Protocol):
    """A stream that messages are taken from, as one of a group of consumers. It belongs to one event loop.

    Each message goes to one consumer of the group, and to another one if that one ends before it confirms it; within
    a consumer, messages come in the order of their partition.
    """

    async def open(self) -> None:
        """Connect, and join the group.

        Raises:
            UsageError: the stream does not exist, the broker refuses the user, or its settings would lose messages.
            UnavailableError: the broker cannot be reached.
            MissingExtraError: its library is not installed.
        """

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """At most so many messages, as soon as there is one; none where none came in time.

        Raises:
            UnavailableError: the broker cannot be reached; what was taken and not confirmed comes again.
        """

    async def hold(self, messages: Sequence[Message]) -> None:
        """Let the broker know that messages are still in hand, so that it does not give them to others."""

    async def confirm(self, messages: Sequence[Message]) -> None:
        """Tell the broker that messages are done: they do not come again.

        Raises:
            UnavailableError: the broker cannot be reached, or gave the messages to another consumer.
        """

    async def lag(self) -> int | None:
        """Messages of the stream that are not confirmed: by the group, or where no broker counts that, those that this
        consumer will get; None where it is not known.

        Raises:
            UnavailableError: the broker cannot be reached.
        """

    async def close(self) -> None:
        """Leave the group and disconnect; what was taken and not confirmed comes again. Never raises."""


class ResultTarget(Protocol):
    """A stream that messages are published to. It belongs to one event loop."""

    async def open(self) -> None:
        """Connect; raises as ``Source.open``."""

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """Publish messages in their order; when this returns, the broker has confirmed that it keeps them.

        Returns:
            Why the broker will never take some of them, such as their size, by their positions.

        Raises:
            UnavailableError: the broker cannot be reached, or keeps them only in part; they may be published again.
        """

    async def close(self) -> None:
        """Disconnect. Never raises."""
