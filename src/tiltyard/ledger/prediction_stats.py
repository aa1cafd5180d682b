"""Summaries of predictions from partial sums, however these were computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from tiltyard.ledger.records import HourCount, HourProfile, Prediction, PredictionStats
from tiltyard.ledger.storable import from_micros, to_micros

NO_PREDICTIONS = PredictionStats(total=0, by_label={}, by_version={})
"""The summary of no predictions."""


class HourProfiles(Protocol):
    """What past hours hold: counts, and profiles that are kept so that they are computed once."""

    def counts(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourCount]:
        """How many predictions each hour from ``since`` until before ``until`` holds; empty hours are absent.

        Both ends should be whole hours: of an hour that is cut, the part inside is counted."""

    def count_steps(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, PredictionStats]:
        """Summaries of what callers received in each step of time; steps without predictions are absent.

        Args:
            model_name: name of the registered model.
            since: what was predicted before is not counted.
            until: nor from then on.
            step: length of the steps, which begin at its multiples since 1970. Steps of whole hours are quick however
                many predictions there are.
        """

    def count_labelled(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, int]:
        """How many of the predictions of ``count_steps`` have a label, of whatever kind; steps without are absent."""

    def load(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourProfile]:
        """The profiles kept of hours that begin from ``since`` until before ``until``, by hour."""

    def store(self, profiles: Sequence[HourProfile]) -> None:
        """Keep profiles, in one transaction; each takes the place of an earlier one of its hour."""


class StatsTally(NamedTuple):
    """Counts, sums and extremes over some predictions, at least one, of one label and one version.

    Predicted numbers have no label and no confidence: those of one version are one tally.

    ``latency_ms`` is the sum over those whose latency was ``measured``; None where none was.
    """

    label: str
    version: str
    total: int
    confidence: float | None
    least: float | None
    most: float | None
    latency_ms: float | None
    measured: int
    first_us: int
    last_us: int


def tally_prediction(found: Prediction) -> StatsTally:
    """The tally of one prediction."""
    return StatsTally(
        "" if found.confidence is None else found.label,
        found.version,
        total=1,
        confidence=found.confidence,
        least=found.confidence,
        most=found.confidence,
        latency_ms=found.latency_ms,
        measured=int(found.latency_ms is not None),
        first_us=to_micros(found.at),
        last_us=to_micros(found.at),
    )


def combine_tallies(tallies: Iterable[StatsTally]) -> PredictionStats:
    """The summary of all predictions that the tallies cover."""
    # In one order, for sums of floats depend on it.
    parts = sorted(tallies, key=_order)
    if not parts:
        return NO_PREDICTIONS
    by_label: Counter[str] = Counter()
    by_version: Counter[str] = Counter()
    for part in parts:
        if part.confidence is not None:
            by_label[part.label] += part.total
        by_version[part.version] += part.total
    total, measured = by_version.total(), sum(part.measured for part in parts)
    return PredictionStats(
        total=total,
        by_label=dict(by_label.most_common()),
        by_version=dict(by_version.most_common()),
        mean_confidence=sum(part.confidence or 0.0 for part in parts) / by_label.total() if by_label else None,
        min_confidence=min((part.least for part in parts if part.least is not None), default=None),
        max_confidence=max((part.most for part in parts if part.most is not None), default=None),
        mean_latency_ms=sum(part.latency_ms or 0.0 for part in parts) / measured if measured else None,
        measured_latencies=measured,
        first_at=from_micros(min(part.first_us for part in parts)),
        last_at=from_micros(max(part.last_us for part in parts)),
    )


def _order(part: StatsTally) -> StatsTally:
    """A key that can be compared, for None cannot."""
    return part._replace(
        confidence=part.confidence or 0.0,
        least=part.least or 0.0,
        most=part.most or 0.0,
        latency_ms=part.latency_ms or 0.0,
    )
