"""Answers of a stretch of time: how many, what, how sure, and the latest one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from tiltyard.ledger import Ledger, Prediction, PredictionStats

RECENT = 2000
"""How many of the latest answers are read one by one: for the histogram of confidences, and to search in."""

SHOWN = 30
"""How many of those are listed."""

_CONFIDENCE_BINS = 20
_MOST_BINS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320))


@dataclass(frozen=True, slots=True)
class PredictionPeriod:
    """A stretch of time that ends now.

    Attributes:
        title: for people.
        span: how long; None for everything there is.
        step: width of its bins; None where that follows from what there is.
        patience: a long window costs more to count, and changes less, than a short one: it is drawn anew at most so
            often. None for whenever there is a new answer.
    """

    title: str
    span: timedelta | None = None
    step: timedelta | None = None
    patience: timedelta | None = None


WINDOWS: Mapping[str, PredictionPeriod] = {
    "hour": PredictionPeriod("Last hour", timedelta(hours=1), timedelta(minutes=1)),
    "day": PredictionPeriod("Last 24 hours", timedelta(days=1), timedelta(minutes=30)),
    "week": PredictionPeriod("Last 7 days", timedelta(days=7), timedelta(hours=3), patience=timedelta(minutes=1)),
    "all": PredictionPeriod("All time", patience=timedelta(minutes=1)),
}


@dataclass(frozen=True, slots=True)
class PredictionQuery:
    """Which answers are meant.

    Attributes:
        model: name of the registered model.
        window: a key of ``WINDOWS``.
        now: the moment at which the window ends, with a time zone.
        search: words that a listed answer must contain, all of them, in its input, label, version or id;
            upper and lower case are the same.
    """

    model: str
    window: str
    now: datetime
    search: str = ""


@dataclass(frozen=True)
class PredictionsView:
    """Answers of a window.

    Attributes:
        stats: the summary of all answers of the window, exact.
        timeline: one row a bin and label, also where nothing was answered: ``start`` (UTC), ``label``, ``count``.
        step: width of the timeline's bins.
        confidence: the latest answers by confidence: ``low``, ``high``, ``label``, ``count``.
        read: how many of the latest answers the histogram and the search stand on.
        found: how many of those match the search.
        recent: the latest of those, newest first.
        any_ever: whether the model has answered at all, in the window or before.
    """

    stats: PredictionStats
    timeline: pd.DataFrame
    step: timedelta
    confidence: pd.DataFrame
    read: int
    found: int
    recent: tuple[Prediction, ...]
    any_ever: bool


def predictions_view(ledger: Ledger, query: PredictionQuery) -> PredictionsView:
    """The answers that are meant, counted and listed.

    The work grows with the answers in the window, counted once by the database, and not with those before it.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    starts, step = _bins(ledger, query)
    counted = [ledger.prediction_stats(query.model, start, start + step) for start in starts]
    latest = list(
        ledger.predictions(
            project=query.model, since=starts[0], until=starts[-1] + step, shadow=False, limit=RECENT, newest_first=True
        )
    )
    found = [prediction for prediction in latest if _matches(prediction, query.search)]
    stats = _merge(counted)
    return PredictionsView(
        stats=stats,
        timeline=_timeline(starts, counted, sorted(stats.by_label)),
        step=step,
        confidence=_confidence_histogram(latest),
        read=len(latest),
        found=len(found),
        recent=tuple(found[:SHOWN]),
        any_ever=stats.total > 0 or _edge(ledger, query.model, newest=True) is not None,
    )


def predictions_stamp(ledger: Ledger, query: PredictionQuery) -> str:
    """A text that changes when the view would: cheap to ask every second, whatever the ledger holds."""
    newest = _edge(ledger, query.model, newest=True)
    if newest is None:
        return f"none {query.window}"
    window = WINDOWS[query.window]
    if window.patience is not None:
        return f"{query.window} {_floor(query.now, window.patience)} {query.search}"
    end = _end(query.now, window.step) if window.step else None
    return f"{newest.id} {query.window} {end} {query.search}"


