"""Importance of the columns of a table or the terms of texts, and its change from another version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.labels import order_classes
from tiltyard.evaluation.groups import make_keys
from tiltyard.evaluation.labelled_predictions import LabelledPredictions, label_predictions
from tiltyard.evaluation.metrics import Metric
from tiltyard.jsonable import json_form

Kind = Literal["permutation", "terms"]
Predict = Callable[[pd.DataFrame], NDArray[np.float64]]

MOST_ROWS = 2_000
REPEATS = 3
# The 97.5 % quantile of Student's t with 4 degrees of freedom: of two means over 3 shuffles each.
_STUDENT_T = 2.776
# Rows that are predicted for the permutation importance, all columns and repeats together: about a second of work.
MOST_PREDICTED = 60_000

# Terms that are kept for each label.
MOST_TERMS = 50

# The largest changes that are reported, up and down together.
MOST_CHANGES = 20


@dataclass(frozen=True)
class FeatureWeight:
    """How much one feature counts.

    Attributes:
        name: a column or a term.
        value: its importance, in the unit of its kind.
        deviation: standard deviation over the repeats, for columns.
        label: the label that a term speaks for; None for columns.
    """

    name: str
    value: float
    deviation: float | None = None
    label: str | None = None


@dataclass(frozen=True)
class Importance:
    """The importance of features in a version.

    Attributes:
        kind: ``permutation`` (columns) or ``terms``.
        unit: what the values are measured in, for people.
        rows: rows that it was computed on.
        features: the features, the most important first (of terms, label by label).
    """

    kind: Kind
    unit: str
    rows: int
    features: tuple[FeatureWeight, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """For a run: ``importance.COLUMN`` of each column; terms come and go, so there is no metric of one."""
        if self.kind == "terms":
            return {}
        keys = make_keys([feature.name for feature in self.features])
        return {f"importance.{key}": feature.value for key, feature in zip(keys, self.features, strict=True)}


@json_form(also=("difference",))
@dataclass(frozen=True)
class Change:
    """How much more a feature counts than it did.

    Attributes:
        name: the feature.
        label: the label that a term speaks for.
        before: its share of all importance in the earlier version, 0 to 1; a value below 0 counts as 0.
        after: the same in the later version.
        chance: differences up to this size are chance, by the deviations of the shuffles of both versions (Student's
            t, 95 %); what other test rows would change is not counted. None for terms.
    """

    name: str
    label: str | None
    before: float
    after: float
    chance: float | None = None

    @property
    def difference(self) -> float:
        """By how much its share rose."""
        return self.after - self.before

    @property
    def is_clear(self) -> bool:
        """Whether the difference is known to exceed chance."""
        return self.chance is not None and abs(self.difference) > self.chance


@dataclass(frozen=True)
class ImportanceChange:
    """The importance of features, compared with another version.

    Attributes:
        rank_correlation: Spearman's, of the features of both: 1 is the same order. None where there are fewer than
            three, or one side has no order.
        rose: features that count for more, the largest change first.
        fell: features that count for less, the largest change first.
    """

    rank_correlation: float | None
    rose: tuple[Change, ...]
    fell: tuple[Change, ...]


def permutation_importance(
    predict: Predict, inputs: pd.DataFrame, labelled: LabelledPredictions, metric: Metric, *, seed: int = 0
) -> Importance | None:
    """By how much a metric gets worse when one column is shuffled (Breiman, 2001; Fisher, Rudin and Dominici, 2019).

    The mean over 3 shuffles of at most 2,000 rows, of fewer where there are more than ten columns, so that the time is
    bounded; chosen and shuffled by the seed. Rows whose cell is the same after the shuffle are not predicted again.
    Columns that say the same stand in for each other: each may then look unimportant.

    Args:
        predict: from rows to probabilities, (n, k); a row's prediction must not depend on the other rows.
        inputs: n rows.
        labelled: the predictions for these rows; their classes are the k labels.
        metric: the metric that gets worse.
        seed: of the choice and the shuffles.

    Returns:
        The importance of every column, greatest first; None where the metric is not defined on the chosen rows.
    """
    random = np.random.default_rng(seed)
    rows = min(len(inputs), MOST_ROWS, max(1, MOST_PREDICTED // (REPEATS * max(1, inputs.shape[1]))))
    chosen = np.sort(random.choice(len(inputs), rows, replace=False))
    inputs, labelled = inputs.iloc[chosen].reset_index(drop=True), labelled.take(chosen)
    if labelled.probabilities is None or metric.explain_undefined(labelled):
        return None
    sign = 1.0 if metric.bigger_is_better else -1.0
    whole = metric.compute(labelled)
    found = []
    for position in range(inputs.shape[1]):
        order = np.stack([random.permutation(rows) for _ in range(REPEATS)])
        shuffled = _predict_shuffled(predict, inputs, position, order, labelled.probabilities)
        losses = [sign * (whole - metric.compute(_relabel(labelled, probabilities))) for probabilities in shuffled]
        found.append(FeatureWeight(str(inputs.columns[position]), float(np.mean(losses)), float(np.std(losses))))
    found.sort(key=lambda feature: (-feature.value, feature.name))
    return Importance("permutation", f"loss of {metric.title.lower()}", rows, tuple(found))


def term_importance(pipeline: Any, texts: pd.Series, *, seed: int = 0) -> Importance | None:
    """The terms that speak most for each label, of a linear model over terms.

    A term counts as the weight that the model gives it times the standard deviation of its column over the texts: by
    how much it typically moves the score. A plain weight would favour terms that hardly ever occur. For naive Bayes
    the weight is the log-probability less its mean over the other labels.

    Args:
        pipeline: a fitted pipeline whose last step is linear and whose other steps name their columns.
        texts: n texts, of which at most 2,000 are read.
        seed: of the choice of texts.

    Returns:
        For each label the terms with the greatest importance above 0, at most 50; of a pool with a convolution those
        of its linear part, as ``unit`` then says; None for other models.
    """
    linear_part = getattr(pipeline[-1], "linear_", None)
    if linear_part is not None:
        part = term_importance(linear_part, texts, seed=seed)
        return part and replace(part, unit=f"{part.unit}, in the linear part")
    weights = _linear_weights(pipeline[-1]) if len(pipeline.steps) > 1 else None
    if weights is None or not all(hasattr(step, "get_feature_names_out") for _, step in pipeline.steps[:-1]):
        return None
    rows = min(len(texts), MOST_ROWS)
    chosen = np.sort(np.random.default_rng(seed).choice(len(texts), rows, replace=False))
    effects = weights * _deviations(pipeline[:-1].transform(texts.iloc[chosen]))
    best = np.argsort(-effects, axis=1, kind="stable")[:, :MOST_TERMS]
    names = _read_term_names(pipeline, np.unique(best))
    classes = [str(label) for label in pipeline.classes_]
    places = {label: place for place, label in enumerate(classes)}
    features = [
        FeatureWeight(names[term], float(row[term]), label=label)
        for label in order_classes(classes)
        for row, terms in ((effects[places[label]], best[places[label]]),)
        for term in terms.tolist()
        if row[term] > 0
    ]
    return Importance("terms", "weight × standard deviation", rows, tuple(features))


def compare_importance(before: Importance, after: Importance) -> ImportanceChange | None:
    """What rose and what fell from one version to another, in shares of all importance.

    A feature that only one of them names counts as 0 in the other: of terms, only the top ones are kept.

    Returns:
        The largest changes, or None where the two are of different kinds.
    """
    if before.kind != after.kind:
        return None
    old, new = _normalise_weights(before), _normalise_weights(after)
    names = sorted({*old, *new}, key=lambda name: (name[1] or "", name[0]))
    chance = _bound_chance(before, after)
    changes = [
        Change(name, label, old.get((name, label), 0.0), new.get((name, label), 0.0), chance.get(name))
        for name, label in names
    ]
    largest = sorted(changes, key=lambda change: -abs(change.difference))[:MOST_CHANGES]
    return ImportanceChange(
        rank_correlation=_rank_correlation(changes),
        rose=tuple(change for change in largest if change.difference > 0),
        fell=tuple(change for change in largest if change.difference < 0),
    )


def _bound_chance(before: Importance, after: Importance) -> dict[str, float]:
    """By how much the share of each column differs by the chance of shuffling, in 95 of 100 cases."""
    squares: dict[str, float] = {}
    for side in (before, after):
        total = sum(max(0.0, feature.value) for feature in side.features) or 1.0
        for feature in side.features:
            if feature.deviation is not None:
                squares[feature.name] = squares.get(feature.name, 0.0) + (feature.deviation / total) ** 2 / REPEATS
    return {name: _STUDENT_T * float(np.sqrt(square)) for name, square in squares.items()}


def _predict_shuffled(
    predict: Predict,
    inputs: pd.DataFrame,
    position: int,
    order: NDArray[np.intp],
    known: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probabilities, (repeats, n, k), with one column in another order; all changed rows are predicted at once."""
    column = inputs.iloc[:, position]
    codes = pd.factorize(column)[0]
    changed = codes[order] != codes
    shuffled = np.repeat(known[None], len(order), axis=0)
    if changed.any():
        repeat, row = np.nonzero(changed)
        changed_rows = inputs.take(row).reset_index(drop=True)
        changed_rows.isetitem(position, column.take(order[repeat, row]).array)
        shuffled[repeat, row] = predict(changed_rows)
    return shuffled


