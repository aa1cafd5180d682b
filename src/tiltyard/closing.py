"""Objects with ``close`` that a ``with`` block closes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ClosedByWith(ABC):
    """The end of a ``with`` block closes the object, also where the block raised."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; closing twice is a no-op."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
