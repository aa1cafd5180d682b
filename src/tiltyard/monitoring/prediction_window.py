"""The recorded predictions of a period, with their labels where these are known."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.labels import LabelCodec, is_label_gap, order_classes, write_label
from tiltyard.evaluation import EvaluatedRows, label_predictions, pair_numbers
from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.ledger import BATCH, Label, Ledger, Prediction
from tiltyard.ledger.label_intake import RecordedLabels, read_recorded_labels
from tiltyard.ledger.model_events import read_decision_rule
from tiltyard.ledger.records import REQUEST, TEXT_GROUP
from tiltyard.project import Project
from tiltyard.tasks import USUAL_TARGET, DecisionRule, TaskTarget, narrow_target, reads_text

MOST_ROWS = 100_000
"""Predictions of a window that are read one by one: the newest. Counts cover all of them."""

MOST_LABELLED = 20_000
"""Labelled predictions of a version that are read: the newest."""

REPRESENTATIVE = 0.95
"""Share of predictions with a label from which on these represent all, whichever were chosen."""


@dataclass(frozen=True)
class PredictionWindow:
    """n recorded predictions, oldest first.

    Attributes:
        model_name: name of the registered model.
        since: start of the period; None for the first prediction.
        until: its end, exclusive; None for now.
        predictions: the n predictions.
        truth: the label that counts, by prediction id, as far as it is known, spelt as the prediction's class; only
            labels on which a rate may be measured.
        left_out: number of older predictions of the period that were not read.
        set_aside: labels that the version of their prediction does not know, by prediction id; they count nowhere.
        chosen: labels of predictions that were chosen for a labelling queue because they are hard, by prediction id.
            They do not represent the predictions: no rate is measured on them.
        group_key: under which key of an input its group stands; default: that of texts.
        rule: by which the newest version in it decides; None where it predicts the likeliest label.
        target: what the version in service predicts; None where only the shape of the predictions tells.
    """

    model_name: str
    since: datetime | None
    until: datetime | None
    predictions: tuple[Prediction, ...]
    truth: Mapping[str, Label]
    left_out: int = 0
    set_aside: Mapping[str, Label] = field(default_factory=dict)
    chosen: Mapping[str, Label] = field(default_factory=dict)
    group_key: str | None = None
    rule: DecisionRule | None = None
    target: TaskTarget | None = None

    def __len__(self) -> int:
        return len(self.predictions)

    @cached_property
    def is_of_numbers(self) -> bool:
        """Whether its predictions are numbers; those of an earlier version that predicted classes are then left out."""
        return any(row.confidence is None for row in self.predictions)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every label that has a probability in a prediction, or that was predicted, in the order of classes.

        None where numbers are predicted.
        """
        if self.is_of_numbers:
            return ()
        with_probability = {label for prediction in self.predictions for label in prediction.probabilities}
        return order_classes(with_probability | set(self.predicted.tolist()))

    @cached_property
    def predicted(self) -> NDArray[np.str_]:
        """n predicted labels."""
        return np.asarray([prediction.label for prediction in self.predictions], dtype=str)

    @cached_property
    def versions(self) -> NDArray[np.str_]:
        """n versions that predicted."""
        return np.asarray([prediction.version for prediction in self.predictions], dtype=str)

    @cached_property
    def routes(self) -> NDArray[np.str_]:
        """n routes by which the predictions went."""
        return np.asarray([prediction.route for prediction in self.predictions], dtype=str)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """n probabilities of the predicted labels; NaN of predicted numbers."""
        shares = [np.nan if row.confidence is None else row.confidence for row in self.predictions]
        return np.asarray(shares, dtype=np.float64)

    @cached_property
    def latency_ms(self) -> NDArray[np.float64]:
        """Times from acceptance to the ledger, in milliseconds, of the predictions for which these were measured."""
        measured = [row.latency_ms for row in self.predictions if row.latency_ms is not None]
        return np.asarray(measured, dtype=np.float64)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """n booleans: whether the label is known."""
        return np.fromiter((row.id in self.truth for row in self.predictions), dtype=np.bool_, count=len(self))

    @property
    def labelled_ids(self) -> frozenset[str]:
        """The predictions that have a label, whatever it is good for."""
        return frozenset({*self.truth, *self.set_aside, *self.chosen})

    @property
    def unknown_labels(self) -> dict[str, int]:
        """How often each label was reported that the version does not know, most frequent first."""
        return dict(Counter(label.label for label in self.set_aside.values()).most_common())

    @property
    def coverage(self) -> float:
        """Share of the predictions that have a label; 0 where there are none."""
        return float(self.known.mean()) if len(self) else 0.0

    @property
    def has_probabilities(self) -> bool:
        """Whether every prediction has the probability of every label, as ranking and calibration need."""
        return len(self) > 0 and all(len(row.probabilities) == len(self.classes) for row in self.predictions)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, k) probabilities, columns in the order of the classes; a label that a prediction does not name has 0."""
        columns = {label: column for column, label in enumerate(self.classes)}
        matrix = np.zeros((len(self), len(self.classes)))
        for row, prediction in enumerate(self.predictions):
            for label, probability in prediction.probabilities.items():
                matrix[row, columns[label]] = probability
        return matrix

    def labels(self) -> NDArray[np.str_]:
        """The labels of the rows that have one, in their order."""
        return np.asarray([self.truth[row.id].label for row in self.predictions if row.id in self.truth], dtype=str)

    def labelled_predictions(self, positive: str | None = None) -> EvaluatedRows:
        """The predictions that have a label, with it; there must be at least one.

        Rows belong together where their inputs name a group; otherwise rows of one request, where these are right or
        wrong together by more than chance explains.

        Args:
            positive: the label that counts as positive; ignored where it does not occur.
        """
        known = self.known
        labels = self.labels()
        rows = [row for row in self.predictions if row.id in self.truth]
        if self.is_of_numbers:
            numbers = [position for position, row in enumerate(rows) if row.confidence is None]
            truth, predicted = (np.asarray(part[numbers], np.float64) for part in (labels, self.predicted[known]))
            clusters = self._name_clusters([rows[position] for position in numbers], np.abs(truth - predicted))
            return pair_numbers(truth, predicted, clusters=clusters, target=narrow_target("number", self.target))
        probabilities = self.probabilities[known] if self.has_probabilities else None
        used = LabelCodec.from_classes({*self.classes, *labels.tolist()}).find_class(positive)
        clusters = self._name_clusters(rows, labels != self.predicted[known])
        rule = None if self.rule is None or set(self.rule.classes) - set(self.classes) else self.rule
        return label_predictions(
            labels,
            self.predicted[known],
            probabilities,
            self.classes,
            used,
            clusters=clusters,
            rule=rule,
            prices=rule,
            target=narrow_target(USUAL_TARGET, self.target),
        )

    def _name_clusters(
        self, rows: Sequence[Prediction], errors: NDArray[np.bool_] | NDArray[np.float64]
    ) -> NDArray[np.str_] | None:
        """What each row shares with others, and its id where that is nothing; None where each row is by itself."""
        groups = [row.input.get(self.group_key or TEXT_GROUP) for row in rows]
        names = [None if is_label_gap(group) else f"group {write_label(group)}" for group in groups]
        if not any(names):
            # Callers are not a sample of callers: those who sent these rows are all that there are.
            names = [row.unit if row.unit is not None and row.unit.startswith(REQUEST) else None for row in rows]
            if not any(names) or not arrange_stream(errors, names).by_unit:
                return None
        return np.asarray([name or f"row {row.id}" for name, row in zip(names, rows, strict=True)], dtype=str)

    def take(self, mask: NDArray[np.bool_]) -> PredictionWindow:
        """The predictions where ``mask`` (n booleans) is true."""
        return self._keep(tuple(row for row, wanted in zip(self.predictions, mask, strict=True) if wanted))

    def without_batches(self, batch_rows: int) -> PredictionWindow:
        """The predictions of live traffic: without those of batch runs, of which the period has so many."""
        live = self.take(self.routes != BATCH)
        read = len(self) - len(live)
        return replace(live, left_out=max(0, self.left_out - max(0, batch_rows - read)))

    def between(self, since: datetime, until: datetime) -> PredictionWindow:
        """The predictions from ``since`` until before ``until``."""
        rows = self.predictions[bisect_left(self._times, since) : bisect_left(self._times, until)]
        return replace(self._keep(rows), since=since, until=until, left_out=0)

    @cached_property
    def _times(self) -> tuple[datetime, ...]:
        return tuple(row.at for row in self.predictions)

    def _keep(self, rows: tuple[Prediction, ...]) -> PredictionWindow:
        return replace(
            self,
            predictions=rows,
            truth=_restrict_labels(self.truth, rows),
            set_aside=_restrict_labels(self.set_aside, rows),
            chosen=_restrict_labels(self.chosen, rows),
        )


def count_batch_rows(ledger: Ledger, model_name: str, since: datetime, until: datetime) -> int:
    """How many predictions of a period were made by batch runs.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    versions = {run.version for run in ledger.batch_runs.select(model_name=model_name)}
    return sum(
        one.rows
        for version in versions
        for one in ledger.profiles.counts(model_name=model_name, version=version, route=BATCH, since=since, until=until)
    )


