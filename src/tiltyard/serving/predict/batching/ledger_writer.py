"""Records the predictions of a batch before they are sent, and keeps those that cannot be recorded yet."""

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

# After a failure the ledger is not tried for so long: no response should wait for it in vain again and again.
RETRY_SECONDS = 1.0
# A failure that continues is logged so often, however many batches it fails: logs must not fill what a disk has left.
LOG_SECONDS = 60.0
# Most predictions kept in memory while the ledger is away; beyond, the oldest are lost, and the log says so.
MOST_PENDING = 200_000
AT_ONCE = 1000

Outcome = list[PredictionRow] | BaseException
"""The predictions of one request's part of a batch, or its error."""

log = logging.getLogger(__name__)


class RecordableBatch(Protocol):
    """A request's part of a batch, which learns whether it was recorded."""

    recorded: bool


class LedgerWriter:
    """Stores the rows of batches; belongs to one thread, but for ``error`` and ``pending``.

    Args:
        ledger: where they are stored.
        on_recorded: called with rows once they are durable.
        available: whether predictions that cannot be recorded are sent all the same, and recorded later.
    """

    def __init__(
        self, ledger: Ledger, on_recorded: Callable[[Sequence[PredictionRow]], None] | None, *, available: bool
    ) -> None:
        self._ledger = ledger
        self._on_recorded = on_recorded
        self._available = available
        self._pending: deque[PredictionRow] = deque()
        self._failed_at = float("-inf")
        self._logged = ""
        self._logged_at = float("-inf")
        self._announced = False
        self.error = ""

    @property
    def pending(self) -> int:
        """Rows that were sent and wait for the ledger to come back."""
        return len(self._pending)

    @property
    def must_retry(self) -> bool:
        """Whether the latest batch was not recorded, or rows wait: then ``retry`` finds out when that is over."""
        return bool(self._pending or self.error)

    def record(self, parts: Sequence[RecordableBatch], outcomes: list[Outcome]) -> list[Outcome]:
        """Record all predictions at once; where one of them cannot be stored at all, each request by itself.

        Returns:
            The outcomes, with the error in place of predictions that must not be sent.
        """
        predicted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        if not predicted:
            return outcomes
        rows = predicted[0] if len(predicted) == 1 else [row for part_rows in predicted for row in part_rows]
        if self._pending and monotonic() - self._failed_at < RETRY_SECONDS:
            self._keep_unrecorded(parts, rows)
            return outcomes
        try:
            self._ledger.record_rows(rows)
        except InputError as error:
            if len(predicted) > 1:
                return [self.record([part], [outcome])[0] for part, outcome in zip(parts, outcomes, strict=True)]
            return [outcome if isinstance(outcome, BaseException) else error for outcome in outcomes]
        except Exception as error:  # noqa: BLE001 - any failure to store a row
            refusal = self._note_failure(error)
            if self._available:
                self._keep_unrecorded(parts, rows)
                return outcomes
            return [outcome if isinstance(outcome, BaseException) else refusal for outcome in outcomes]
        self._note_success()
        if self._on_recorded is not None:
            self._on_recorded(rows)
        if self._pending:
            self.retry()
        return outcomes

    def retry(self) -> None:
        """Record what is pending, as far as that can be done now; where nothing is, see whether the ledger is back.

        A server that is not ready gets no requests, and would not learn from them that it could be.
        """
        if self.error and not self._pending:
            try:
                self._ledger.check_writable()
            except Exception as error:  # noqa: BLE001 - any failure to store a row
                self._note_failure(error)
            else:
                self._note_success()
        while self._pending:
            rows = list(islice(self._pending, AT_ONCE))
            try:
                self._ledger.record_rows(rows)
            except InputError as error:
                log.error("Predictions that were sent unrecorded can never be recorded: %s", error.message)
            except Exception as error:  # noqa: BLE001 - any failure to store a row
                self._note_failure(error)
                return
            else:
                self._note_success()
                if self._on_recorded is not None:
                    self._on_recorded(rows)
            for _ in rows:
                self._pending.popleft()

    def _keep_unrecorded(self, parts: Sequence[RecordableBatch], rows: Sequence[PredictionRow]) -> None:
        for part in parts:
            part.recorded = False
        self._pending.extend(rows)
        lost = len(self._pending) - MOST_PENDING
        if lost > 0:
            log.error("%d predictions that could not be recorded are lost: too many wait for the ledger", lost)
            for _ in range(lost):
                self._pending.popleft()

    def _note_success(self) -> None:
        self.error = ""
        if self._announced:
            self._announced = False
            log.warning("Predictions are recorded again.")

    def _note_failure(self, error: Exception) -> UnavailableError:
        self._failed_at = monotonic()
        self.error = str(error) or type(error).__name__
        if self.error != self._logged or self._failed_at - self._logged_at >= LOG_SECONDS:
            self._logged, self._logged_at, self._announced = self.error, self._failed_at, True
            log.error(
                "Predictions cannot be recorded: %s",
                self.error,
                exc_info=None if isinstance(error, TiltyardError) else error,
            )
        step = error.next_step if isinstance(error, TiltyardError) else ""
        return UnavailableError(
            "The prediction could not be recorded, so it was not sent.",
            next_step=step or "Send the request again; GET /health shows the state of the ledger.",
            code="ledger.unavailable",
            retry_after=1,
        )
