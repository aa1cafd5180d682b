"""Predictions of a period: counts, labels, confidence, and the latest ones in a list."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import pandas as pd

from tiltyard.console.data.period import WINDOWS, PredictionPeriod, find_step, floor_moment
from tiltyard.console.data.task_part import TaskConsole
from tiltyard.data.conform.labels import match_labels, order_classes
from tiltyard.errors import TiltyardError
from tiltyard.ledger import Label, Ledger, Prediction, PredictionStats
from tiltyard.ledger.prediction_stats import NO_PREDICTIONS
from tiltyard.ledger.records import full_text
from tiltyard.tasks import USUAL_TARGET, TaskTarget

RECENT = 2000
"""Number of the latest predictions that are read one by one, for the histogram of confidence."""

SEARCH_SECONDS = 1.5
"""After so long a search stops at the end of a bin, and says how far back it came."""

MAX_LISTED = 30
"""Number of listed predictions."""

BINS = 20
"""Number of bins of confidence or of values."""


@dataclass(frozen=True, slots=True)
class PredictionQuery:
    """A selection of predictions.

    Attributes:
        model: name of the registered model.
        window: a key of ``WINDOWS``.
        now: the moment at which the window ends, with a time zone.
        search: words that a listed prediction must contain, all of them, in its input, label, version or id;
            case does not count.
        target: what the model predicts.
        chosen: a range in place of the window.
        version: only predictions of this version are listed; empty: of all.
        route: only predictions of this route are listed; empty: of all.
        label: only predictions of this label are listed; empty: of all.
    """

    model: str
    window: str
    now: datetime
    search: str = ""
    target: TaskTarget = USUAL_TARGET
    chosen: PredictionPeriod | None = None
    version: str = ""
    route: str = ""
    label: str = ""

    @property
    def period(self) -> PredictionPeriod:
        """The time that is selected."""
        return self.chosen or WINDOWS[self.window]

    @property
    def narrows(self) -> bool:
        """Whether not all predictions of the period are listed."""
        return bool(self.search or self.version or self.route or self.label)


@dataclass(frozen=True)
class PredictionsView:
    """Predictions of a window.

    Attributes:
        stats: the exact summary of all predictions of the window.
        timeline: one row per bin and label, empty bins included: ``start`` (UTC), ``label``, ``count``.
        step: width of the timeline's bins.
        bins: the latest predictions by confidence: ``low``, ``high``, ``label``, ``count``; of numbers, by the number.
        numbers: the latest predictions where they are numbers, without infinite ones.
        read: number of the latest predictions that the histogram covers.
        recent: the latest that match the search, newest first.
        searched_since: where the search stopped, as it took too long or had found enough; None: at the beginning.
        any_ever: whether the model has ever predicted, in the window or before.
    """

    stats: PredictionStats
    timeline: pd.DataFrame
    step: timedelta
    bins: pd.DataFrame
    read: int
    recent: tuple[Prediction, ...]
    any_ever: bool
    numbers: tuple[float, ...] = ()
    searched_since: datetime | None = None


def predictions_view(ledger: Ledger, query: PredictionQuery) -> PredictionsView:
    """Count and list the selected predictions.

    Whole hours are counted once for all readers; the work grows with the hours in the window, not with its rows.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    starts, step = _bins(ledger, query)
    found = ledger.profiles.count_steps(model_name=query.model, since=starts[0], until=starts[-1] + step, step=step)
    counted = [found.get(start, NO_PREDICTIONS) for start in starts]
    latest = list(
        ledger.predictions(
            project=query.model, since=starts[0], until=starts[-1] + step, shadow=False, limit=RECENT, newest_first=True
        )
    )
    matching, searched_since = latest[:MAX_LISTED], None
    if query.narrows:
        filled = [start for start, part in zip(starts, counted, strict=True) if part.total]
        matching, searched_since = _search(ledger, query, filled, step)
    of_target = TaskConsole.find_for_target(query.target)
    counted = [of_target.count_values(part) for part in counted]
    stats = _merge(counted)
    return PredictionsView(
        stats=stats,
        timeline=_timeline(starts, counted, list(order_classes(stats.by_label))),
        step=step,
        bins=of_target.count_bins(latest),
        read=len(latest),
        recent=tuple(matching),
        searched_since=searched_since,
        any_ever=stats.total > 0 or _edge(ledger, query.model, newest=True) is not None,
        numbers=of_target.list_numbers(latest),
    )


def _search(
    ledger: Ledger, query: PredictionQuery, starts: Sequence[datetime], step: timedelta
) -> tuple[list[Prediction], datetime | None]:
    """The latest predictions of the bins that match, and from where on all were searched; None: from the first bin."""
    found: list[Prediction] = []
    begun = time.monotonic()
    for start in reversed(starts):
        rows = ledger.predictions(
            project=query.model,
            since=start,
            until=start + step,
            shadow=False,
            search=query.search or None,
            version=query.version or None,
            route=query.route or None,
            newest_first=True,
            limit=None if query.label else MAX_LISTED - len(found),
        )
        wanted = (row for row in rows if row.label == query.label) if query.label else rows
        found.extend(islice(wanted, MAX_LISTED - len(found)))
        is_over = len(found) >= MAX_LISTED or time.monotonic() - begun > SEARCH_SECONDS
        if is_over and start != starts[0]:
            return found, found[-1].at if len(found) >= MAX_LISTED else start
    return found, None


