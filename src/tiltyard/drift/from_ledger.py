"""Drift of the inputs that a version received lately, from the ledger: an hour's profile is computed once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np

from tiltyard.data.conform.frames import read_sent_rows
from tiltyard.data.conform.schema import TableSchema
from tiltyard.drift.detectors.suite import DriftTest
from tiltyard.drift.findings import VERDICT, WHOLE, DriftEvaluation, evaluate_drift, evaluate_without_reference
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Layout, Profile, Reference, Rows, profile_rows, rows_frame
from tiltyard.drift.profiles.categories import CategoryCounts
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.rows import as_numbers
from tiltyard.drift.profiles.schema import LABEL
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.seasons import explain_by_season
from tiltyard.errors import ArtifactError
from tiltyard.findings import could_not_judge
from tiltyard.ledger import HourCount, HourProfile, Label, Ledger, Prediction
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.ledger.label_intake import read_recorded_labels

HOUR = timedelta(hours=1)

_AT_ONCE = 10_000

T = TypeVar("T")


@dataclass(frozen=True)
class PredictionSource:
    """Whose predictions are meant.

    Attributes:
        model_name: name of the registered model.
        version: registry version that predicted.
        route: as which it predicted: champion, challenger or shadow.
        schema: how the version reads the cells of its rows; None for texts, and where that is not known.
    """

    model_name: str
    version: str
    route: str = "champion"
    schema: TableSchema | None = None


def find_drift(
    ledger: Ledger,
    profile: bytes | None,
    source: PredictionSource,
    window: tuple[datetime, datetime],
    options: DriftOptions | None = None,
) -> DriftEvaluation:
    """Compare the inputs that a version received in a window with those of its training.

    Args:
        ledger: where the predictions are; profiles of past hours are kept there.
        profile: the version's ``profile.json``; None where it has none.
        source: whose predictions.
        window: begin and end, with time zones; the begin is moved back to the full hour.
        options: how drift is decided.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    since, until = _floor_to_hour(window[0]), window[1]
    if profile is None:
        return evaluate_without_reference(source.version).between(since, until)
    try:
        reference = Reference.from_bytes(profile)
    except ArtifactError as error:
        # Of another format: everything else is monitored all the same.
        unread = could_not_judge(VERDICT, WHOLE, error.message, error.next_step)
        return DriftEvaluation((unread,)).between(since, until)
    return compare_window(ledger, reference, source, window, options)


def compare_window(
    ledger: Ledger,
    reference: Reference,
    source: PredictionSource,
    window: tuple[datetime, datetime],
    options: DriftOptions | None = None,
    further: Sequence[DriftTest] = (),
) -> DriftEvaluation:
    """Compare the inputs that a version received in a window with a reference of its layout; see ``find_drift``.

    ``further`` tests of the same rows, beyond profiles, are corrected and decided with the others.
    """
    since, until = _floor_to_hour(window[0]), window[1]
    seen = read_window(ledger, reference.layout, source, (since, until))
    evaluation = evaluate_drift(reference, seen[0], options, further, hours=seen[1])

    def read_earlier(period: tuple[datetime, datetime]) -> tuple[Profile, RowHours | None]:
        return read_window(ledger, reference.layout, source, period)

    explained = explain_by_season(evaluation, reference, seen, (since, until), read_earlier, options or DriftOptions())
    return explained.between(since, until)


def window_profile(
    ledger: Ledger, layout: Layout, source: PredictionSource, window: tuple[datetime, datetime]
) -> Profile:
    """The profile of a version's predictions in a window; see ``read_window``."""
    return read_window(ledger, layout, source, window)[0]


