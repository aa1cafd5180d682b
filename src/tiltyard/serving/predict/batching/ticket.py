"""Accepted inputs, as the code that serves their request sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tiltyard.ledger.codec import PredictionRow, decode_prediction
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import Warnings
from tiltyard.serving.predict.batching.batch_parts import BatchPart


class Ticket:
    """Accepted inputs, to be waited for or withdrawn.

    Attributes:
        abandoned: whether it was withdrawn because its client left.
    """

    __slots__ = ("_parts", "_withdraw", "abandoned")

    def __init__(self, parts: Sequence[BatchPart], withdraw: Callable[[BatchPart], None]) -> None:
        self._parts = parts
        self._withdraw = withdraw
        self.abandoned = False

    async def result(self) -> list[Prediction]:
        """The predictions in the order of the inputs, once they are durable in the ledger; see ``rows``."""
        return [decode_prediction(row) for row in await self.rows()]

    async def rows(self) -> list[PredictionRow]:
        """The predictions as they are stored, in the order of the inputs, once they are durable in the ledger.

        Raises:
            InputError: an input cannot be scored; positions count within the request.
            UnavailableError: there is no version to predict with, or the ledger cannot record.
            asyncio.CancelledError: the ticket was withdrawn.
        """
        try:
            if len(self._parts) == 1:
                return await self._parts[0].future
            outcomes = await asyncio.gather(*(part.future for part in self._parts))
            return [row for outcome in outcomes for row in outcome]
        except BaseException:
            self.withdraw()
            raise

    @property
    def future(self) -> asyncio.Future[list[PredictionRow]]:
        """The outcome of a ticket of one input, for a caller that cannot await ``rows``."""
        (part,) = self._parts
        return part.future

    def withdraw(self) -> None:
        """Take what still waits out of the queue; nobody gets what is being scored."""
        for part in self._parts:
            self._withdraw(part)
            part.future.cancel()

    @property
    def recorded(self) -> bool:
        """Whether all of it is in the ledger, once the rows are there."""
        parts = self._parts
        return parts[0].recorded if len(parts) == 1 else all(part.recorded for part in parts)

    @property
    def warnings(self) -> Warnings | None:
        """The warnings of each input, once the rows are there; None for none."""
        if len(self._parts) == 1:
            return self._parts[0].warnings
        if all(part.warnings is None for part in self._parts):
            return None
        return [found for part in self._parts for found in part.warnings or [()] * len(part.inputs)]

    @property
    def done(self) -> bool:
        """Whether all of it has an outcome."""
        return all(part.future.done() for part in self._parts)