def read_prediction_window(
    ledger: Ledger,
    model_name: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    version: str | None = None,
    most: int = MOST_ROWS,
) -> PredictionWindow:
    """Read the predictions that callers received in a period, at most ``most`` of them, the newest.

    What a challenger predicted in the shadow is left out.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    newest = ledger.predictions(
        project=model_name, since=since, until=until, version=version, shadow=False, limit=most, newest_first=True
    )
    rows = tuple(reversed(list(newest)))
    begin = rows[0].at if len(rows) == most and rows else since
    ids = {row.id for row in rows}
    labelled = ledger.labelled_predictions(project=model_name, since=begin, until=until, version=version, shadow=False)
    counted, chosen = _split_sample([pair for pair in labelled if pair[0].id in ids], len(rows))
    found = read_recorded_labels(ledger, model_name, counted)
    left_out = 0
    if len(rows) == most and version is None:
        left_out = max(0, ledger.prediction_stats(model_name, since, until).total - len(rows))
    truth = {row.id: label for row, label in found.pairs}
    rule = _read_rule(ledger, model_name, rows)
    return PredictionWindow(model_name, since, until, rows, truth, left_out, found.set_aside, chosen, rule=rule)


@dataclass(frozen=True)
class LabelledSample:
    """A version's labelled predictions.

    Attributes:
        recorded: those on which a rate may be measured.
        chosen: labels of predictions that were chosen because they are hard, by prediction id.
    """

    recorded: RecordedLabels
    chosen: Mapping[str, Label]


def read_labelled_predictions(ledger: Ledger, model_name: str, version: str, until: datetime) -> LabelledSample:
    """A version's newest predictions that have a label from before ``until``, oldest first, at most 20,000.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    newest = ledger.labelled_predictions(
        project=model_name, version=version, shadow=False, until=until, newest_first=True, limit=MOST_LABELLED
    )
    pairs = [(row, label) for row, label in newest if label.at < until][::-1]
    predictions = len(pairs)
    if any(not label.is_sample for _, label in pairs):
        predictions = ledger.prediction_stats(model_name, pairs[0][0].at, until).by_version.get(version, 0)
    counted, chosen = _split_sample(pairs, predictions)
    return LabelledSample(read_recorded_labels(ledger, model_name, counted), chosen)


