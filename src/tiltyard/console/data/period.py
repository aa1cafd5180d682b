"""The time that a page is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_BINS = 60
COUNTED_BY_ROW = timedelta(hours=3)
"""Longest range whose bins may be narrower than an hour."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320))


@dataclass(frozen=True, slots=True)
class PredictionPeriod:
    """A period that ends now, or a range of two moments.

    Attributes:
        title: for people.
        span: its length; None for all time.
        step: width of its bins; None to derive it from the data.
        patience: a long window costs more to count, and changes less, than a short one: it is refreshed at most this
            often. None to refresh at every new prediction.
        until: its end; None for now.
    """

    title: str
    span: timedelta | None = None
    step: timedelta | None = None
    patience: timedelta | None = None
    until: datetime | None = None

    def end(self, now: datetime) -> datetime:
        """Its end: a moment, or now."""
        return now if self.until is None else min(self.until, now)

    def begin(self, now: datetime, first: datetime | None) -> datetime:
        """Its begin: of all time, that of the ``first`` prediction, or now where there is none."""
        end = self.end(now)
        return (first or end) if self.span is None else (self.until or now) - self.span


WINDOWS: Mapping[str, PredictionPeriod] = {
    "hour": PredictionPeriod("Last hour", timedelta(hours=1), timedelta(minutes=1)),
    "day": PredictionPeriod("Last 24 hours", timedelta(days=1), timedelta(hours=1)),
    "week": PredictionPeriod("Last 7 days", timedelta(days=7), timedelta(hours=3), patience=timedelta(minutes=1)),
    "month": PredictionPeriod("Last 30 days", timedelta(days=30), timedelta(hours=12), patience=timedelta(minutes=1)),
    "all": PredictionPeriod("All time", patience=timedelta(minutes=1)),
}


def choose_range(since: datetime, until: datetime) -> PredictionPeriod:
    """The period from one moment to a later one, in at most 60 bins."""
    span = until - since
    step = find_step(span)
    if span > COUNTED_BY_ROW:
        # Whole hours are counted once for all readers; narrower bins are counted row by row.
        step = max(step, timedelta(hours=1))
    title = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    return PredictionPeriod(title, span, step, timedelta(minutes=1), until)


def find_step(span: timedelta, most: int = MAX_BINS) -> timedelta:
    """The least width of bins with which a span has fewer than ``most``."""
    return next((step for step in STEPS if span / step < most), STEPS[-1])


def floor_moment(moment: datetime, step: timedelta) -> datetime:
    """The begin of the bin that holds a moment."""
    return moment - (moment - EPOCH) % step
