"""How many bytes of request bodies one process holds at once."""

from __future__ import annotations

from threading import Lock
from types import TracebackType

from tiltyard.errors import UnavailableError

ALWAYS_TAKEN = 64 * 1024
"""A body up to this size is taken however full the process is; the number of connections bounds those."""


class BodyBudget:
    """The bytes of bodies that one process holds. Safe to use from several threads.

    Args:
        most: how many bytes there may be at once, beyond the first ``ALWAYS_TAKEN`` of each body.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held = 0
        self._lock = Lock()

    @property
    def held(self) -> int:
        """The bytes that are held now."""
        return self._held

    def hold(self) -> HeldBody:
        """The share of one request, which begins with nothing and is given back at the end of its ``with`` block."""
        return HeldBody(self)

    def take(self, size: int) -> None:
        """Take bytes; a negative number gives them back.

        Raises:
            UnavailableError: so many are not left.
        """
        with self._lock:
            if size > 0 and self._held + size > self.most:
                raise UnavailableError(
                    f"The server holds as many bytes of request bodies as it may: {self._held:,} of {self.most:,}.",
                    next_step="Send the request again after the time in Retry-After, or send less at once.",
                    code="server.bodies",
                    retry_after=1,
                )
            self._held += size


class HeldBody:
    """What one request holds of the budget, until the end of its ``with`` block."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._taken = 0

    def __enter__(self) -> HeldBody:
        """Nothing is taken yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken, self._taken = self._taken, 0
        self._budget.take(-taken)

    def reserve(self, size: int) -> None:
        """Hold at least this many bytes.

        Raises:
            UnavailableError: so many are not left.
        """
        more = size - ALWAYS_TAKEN - self._taken
        if more > 0:
            self._budget.take(more)
            self._taken += more