def shown_input(prediction: Prediction, longest: int = 300) -> str:
    """What was asked, as one line of at most ``longest`` characters."""
    text = full_text(prediction.input)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def full_text(given: Mapping[str, Any]) -> str:
    """An input as one line: the text, or each feature with its value."""
    if set(given) == {"text"}:
        return " ".join(str(given["text"]).split())
    return ", ".join(f"{name} {'–' if value is None else value}" for name, value in given.items())


def _matches(prediction: Prediction, search: str) -> bool:
    words = search.casefold().split()
    if not words:
        return True
    place = f"{full_text(prediction.input)} {prediction.label} {prediction.version} {prediction.id}".casefold()
    return all(word in place for word in words)


def _bins(ledger: Ledger, query: PredictionQuery) -> tuple[list[datetime], timedelta]:
    """Where the bins of the window start, at least one, and how wide they are; the last one contains now."""
    window = WINDOWS[query.window]
    if window.span is not None and window.step is not None:
        end = _end(query.now, window.step)
        return [end - window.span + i * window.step for i in range(window.span // window.step)], window.step
    first = _edge(ledger, query.model, newest=False)
    begin = first.at if first else query.now
    step = next((step for step in _STEPS if (query.now - begin) / step < _MOST_BINS), _STEPS[-1])
    begin, end = _floor(begin, step), _end(max(query.now, begin), step)
    return [begin + i * step for i in range((end - begin) // step)], step


def _edge(ledger: Ledger, model: str, *, newest: bool) -> Prediction | None:
    return next(iter(ledger.predictions(project=model, limit=1, newest_first=newest)), None)


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def _end(now: datetime, step: timedelta) -> datetime:
    return _floor(now, step) + step


def _merge(parts: Iterable[PredictionStats]) -> PredictionStats:
    """The summary of all from the summaries of parts that do not overlap, in the order of time."""
    filled = [part for part in parts if part.total]
    if not filled:
        return PredictionStats(total=0, by_label={}, by_version={})
    by_label: Counter[str] = Counter()
    by_version: Counter[str] = Counter()
    for part in filled:
        by_label.update(part.by_label)
        by_version.update(part.by_version)
    total = by_label.total()
    return PredictionStats(
        total=total,
        by_label=dict(by_label.most_common()),
        by_version=dict(by_version.most_common()),
        mean_confidence=sum((part.mean_confidence or 0.0) * part.total for part in filled) / total,
        min_confidence=min(part.min_confidence for part in filled if part.min_confidence is not None),
        max_confidence=max(part.max_confidence for part in filled if part.max_confidence is not None),
        mean_latency_ms=sum((part.mean_latency_ms or 0.0) * part.total for part in filled) / total,
        first_at=filled[0].first_at,
        last_at=filled[-1].last_at,
    )


def _timeline(starts: Sequence[datetime], counted: Sequence[PredictionStats], labels: Sequence[str]) -> pd.DataFrame:
    rows = [
        (start, label, stats.by_label.get(label, 0))
        for start, stats in zip(starts, counted, strict=True)
        for label in labels
    ]
    return pd.DataFrame(rows, columns=["start", "label", "count"])


def _confidence_histogram(latest: Sequence[Prediction]) -> pd.DataFrame:
    """Counts of (label, bin) in 20 bins over 0 to 1; the last bin includes 1. Bins below the lowest are left out."""
    counts = Counter(
        (prediction.label, min(int(prediction.confidence * _CONFIDENCE_BINS), _CONFIDENCE_BINS - 1))
        for prediction in latest
    )
    lowest = min((position for _, position in counts), default=0)
    rows = [
        (position / _CONFIDENCE_BINS, (position + 1) / _CONFIDENCE_BINS, label, counts[label, position])
        for label in sorted({label for label, _ in counts})
        for position in range(lowest, _CONFIDENCE_BINS)
    ]
    return pd.DataFrame(rows, columns=["low", "high", "label", "count"])