@dataclass(frozen=True)
class FilterValues:
    """What the predictions of a period can be narrowed by.

    Attributes:
        versions: versions that made some of them.
        labels: labels that were predicted, in the order of classes.
    """

    versions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class PeriodValues:
    """The filter values of periods, each read at most once a minute."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._found: dict[str, FilterValues] = {}

    def list_values(self, query: PredictionQuery) -> FilterValues:
        """The versions and labels of the period; none while the ledger cannot be reached."""
        key = f"{query.period.title} {floor_moment(query.now, timedelta(minutes=1))}"
        if key not in self._found:
            try:
                starts, step = _bins(self._ledger, query)
                stats = self._ledger.prediction_stats(query.model, starts[0], starts[-1] + step)
            except TiltyardError:
                # The page itself says what is wrong.
                return FilterValues()
            labels = tuple(order_classes(stats.by_label))
            self._found = {key: FilterValues(tuple(sorted(stats.by_version, key=_version_order)), labels)}
        return self._found[key]


def _version_order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)


@dataclass(frozen=True)
class PredictionDetails:
    """One prediction, with the label that counts where it has one.

    Attributes:
        is_right: whether the label is what was predicted; None without a label, or where labels are numbers.
    """

    prediction: Prediction
    label: Label | None
    is_right: bool | None


def prediction_details(ledger: Ledger, model: str, id_: str) -> PredictionDetails | None:
    """A prediction of a model by its id; None where the ledger has none.

    Raises:
        InputError: nothing can have this id.
        UnavailableError: the ledger cannot be reached.
    """
    found = ledger.prediction(id_)
    if found is None or found.project != model:
        return None
    moment = ledger.labelled_predictions(project=model, since=found.at, until=found.at + timedelta(microseconds=1))
    label = next((label for row, label in moment if row.id == id_), None)
    right = None
    if label is not None and found.confidence is not None:
        right = match_labels([found.label], [label.label])[0]
    return PredictionDetails(found, label, right)


def predictions_stamp(ledger: Ledger, query: PredictionQuery) -> str:
    """A text that changes when the view would: cheap enough for every second, whatever the size of the ledger."""
    newest = _edge(ledger, query.model, newest=True)
    period = query.period
    what = f"{period.title} {query.search} {query.version} {query.route} {query.label}"
    if newest is None:
        return f"none {what}"
    if period.patience is not None:
        return f"{what} {floor_moment(query.now, period.patience)}"
    return f"{newest.id} {what} {_end(query.now, period.step) if period.step else None}"


def format_input(prediction: Prediction, longest: int = 300) -> str:
    """The input as one line of at most ``longest`` characters."""
    text = full_text(prediction.input)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _bins(ledger: Ledger, query: PredictionQuery) -> tuple[list[datetime], timedelta]:
    """The starts of the period's bins, at least one, and their width; the last one contains its end."""
    period = query.period
    now = period.end(query.now)
    if period.span is not None and period.step is not None:
        end = _end(now, period.step)
        if period.until is not None:
            begin = floor_moment(period.until - period.span, period.step)
            return [begin + i * period.step for i in range(max(1, (end - begin) // period.step))], period.step
        return [end - period.span + i * period.step for i in range(period.span // period.step)], period.step
    first = _edge(ledger, query.model, newest=False)
    begin = first.at if first else now
    step = find_step(now - begin)
    begin, end = floor_moment(begin, step), _end(max(now, begin), step)
    return [begin + i * step for i in range((end - begin) // step)], step


def _edge(ledger: Ledger, model: str, *, newest: bool) -> Prediction | None:
    return next(iter(ledger.predictions(project=model, limit=1, newest_first=newest)), None)


def _end(now: datetime, step: timedelta) -> datetime:
    return floor_moment(now, step) + step


def _merge(parts: Iterable[PredictionStats]) -> PredictionStats:
    """Merge the summaries of parts that do not overlap, in the order of time."""
    filled = [part for part in parts if part.total]
    if not filled:
        return NO_PREDICTIONS
    by_label: Counter[str] = Counter()
    by_version: Counter[str] = Counter()
    for part in filled:
        by_label.update(part.by_label)
        by_version.update(part.by_version)
    total, measured = by_label.total(), sum(part.measured_latencies for part in filled)
    sure = [part for part in filled if part.mean_confidence is not None]
    rows = sum(part.total for part in sure)
    latency = sum((part.mean_latency_ms or 0.0) * part.measured_latencies for part in filled)
    return PredictionStats(
        total=total,
        by_label=dict(by_label.most_common()),
        by_version=dict(by_version.most_common()),
        mean_confidence=sum((part.mean_confidence or 0.0) * part.total for part in sure) / rows if sure else None,
        min_confidence=min((part.min_confidence for part in sure if part.min_confidence is not None), default=None),
        max_confidence=max((part.max_confidence for part in sure if part.max_confidence is not None), default=None),
        mean_latency_ms=latency / measured if measured else None,
        measured_latencies=measured,
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
