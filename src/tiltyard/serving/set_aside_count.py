"""How many records the ledger set aside, counted for health checks, which must not wait for a ledger that is away."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from tiltyard.errors import TiltyardError
from tiltyard.ledger.arrivals import is_set_aside
from tiltyard.ledger.ports import Ledger

RENEW_SECONDS = 10.0
WAIT_SECONDS = 0.5

log = logging.getLogger(__name__)


class SetAsideCount:
    """Counts at most every ten seconds, one query at a time; used from the event loop alone.

    Args:
        ledger: the ledger.
        model_name: whose records, and those of no known model.
    """

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        self._ledger = ledger
        self._model_name = model_name
        self._counting: asyncio.Task[int | None] | None = None
        self._due = 0.0
        self._latest: int | None = None

    async def read(self) -> int | None:
        """How many; None where the ledger did not respond lately."""
        if self._counting is None and monotonic() >= self._due:
            self._counting = asyncio.create_task(asyncio.to_thread(self._count))
        counting = self._counting
        if counting is not None:
            await asyncio.wait({counting}, timeout=WAIT_SECONDS)
            if not counting.done():
                return None
            if counting is self._counting:
                self._latest, self._counting = counting.result(), None
                self._due = monotonic() + RENEW_SECONDS
        return self._latest

    def _count(self) -> int | None:
        try:
            counts = self._ledger.arrivals.count(model_name=self._model_name)
        except TiltyardError as error:
            log.info("What was set aside cannot be counted now: %s", error.message)
            return None
        return sum(count.rows for count in counts if is_set_aside(count))
