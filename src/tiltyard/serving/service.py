"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from tiltyard.ledger.ports import Ledger
from tiltyard.project import ServingSection
from tiltyard.serving.batcher import Batcher, BatchLimits
from tiltyard.serving.live import LiveModel
from tiltyard.serving.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running server.

    Attributes:
        live: which version answers.
        ledger: where answers are recorded.
        batcher: what scores and records.
        statistics: totals of what was answered.
        options: the project's ``[serving]``.
        started: when it began, on the monotonic clock, in seconds.
    """

    live: LiveModel
    ledger: Ledger
    batcher: Batcher
    statistics: Statistics
    options: ServingSection
    started: float = field(default_factory=monotonic)

    @classmethod
    def of(cls, live: LiveModel, ledger: Ledger, options: ServingSection) -> Service:
        """Put the parts together."""
        statistics = Statistics()
        limits = BatchLimits(max_batch=options.max_batch, max_queue=options.max_queue)
        batcher = Batcher(live.require, ledger, limits, statistics.add)
        return cls(live, ledger, batcher, statistics, options)
