"""How each request for predictions ended: counted once, by version and cause, where the cause is known.

A status says too little: a 503 is a full queue, a full disk or a version that is missing, and none of these is the
model's fault. Only what the model itself does wrong is evidence against its version.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from tiltyard.errors import InputError, TiltyardError, UnavailableError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.processes.request_counts import (
    CLIENT_GONE,
    CLOSING,
    MODEL_ERROR,
    NO_MODEL,
    OVERLOAD,
    PREDICTED,
    REFUSED,
    REPEATED_ERROR,
    STORAGE,
)
from tiltyard.serving.model.served_version import ServedVersion

SIZES = ((1, "1"), (8, "2-8"), (64, "9-64"))
"""Most inputs of a model call, by the name of its class; larger calls are ``65+``."""

# Inputs that are remembered as failed, for each version; beyond, every error counts as a new one.
MOST_REMEMBERED = 10_000
MOST_LISTED = 20

_encode = msgspec.json.Encoder(order="sorted").encode

OutcomeKey = tuple[str, str, str]
"""Version, route of the decision (such as ``champion``), and outcome."""


class OutcomeLog(Protocol):
    """Counts outcomes and the time of model calls; called from several threads."""

    def count_outcomes(self, counts: Counter[OutcomeKey]) -> None:
        """Add to the counts of requests, by version, route and outcome."""

    def count_failed_input(self, version: str, digest: str) -> None:
        """Note an input on which a version failed for the first time."""

    def time_model(self, version: str, size: str, seconds: float) -> None:
        """Count a model call by its version, the class of its size, and its time."""


class CountablePart(Protocol):
    """A request's part of a batch, as far as it is counted."""

    inputs: Sequence[Any]
    version: ServedVersion | None
    request: RequestParts | None

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""


class RequestParts:
    """Counts a request of several parts once: by the first part that fails, or when the last one has succeeded."""

    __slots__ = ("counted", "left")

    def __init__(self, parts: int) -> None:
        self.left, self.counted = parts, False

    def should_count(self, *, good: bool) -> bool:
        """Whether the request is to be counted by the outcome of this part."""
        self.left -= 1
        if self.counted or (good and self.left):
            return False
        self.counted = True
        return True


class OutcomeCounter:
    """Counts what became of the parts of batches; belongs to the batcher.

    Args:
        log: where the counts go; None counts nothing.
    """

    def __init__(self, log: OutcomeLog | None) -> None:
        self._log = log
        self._failed: dict[str, set[str]] = {}

    def count_parts(self, parts: Sequence[CountablePart], predicted: Sequence[Any], sent: Sequence[Any]) -> None:
        """Count the parts of a batch.

        Args:
            parts: the parts.
            predicted: what the model made of each: rows, or its error.
            sent: the same after the rows were recorded: an error instead of rows that could not be.
        """
        if self._log is None:
            return
        counts: Counter[OutcomeKey] = Counter()
        version, route, together = "", "", 0
        for part, before, after in zip(parts, predicted, sent, strict=True):
            if isinstance(after, list) and part.request is None and not part.cancelled:
                # Nearly all are of this kind, and thousands a second: those of one version are counted together.
                row: PredictionRow = after[0]
                if row.version is not version or row.route is not route:
                    counts[version, route, PREDICTED] += together
                    version, route, together = row.version, row.route, 0
                together += 1
                continue
            outcome = self._find_outcome(part, before, after)
            if part.request is None or part.request.should_count(good=outcome == PREDICTED):
                counts[(*_name_version(part.version, before), outcome)] += 1
        counts[version, route, PREDICTED] += together
        self._log.count_outcomes(+counts)

    def count_failures(self, parts: Iterable[CountablePart], outcome: str) -> None:
        """Count requests that all ended in the same way."""
        if self._log is None:
            return
        counts: Counter[OutcomeKey] = Counter()
        for part in parts:
            if part.request is None or part.request.should_count(good=False):
                counts[(*_name_version(part.version), outcome)] += 1
        if counts:
            self._log.count_outcomes(counts)

    def count_challenger_errors(self, parts: Sequence[CountablePart], outcomes: Sequence[Any]) -> None:
        """Count errors of the challenger, in whose place the champion predicts; the request is counted later."""
        if self._log is None:
            return
        counts: Counter[OutcomeKey] = Counter()
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                counts[(*_name_version(part.version), self._find_outcome(part, outcome, outcome))] += 1
        if counts:
            self._log.count_outcomes(counts)

    def time_call(
        self, version: ServedVersion, parts: Sequence[CountablePart], outcomes: Sequence[Any], seconds: float
    ) -> None:
        """Count the time of a model call; one with an error is left out, for then inputs are scored more than once."""
        if self._log is not None and set(map(type, outcomes)) == {list}:
            inputs = sum([len(part.inputs) for part in parts])
            self._log.time_model(version.info.version, size_class(inputs), seconds)

    def _find_outcome(self, part: CountablePart, before: Any, after: Any) -> str:
        if isinstance(before, list):
            if isinstance(after, InputError):
                return REFUSED  # it can never be stored
            if isinstance(after, BaseException):
                return STORAGE
            return CLIENT_GONE if part.cancelled else PREDICTED
        if isinstance(before, InputError):
            return REFUSED
        version = part.version.info.version if part.version is not None else ""
        return MODEL_ERROR if self._is_new(version, part.inputs) else REPEATED_ERROR

    def _is_new(self, version: str, inputs: Sequence[Any]) -> bool:
        """Whether a version fails on these inputs for the first time, as far as is remembered."""
        failed = self._failed.setdefault(version, set())
        digest = hashlib.sha256(_encode(inputs)).hexdigest()[:16]
        if digest in failed:
            return False
        if len(failed) < MOST_REMEMBERED:
            failed.add(digest)
            if self._log is not None and len(failed) <= MOST_LISTED:
                self._log.count_failed_input(version, digest)
        return True


def name_refusal(error: TiltyardError) -> str:
    """The outcome of a request that was turned away before the model got it."""
    if error.code in ("queue.full", "server.bodies"):
        return OVERLOAD
    if error.code == "server.closing":
        return CLOSING
    if error.code == "idempotency.unavailable":
        return STORAGE
    return NO_MODEL if isinstance(error, UnavailableError) else REFUSED


def size_class(inputs: int) -> str:
    """The class of a model call by its number of inputs, so that only calls of about one size are compared."""
    return next((name for most, name in SIZES if inputs <= most), "65+")


def _name_version(version: ServedVersion | None, outcome: Any = None) -> tuple[str, str]:
    """Version and route: of the rows where there are some, else of the version that was to predict."""
    if isinstance(outcome, list) and outcome:
        row: PredictionRow = outcome[0]
        return row.version, row.route
    return ("", "") if version is None else (version.info.version, version.alias)