def _relabel(labelled: LabelledPredictions, probabilities: NDArray[np.float64]) -> LabelledPredictions:
    predicted = np.asarray(labelled.classes)[probabilities.argmax(axis=1)]
    return label_predictions(labelled.labels, predicted, probabilities, labelled.classes, labelled.positive)


def _linear_weights(classifier: Any) -> NDArray[np.float64] | None:
    """Weights of a linear classifier, (labels, columns), greater where a column speaks for the label."""
    calibrated = getattr(classifier, "calibrated_classifiers_", None)
    if calibrated:
        parts = [_linear_weights(part.estimator) for part in calibrated]
        known = [part for part in parts if part is not None]
        return np.mean(known, axis=0) if known else None
    if hasattr(classifier, "feature_log_prob_"):
        logs = np.asarray(classifier.feature_log_prob_)
        others = (logs.sum(axis=0) - logs) / max(1, len(logs) - 1)
        return np.asarray(logs - others)
    if not hasattr(classifier, "coef_"):
        return None
    weights = np.atleast_2d(np.asarray(classifier.coef_))
    return np.vstack([-weights, weights]) if len(weights) == 1 else weights


def _read_term_names(pipeline: Any, columns: NDArray[np.intp]) -> dict[int, str]:
    """The terms of these columns, by column."""
    reader = pipeline[0]
    if len(pipeline.steps) == 2 and hasattr(reader, "terms_of"):
        # Our own vectoriser need not put all its terms together for these few.
        return dict(zip(columns.tolist(), reader.terms_of(columns), strict=True))
    names = pipeline[:-1].get_feature_names_out()
    return {column: str(names[column]) for column in columns.tolist()}


def _deviations(matrix: Any) -> NDArray[np.float64]:
    """Standard deviation of each column, of a sparse or dense matrix."""
    means = np.asarray(matrix.mean(axis=0)).ravel()
    squares = matrix.multiply(matrix) if hasattr(matrix, "multiply") else np.square(matrix)
    return np.asarray(np.sqrt(np.maximum(0.0, np.asarray(squares.mean(axis=0)).ravel() - means**2)))


def _normalise_weights(importance: Importance) -> dict[tuple[str, str | None], float]:
    values = {(feature.name, feature.label): max(0.0, feature.value) for feature in importance.features}
    total = sum(values.values()) or 1.0
    return {name: value / total for name, value in values.items()}


def _rank_correlation(changes: Sequence[Change]) -> float | None:
    from scipy.stats import spearmanr  # noqa: PLC0415

    before, after = [change.before for change in changes], [change.after for change in changes]
    if len(changes) < 3 or len(set(before)) == 1 or len(set(after)) == 1:
        return None
    return float(spearmanr(before, after).statistic)