def read_labelled_window(
    ledger: Ledger,
    model_name: str,
    version: str,
    labelled: LabelledSample,
    window: tuple[datetime, datetime],
    min_rows: int,
) -> PredictionWindow:
    """A version's predictions with the newest labels.

    These are the predictions whose label was reported in the window, however old they are: labels come late. Where they
    are fewer than ``min_rows``, the predictions with the latest labels take their place. The other predictions of the
    same period are included without label, so that coverage can be computed.

    Args:
        ledger: where the predictions are.
        model_name: name of the registered model.
        version: the version.
        labelled: its labelled predictions, as ``read_labelled_predictions`` gives them.
        window: begin and end of the window.
        min_rows: fewest labelled predictions.
    """
    since, until = window
    recorded = labelled.recorded
    latest = sorted(recorded.pairs, key=lambda pair: (pair[1].at, pair[0].id), reverse=True)
    reported = [pair for pair in latest if pair[1].at >= since]
    chosen = reported if len(reported) >= min_rows else latest[:min_rows]
    set_aside = {id_: label for id_, label in recorded.set_aside.items() if label.at >= since}
    hard = {id_: label for id_, label in labelled.chosen.items() if label.at >= since}
    if not chosen:
        return PredictionWindow(model_name, since, until, (), {}, set_aside=set_aside, chosen=hard)
    begin = min(row.at for row, _ in chosen)
    recent = read_prediction_window(ledger, model_name, since=begin, until=until, version=version)
    ids = {row.id for row in recent.predictions}
    # Of a long period only the newest predictions are read: labelled ones among the older ones are added.
    older = tuple(row for row, _ in chosen if row.id not in ids)
    rows = tuple(sorted((*recent.predictions, *older), key=lambda row: (row.at, row.id)))
    truth = {row.id: label for row, label in chosen}
    rule = _read_rule(ledger, model_name, rows)
    return PredictionWindow(model_name, begin, until, rows, truth, recent.left_out, set_aside, hard, rule=rule)


def find_group_key(project: Project) -> str | None:
    """Under which key of a recorded input its group stands; for tables only if the column is a feature."""
    column = project.split.group
    return TEXT_GROUP if column is not None and reads_text(project.project.task) else column


def _split_sample(
    pairs: Sequence[tuple[Prediction, Label]], predictions: int
) -> tuple[Sequence[tuple[Prediction, Label]], dict[str, Label]]:
    """The pairs on which a rate may be measured, and the labels of those that were chosen because they are hard.

    Where nearly all ``predictions`` have a label, nothing was chosen among them, and all pairs count.
    """
    if len(pairs) >= REPRESENTATIVE * predictions:
        return pairs, {}
    chosen = {row.id: label for row, label in pairs if not label.is_sample}
    return [pair for pair in pairs if pair[0].id not in chosen], chosen


def _restrict_labels(labels: Mapping[str, Label], rows: Sequence[Prediction]) -> dict[str, Label]:
    return {row.id: labels[row.id] for row in rows if row.id in labels}


def _read_rule(ledger: Ledger, model_name: str, rows: Sequence[Prediction]) -> DecisionRule | None:
    """The rule of the version that predicted last."""
    if not rows or rows[-1].confidence is None:
        return None
    return read_decision_rule(ledger, model_name, rows[-1].version)
