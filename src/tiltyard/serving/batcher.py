"""One batch = one model call = one ledger transaction.

While a batch is being scored, requests gather; when it is done, all that gathered is the next one. There is
no timer: an idle server answers at once, and a busy one batches by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from tiltyard.errors import InputError, TiltyardError, UnavailableError
from tiltyard.ledger.codec import PredictionRow, decode_prediction
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import score_groups, shifted
from tiltyard.serving.rows import make_rows
from tiltyard.serving.version import ServedVersion

Inputs = Sequence[Mapping[str, Any]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of the work at hand.

    Attributes:
        max_batch: most inputs in one model call.
        max_queue: most inputs that wait for their batch.
    """

    max_batch: int = 256
    max_queue: int = 4096


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What the batcher is doing and has done.

    Attributes:
        waiting: inputs that wait for their batch.
        limit: most inputs that may wait.
        batches: batches scored so far.
        largest_batch: inputs of the largest of them.
        ledger_error: why the latest batch could not be recorded; empty if it was.
    """

    waiting: int
    limit: int
    batches: int
    largest_batch: int
    ledger_error: str


class Batcher:
    """Gathers inputs, scores them together, records the answers, and only then gives them out.

    All methods belong to one event loop; model and ledger are called on one thread of the batcher's own.

    Args:
        current: gives the version that is to answer, or raises ``UnavailableError``; called once a batch.
        ledger: where answers are recorded before they are given.
        limits: bounds of batch and queue.
        on_recorded: told of each batch's rows once they are durable, on the batcher's thread.
    """

    def __init__(
        self,
        current: Callable[[], ServedVersion],
        ledger: Ledger,
        limits: BatchLimits = BatchLimits(),
        on_recorded: Callable[[Sequence[PredictionRow]], None] | None = None,
    ) -> None:
        self._current = current
        self._ledger = ledger
        self._limits = limits
        self._on_recorded = on_recorded
        self._parts: deque[_Part] = deque()
        self._waiting = 0
        self._batches = 0
        self._largest = 0
        self._ledger_error = ""
        self._running = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tiltyard-batch")

    @property
    def figures(self) -> BatchFigures:
        """What is going on."""
        return BatchFigures(self._waiting, self._limits.max_queue, self._batches, self._largest, self._ledger_error)

    def submit(self, inputs: Inputs, keys: Sequence[str] = ()) -> Ticket:
        """Accept inputs (at least one) to be scored together with others.

        Those of a request that has more than ``max_batch`` are answered in several batches; should one of
        them fail, the request fails, and what was recorded of it stays recorded.

        Args:
            inputs: what is asked.
            keys: the caller's own key of each; empty for none.

        Raises:
            UnavailableError: the queue is full, or the batcher is closed.
        """
        if self._closed:
            raise UnavailableError(
                "The server is shutting down.", next_step="Ask again.", code="server.closing", retry_after=1
            )
        if self._waiting + len(inputs) > self._limits.max_queue:
            raise UnavailableError(
                f"{self._waiting} inputs wait already, and at most {self._limits.max_queue} may.",
                next_step="Ask again after the time in Retry-After.",
                code="queue.full",
                retry_after=1,
            )
        loop = asyncio.get_running_loop()
        size = self._limits.max_batch
        now = perf_counter()
        parts = [
            _Part(inputs[start : start + size], start, now, loop.create_future(), keys[start : start + size])
            for start in range(0, len(inputs), size)
        ]
        self._parts.extend(parts)
        self._waiting += len(inputs)
        if not self._running:
            self._start()
        return Ticket(parts, self._withdraw)

    async def answer(self, inputs: Inputs) -> list[Prediction]:
        """Submit inputs and wait for their predictions; see ``submit`` and ``Ticket.result``."""
        return await self.submit(inputs).result()

    async def close(self) -> None:
        """Take no more, answer all that was accepted, and stop the thread. Closing twice is a no-op."""
        self._closed = True
        await self._idle.wait()
        self._executor.shutdown()

    def _withdraw(self, part: _Part) -> None:
        if part.queued:
            part.queued = False
            self._waiting -= len(part.inputs)

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
        done = asyncio.get_running_loop().run_in_executor(self._executor, self._work, batch)
        done.add_done_callback(lambda done: self._finish(batch, done))

    def _next_batch(self) -> list[_Part]:
        batch: list[_Part] = []
        room = self._limits.max_batch
        while self._parts and (not self._parts[0].queued or len(self._parts[0].inputs) <= room):
            part = self._parts.popleft()
            if part.queued:
                part.queued = False
                room -= len(part.inputs)
                batch.append(part)
        return batch

    def _finish(self, batch: Sequence[_Part], done: asyncio.Future[list[_Outcome]]) -> None:
        error = done.exception()
        outcomes = done.result() if error is None else [error] * len(batch)
        for part, outcome in zip(batch, outcomes, strict=True):
            if part.future.done():
                continue
            if isinstance(outcome, BaseException):
                part.future.set_exception(outcome)
            else:
                part.future.set_result(outcome)
        self._start()

    def _work(self, batch: Sequence[_Part]) -> list[_Outcome]:
        """Score and record a batch; runs on the batcher's thread."""
        try:
            version = self._current()
        except UnavailableError as error:
            return [error] * len(batch)
        scored = score_groups(version.scorer, [part.inputs for part in batch])
        outcomes: list[_Outcome] = [
            shifted(scores, part.offset)
            if isinstance(scores, Exception)
            else make_rows(part.inputs, scores, version, part.accepted, part.keys)
            for part, scores in zip(batch, scored, strict=True)
        ]
        return self._record(outcomes)

    def _record(self, outcomes: list[_Outcome]) -> list[_Outcome]:
        """Record all answers at once; where one of them cannot be stored at all, each request by itself."""
        answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        if not answers:
            return outcomes
        rows = [row for answer in answers for row in answer]
        try:
            self._ledger.record_rows(rows)
        except InputError as error:
            if len(answers) > 1:
                return [self._record([outcome])[0] for outcome in outcomes]
            return [outcome if isinstance(outcome, BaseException) else error for outcome in outcomes]
        except Exception as error:  # noqa: BLE001 - whatever keeps a row from being stored, no answer may leave
            refusal = self._not_recorded(error)
            return [outcome if isinstance(outcome, BaseException) else refusal for outcome in outcomes]
        self._ledger_error = ""
        if self._on_recorded is not None:
            self._on_recorded(rows)
        return outcomes

    def _not_recorded(self, error: Exception) -> UnavailableError:
        log.error(
            "A batch could not be recorded: %s",
            error,
            exc_info=None if isinstance(error, TiltyardError) else error,
        )
        self._ledger_error = str(error) or type(error).__name__
        step = error.next_step if isinstance(error, TiltyardError) else ""
        return UnavailableError(
            "The answer could not be recorded, so it is not given.",
            next_step=step or "Ask again; GET /health tells how the ledger is.",
            code="ledger.unavailable",
            retry_after=1,
        )


