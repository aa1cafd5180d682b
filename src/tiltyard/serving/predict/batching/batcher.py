"""One batch = one model call = one ledger transaction.

While a batch is being scored, requests gather; when it is done, all that gathered is the next one. There is
no timer: an idle server predicts at once, and a busy one batches by itself. A process that has a single core, and so
cannot read and score at the same time, first reads the requests that follow the responses: that saves commits, and
costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

from tiltyard.errors import UnavailableError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Prediction
from tiltyard.processes.model_calls import CallSlot, ModelCalls
from tiltyard.processes.request_counts import CLIENT_GONE, INTERNAL, NO_MODEL
from tiltyard.scoring import UnknownPolicy
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching.batch_parts import BatchPart, Inputs, predict_parts
from tiltyard.serving.predict.batching.ledger_writer import RETRY_SECONDS, LedgerWriter, Outcome
from tiltyard.serving.predict.batching.outcomes import OutcomeCounter, OutcomeLog, RequestParts
from tiltyard.serving.predict.batching.ticket import Ticket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of the work at hand.

    Attributes:
        max_batch: most inputs in one model call.
        max_queue: most inputs that wait for their batch.
        unknown: what is done about values and columns that training did not know.
        available: whether a prediction that cannot be recorded is returned all the same; it is then recorded later,
            if this process lives.
    """

    max_batch: int = 256
    max_queue: int = 4096
    unknown: UnknownPolicy = field(default_factory=UnknownPolicy)
    available: bool = False


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What the batcher is doing and has done.

    Attributes:
        waiting: inputs that wait for their batch.
        limit: most inputs that may wait.
        batches: batches scored so far.
        largest_batch: inputs of the largest of them.
        ledger_error: why the latest batch could not be recorded; empty if it was.
        unrecorded: predictions that were sent, and wait in memory for the ledger to come back.
    """

    waiting: int
    limit: int
    batches: int
    largest_batch: int
    ledger_error: str
    unrecorded: int = 0


class Batcher:
    """Gathers inputs, scores them together, records the predictions, and only then returns them.

    All methods belong to one event loop; model and ledger are called on the batcher's one thread.

    Args:
        current: returns the version that predicts, or raises ``UnavailableError``; called once a batch.
        ledger: where predictions are recorded before they are returned.
        limits: bounds of batch and queue.
        on_recorded: called with each batch's rows once they are durable, on the batcher's thread.
        challenger: returns the challenger, if there is one.
        outcomes: counts what became of each request, and the time of model calls; None for no counts.

    Attributes:
        calls: where the model call that is under way is noted; at first nowhere that others see.
    """

    def __init__(
        self,
        current: Callable[[], ServedVersion],
        ledger: Ledger,
        limits: BatchLimits = BatchLimits(),
        on_recorded: Callable[[Sequence[PredictionRow]], None] | None = None,
        *,
        challenger: Callable[[], ServedVersion | None] = lambda: None,
        outcomes: OutcomeLog | None = None,
    ) -> None:
        self._current = current
        self._writer = LedgerWriter(ledger, on_recorded, available=limits.available)
        self._limits = limits
        self._challenger = challenger
        self._outcomes = OutcomeCounter(outcomes)
        self.calls: CallSlot = ModelCalls().slot("batch")
        self._parts: deque[BatchPart] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = 0
        self._batches = 0
        self._largest = 0
        self._running = False
        self._gathers_first = has_one_core()
        self._retrying: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._scoring_since: float | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tiltyard-batch")

    @property
    def figures(self) -> BatchFigures:
        """What the batcher is doing and has done."""
        writer = self._writer
        return BatchFigures(
            self._waiting, self._limits.max_queue, self._batches, self._largest, writer.error, writer.pending
        )

    @property
    def scoring_seconds(self) -> float:
        """How long the model call that is under way has taken so far; 0 between calls. From any thread."""
        since = self._scoring_since
        return 0.0 if since is None else perf_counter() - since

    def submit(
        self,
        inputs: Inputs,
        keys: Sequence[str] = (),
        ids: Sequence[str] = (),
        *,
        unit: str | None = None,
        share: float | None = None,
        ignores_columns: bool = False,
    ) -> Ticket:
        """Accept inputs (at least one) to be scored together with others.

        Those of a request that has more than ``max_batch`` are scored in several batches; should one of
        them fail, the request fails, and what was recorded of it stays recorded.

        Args:
            inputs: the inputs of one request.
            keys: the caller's own key of each; empty for none.
            ids: the ids of their predictions, where the caller determines them; empty for new ones.
            unit: what the rows of this request share with each other, and with the caller's other requests.
            share: the challenger's share of the units; it predicts for those that belong to it, if there is a
                challenger. None: the version in service predicts.
            ignores_columns: whether columns that the model does not know are ignored with a warning, not refused.

        Raises:
            UnavailableError: the queue is full, or the batcher is closed.
        """
        if self._closed:
            raise UnavailableError(
                "The server is shutting down.",
                next_step="Send the request again.",
                code="server.closing",
                retry_after=1,
            )
        if self._waiting + len(inputs) > self._limits.max_queue:
            raise UnavailableError(
                f"{self._waiting} inputs wait already, and at most {self._limits.max_queue} may.",
                next_step="Send the request again after the time in Retry-After.",
                code="queue.full",
                retry_after=1,
            )
        loop = self._loop
        if loop is None:  # to look it up is a system call
            loop = self._loop = asyncio.get_running_loop()
        size = self._limits.max_batch
        now = perf_counter()
        if len(inputs) <= size:
            parts = [BatchPart(inputs, 0, now, loop.create_future(), keys, ids, unit, share, ignores_columns)]
        else:
            parts = [
                BatchPart(
                    inputs[start : start + size],
                    start,
                    now,
                    loop.create_future(),
                    keys[start : start + size],
                    ids[start : start + size],
                    unit,
                    share,
                    ignores_columns,
                )
                for start in range(0, len(inputs), size)
            ]
            request = RequestParts(len(parts))
            for part in parts:
                part.request = request
        self._parts.extend(parts)
        self._waiting += len(inputs)
        if not self._running:
            self._start()
        return Ticket(parts, self._withdraw)

    async def predict(self, inputs: Inputs) -> list[Prediction]:
        """Submit inputs and wait for their predictions; see ``submit`` and ``Ticket.result``."""
        return await self.submit(inputs).result()

    async def close(self) -> None:
        """Accept no more, finish all that was accepted, and stop the thread. Closing twice is a no-op."""
        self._closed = True
        await self._idle.wait()
        if self._retrying is not None:
            self._retrying.cancel()
        if self._writer.pending:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._writer.retry)
        self._executor.shutdown()

    def _retry_later(self) -> None:
        """Try again to record predictions, also when no request comes any more."""
        if self._closed or not self._writer.must_retry:
            self._retrying = None
            return
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._executor, self._writer.retry)
        self._retrying = loop.call_later(RETRY_SECONDS, self._retry_later)

    def _withdraw(self, part: BatchPart) -> None:
        if part.queued:
            part.queued = False
            self._waiting -= len(part.inputs)
            self._outcomes.count_failures([part], CLIENT_GONE)

    def _start(self) -> None:
        """Send all that gathered to the thread, up to the size of a batch."""
        batch = self._next_batch()
        self._running = bool(batch)
        if not batch:
            self._idle.set()
            return
        self._idle.clear()
        size = sum(len(part.inputs) for part in batch)
        self._waiting -= size
        self._batches += 1
        self._largest = max(self._largest, size)
        done = asyncio.get_running_loop().run_in_executor(self._executor, self._process_batch, batch)
        done.add_done_callback(lambda done: self._finish(batch, done))

    def _next_batch(self) -> list[BatchPart]:
        batch: list[BatchPart] = []
        room = self._limits.max_batch
        while self._parts and (not self._parts[0].queued or len(self._parts[0].inputs) <= room):
            part = self._parts.popleft()
            if part.queued:
                part.queued = False
                room -= len(part.inputs)
                batch.append(part)
        return batch

    def _finish(self, batch: Sequence[BatchPart], done: asyncio.Future[list[Outcome]]) -> None:
        error = done.exception()
        if error is not None:
            self._outcomes.count_failures(batch, INTERNAL)
        outcomes = done.result() if error is None else [error] * len(batch)
        for part, outcome in zip(batch, outcomes, strict=True):
            if part.future.done():
                continue
            if isinstance(outcome, BaseException):
                part.future.set_exception(outcome)
            else:
                part.future.set_result(outcome)
        if self._writer.must_retry and self._retrying is None:
            self._retrying = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry_later)
        if self._gathers_first:
            # The responses are written first; then come their clients' next requests.
            asyncio.get_running_loop().call_soon(self._gather, -1)
        else:
            self._start()

    def _gather(self, before: int) -> None:
        """Begin the next batch once reading the connections brings no more inputs."""
        if before < self._waiting < self._limits.max_batch or before < 0:
            asyncio.get_running_loop().call_soon(self._gather, self._waiting)
        else:
            self._start()

    def _process_batch(self, batch: Sequence[BatchPart]) -> list[Outcome]:
        """Score and record a batch; runs on the batcher's thread."""
        try:
            version = self._current()
        except UnavailableError as error:
            self._outcomes.count_failures(batch, NO_MODEL)
            return [error] * len(batch)
        self._scoring_since = perf_counter()
        try:
            outcomes = self._predict_batch(batch, version)
        finally:
            # The ledger may be away for long; only a model call that does not end means that the model hangs.
            self._scoring_since = None
            self.calls.end()
        sent = self._writer.record(batch, outcomes)
        self._outcomes.count_parts(batch, outcomes, sent)
        return sent

    def _predict_batch(self, batch: Sequence[BatchPart], version: ServedVersion) -> list[Outcome]:
        """The predictions of the version for a batch, and of the challenger for its parts."""
        challenger = self._challenger() if any(part.share is not None for part in batch) else None
        if challenger is None:
            return self._predict_parts(batch, version)
        assigned = [part for part in batch if part.assign(challenger.info.version)]
        predicted = self._predict_parts(assigned, challenger)
        self._outcomes.count_challenger_errors(assigned, predicted)
        # Where the challenger fails, the caller still gets the champion's prediction.
        outcomes: dict[int, Outcome] = {
            id(part): outcome for part, outcome in zip(assigned, predicted, strict=True) if isinstance(outcome, list)
        }
        rest = [part for part in batch if id(part) not in outcomes]
        outcomes.update(
            (id(part), outcome) for part, outcome in zip(rest, self._predict_parts(rest, version), strict=True)
        )
        return [outcomes[id(part)] for part in batch]

    def _predict_parts(self, parts: Sequence[BatchPart], version: ServedVersion) -> list[Outcome]:
        """A version's predictions for parts, and the time that they took."""
        if not parts:
            return []
        self.calls.begin(version.info.version, len(parts))
        began = perf_counter()
        outcomes = predict_parts(parts, version, self._limits.unknown)
        self._outcomes.time_call(version, parts, outcomes, perf_counter() - began)
        return outcomes


def has_one_core() -> bool:
    """Whether this process may use a single core."""
    return hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1