def read_window(
    ledger: Ledger, layout: Layout, source: PredictionSource, window: tuple[datetime, datetime]
) -> tuple[Profile, RowHours | None]:
    """The profile of a version's predictions in a window and of the labels that are known of them, and their hours.

    Past hours come from the profiles in the ledger, where their number of rows and newest id still hold; others (late
    rows, another layout, the current hour) are profiled now. Costs a count of the window's rows, and the reading of
    those that are new.
    """
    since, until = _floor_to_hour(window[0]), window[1]
    named = {"model_name": source.model_name, "version": source.version, "route": source.route}
    counts = ledger.profiles.counts(**named, since=since, until=until)
    known = {one.hour: one for one in ledger.profiles.load(**named, since=since, until=until)}
    total = Profile.empty(layout)
    fresh: list[HourProfile] = []
    for count in counts:
        stored = known.get(count.hour)
        if stored is not None and _is_current(stored, count, layout):
            total = total + Profile.from_bytes(stored.body)
            continue
        end = min(count.hour + HOUR, until)
        rows = ledger.predictions(
            project=source.model_name,
            version=source.version,
            route=source.route,
            since=count.hour,
            until=end,
        )
        read = _CountedPredictions(rows)
        made = profile_predictions(layout, read, source.schema)
        total = total + made
        # An hour that is cut, or that grew while it was read, is not kept.
        if end == count.hour + HOUR and read.count == count.rows:
            fresh.append(_make_hour_profile(source, count, made))
    ledger.profiles.store(fresh)
    hours = RowHours.from_counts({count.hour: count.rows for count in counts})
    return _add_labels(ledger, layout, source, (since, until), total), hours


def profile_predictions(
    layout: Layout, predictions: Iterable[Prediction], schema: TableSchema | None = None
) -> Profile:
    """The profile of recorded predictions, read some thousands at a time; without those whose input was redacted."""
    total = Profile.empty(layout)
    for some in _split_into_batches(one for one in predictions if not is_redacted(one.input)):
        inputs = rows_frame((one.input for one in some), layout.columns)
        rows = Rows(
            inputs if schema is None else read_sent_rows(inputs, schema),
            np.array([one.label for one in some], object),
            np.array([np.nan if one.confidence is None else one.confidence for one in some], np.float64),
        )
        total = total + profile_rows(layout, rows)
    return total


def _add_labels(
    ledger: Ledger, layout: Layout, source: PredictionSource, window: tuple[datetime, datetime], total: Profile
) -> Profile:
    is_number = LABEL in layout.numbers
    if LABEL not in layout.categories and not is_number:
        return total
    known = ledger.labelled_predictions(
        project=source.model_name,
        version=source.version,
        route=source.route,
        since=window[0],
        until=window[1],
    )
    if is_number:
        return _add_numbers(layout.numbers[LABEL], (pair for pair in known), total)
    counts = CategoryCounts.empty(layout.categories[LABEL])
    for some in _split_into_batches(known):
        # Predictions that were chosen because they are hard have other classes than the rest.
        found = read_recorded_labels(ledger, source.model_name, [pair for pair in some if pair[1].is_sample])
        # A label that the version does not know is drift too: it counts among the other values.
        each = [*(label for _, label in found.pairs), *found.set_aside.values()]
        labels = np.array([label.label for label in each], object)
        counts = counts + CategoryCounts.from_values(layout.categories[LABEL], labels)
    with_them = Profile(total.layout, 0, total.numbers, {**total.categories, LABEL: counts}, total.terms)
    return total.with_parts(with_them, [LABEL])


def _add_numbers(layout: NumberLayout, known: Iterable[tuple[Prediction, Label]], total: Profile) -> Profile:
    """The profile with the true numbers of labelled predictions, but of those that were chosen as hard."""
    counts = NumberCounts.empty(layout)
    for some in _split_into_batches(known):
        counts += NumberCounts.from_values(
            layout, as_numbers(np.array([one.label for _, one in some if one.is_sample])), 0
        )
    return total.with_parts(replace(total, rows=0, numbers={**total.numbers, LABEL: counts}), [LABEL])


class _CountedPredictions:
    """Predictions, counted as they are read."""

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._predictions = predictions
        self.count = 0

    def __iter__(self) -> Iterator[Prediction]:
        for one in self._predictions:
            self.count += 1
            yield one


def _is_current(stored: HourProfile, count: HourCount, layout: Layout) -> bool:
    return (stored.layout, stored.rows, stored.newest) == (layout.digest, count.rows, count.newest)


def _make_hour_profile(source: PredictionSource, count: HourCount, made: Profile) -> HourProfile:
    return HourProfile(
        source.model_name,
        source.version,
        source.route,
        count.hour,
        made.layout,
        count.rows,
        count.newest,
        made.to_bytes(),
    )


def _floor_to_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _split_into_batches(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
