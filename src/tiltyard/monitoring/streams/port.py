"""What a detector of a stream is."""

from __future__ import annotations

from typing import Protocol


class StreamDetector(Protocol):
    """Watches a stream of numbers. Not safe for several threads; what it did not see is not judged."""

    name: str

    def update(self, value: float) -> bool:
        """Take the next number in, and tell whether the stream changed. After a change it starts anew.

        Raises:
            InputError: the number is NaN or infinite.
        """
