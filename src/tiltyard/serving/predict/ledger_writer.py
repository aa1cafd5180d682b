"""Recording a batch's answers before they leave, and what happens where that cannot be done."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic
from typing import Protocol

from tiltyard.errors import InputError, TiltyardError, UnavailableError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.ports import Ledger

# After a failure the ledger is left alone for so long: no answer is to wait for it in vain again and again.
RETRY_SECONDS = 1.0
# As many answers as are held in memory for a ledger that is away; beyond, the oldest are lost, and the log says so.
MOST_HELD = 200_000
AT_ONCE = 1000

Outcome = list[PredictionRow] | BaseException
"""What becomes of one request's part of a batch."""

log = logging.getLogger(__name__)


class RecordableBatch(Protocol):
    """A request's part of a batch, which learns whether it was recorded."""

    recorded: bool


class LedgerWriter:
    """Stores the rows of batches; belongs to one thread, but for its figures.

    Args:
        ledger: where they are stored.
        on_recorded: told of rows once they are durable.
        available: whether answers that cannot be recorded are given all the same, and recorded when that can be.
    """

    def __init__(
        self, ledger: Ledger, on_recorded: Callable[[Sequence[PredictionRow]], None] | None, *, available: bool
    ) -> None:
        self._ledger = ledger
        self._on_recorded = on_recorded
        self._available = available
        self._held: deque[PredictionRow] = deque()
        self._failed_at = float("-inf")
        self.error = ""

    @property
    def held(self) -> int:
        """Rows that were answered and wait for the ledger to come back."""
        return len(self._held)

    def record(self, parts: Sequence[RecordableBatch], outcomes: list[Outcome]) -> list[Outcome]:
        """Record all answers at once; where one of them cannot be stored at all, each request by itself.

        Returns:
            The outcomes, with the error in place of each answer that must not be given.
        """
        answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        if not answers:
            return outcomes
        rows = answers[0] if len(answers) == 1 else [row for answer in answers for row in answer]
        if self._held and monotonic() - self._failed_at < RETRY_SECONDS:
            self._hold(parts, rows)
            return outcomes
        try:
            self._ledger.record_rows(rows)
        except InputError as error:
            if len(answers) > 1:
                return [self.record([part], [outcome])[0] for part, outcome in zip(parts, outcomes, strict=True)]
            return [outcome if isinstance(outcome, BaseException) else error for outcome in outcomes]
        except Exception as error:  # noqa: BLE001 - whatever keeps a row from being stored
            refusal = self._note(error)
            if self._available:
                self._hold(parts, rows)
                return outcomes
            return [outcome if isinstance(outcome, BaseException) else refusal for outcome in outcomes]
        self.error = ""
        if self._on_recorded is not None:
            self._on_recorded(rows)
        if self._held:
            self.retry()
        return outcomes

    def retry(self) -> None:
        """Record what is held, as far as that can be done now."""
        while self._held:
            rows = list(islice(self._held, AT_ONCE))
            try:
                self._ledger.record_rows(rows)
            except InputError as error:
                log.error("Answers given without being recorded can never be: %s", error.message)
            except Exception as error:  # noqa: BLE001 - whatever keeps a row from being stored
                self._note(error)
                return
            else:
                self.error = ""
                if self._on_recorded is not None:
                    self._on_recorded(rows)
            for _ in rows:
                self._held.popleft()

    def _hold(self, parts: Sequence[RecordableBatch], rows: Sequence[PredictionRow]) -> None:
        for part in parts:
            part.recorded = False
        self._held.extend(rows)
        lost = len(self._held) - MOST_HELD
        if lost > 0:
            log.error("%d answers that could not be recorded are lost: too many wait for the ledger", lost)
            for _ in range(lost):
                self._held.popleft()

    def _note(self, error: Exception) -> UnavailableError:
        log.error(
            "A batch could not be recorded: %s",
            error,
            exc_info=None if isinstance(error, TiltyardError) else error,
        )
        self._failed_at = monotonic()
        self.error = str(error) or type(error).__name__
        step = error.next_step if isinstance(error, TiltyardError) else ""
        return UnavailableError(
            "The answer could not be recorded, so it is not given.",
            next_step=step or "Ask again; GET /health tells how the ledger is.",
            code="ledger.unavailable",
            retry_after=1,
        )