class Ticket:
    """What was accepted, to be waited for or withdrawn.

    Attributes:
        unheard: whether it was withdrawn because nobody waits for the answer any more.
    """

    def __init__(self, parts: Sequence[_Part], withdraw: Callable[[_Part], None]) -> None:
        self._parts = parts
        self._withdraw = withdraw
        self.unheard = False

    async def result(self) -> list[Prediction]:
        """The predictions in the order of the inputs, once they are durable in the ledger; see ``rows``."""
        return [decode_prediction(row) for row in await self.rows()]

    async def rows(self) -> list[PredictionRow]:
        """The predictions as they are stored, in the order of the inputs, once they are durable in the ledger.

        Raises:
            InputError: an input cannot be scored; positions count within the request.
            UnavailableError: no version is there to answer, or the ledger cannot record.
            asyncio.CancelledError: the ticket was withdrawn.
        """
        try:
            if len(self._parts) == 1:
                return await self._parts[0].future
            answers = await asyncio.gather(*(part.future for part in self._parts))
            return [row for answer in answers for row in answer]
        except BaseException:
            self.withdraw()
            raise

    def withdraw(self) -> None:
        """Take what still waits out of the queue; what is being scored goes unheard."""
        for part in self._parts:
            self._withdraw(part)
            part.future.cancel()

    @property
    def done(self) -> bool:
        """Whether nothing of it is waited for any more."""
        return all(part.future.done() for part in self._parts)


_Outcome = list[PredictionRow] | BaseException


@dataclass(slots=True, eq=False)
class _Part:
    """What of one request goes into one batch."""

    inputs: Inputs
    offset: int
    accepted: float
    future: asyncio.Future[list[PredictionRow]]
    keys: Sequence[str] = ()
    queued: bool = True
