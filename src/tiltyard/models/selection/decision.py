"""The rule of a project's ``[decision]``: read for the labels at hand, with the threshold that suits them best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data import Dataset
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation import Metric, get_task_metric, label_predictions
from tiltyard.models.selection.cross_validation import SelectionPlan
from tiltyard.models.selection.folds import make_folds
from tiltyard.project.decision import DecisionSection
from tiltyard.tasks import Costs, DecisionRule

FEWEST_TUNING_ROWS = 20
"""Rows of each label below which a threshold is not chosen: it would follow chance."""
MOST_THRESHOLDS = 400


def make_decision_rule(
    section: DecisionSection, classes: Sequence[str], positive: str | None, threshold: float | None = None
) -> DecisionRule | None:
    """The rule of a project's ``[decision]`` for these labels; None where the likeliest one is always predicted.

    Args:
        section: what the project file says.
        classes: the k labels, in order.
        positive: the label that counts as positive, in any spelling; default: the last.
        threshold: what was chosen for ``section.tune``.

    Raises:
        DataError: it names a label that there is not, or a threshold where there are not two labels.
    """
    if section.is_usual:
        return None
    limit = section.threshold if threshold is None else threshold
    if limit is not None or section.tune is not None:
        _require_two_labels(section, classes)
    return DecisionRule(
        classes=tuple(classes),
        threshold=limit,
        positive=None if limit is None else _name_positive(classes, positive),
        tuned_for=None if threshold is None else section.tune,
        costs=_read_costs(section, classes),
        abstain_below=section.abstain_below,
        abstain_cost=section.abstain_cost,
    )


def find_prices(section: DecisionSection, classes: Sequence[str]) -> DecisionRule | None:
    """What decisions cost by a project's ``[decision]``; None where it states no costs.

    Versions with other rules, or of another time, are priced alike: these are the costs that hold now.

    Args:
        section: what the project file says.
        classes: the k labels of the rows, in order.

    Raises:
        DataError: it names a label that there is not.
    """
    return make_decision_rule(section, classes, None) if section.costs else None


def check_decision(section: DecisionSection, train: Dataset) -> None:
    """Make sure, before any work, that ``[decision]`` is about these rows.

    Raises:
        DataError: it names a label that there is not, or needs two labels, or more rows of one.
        UsageError: ``tune`` names no metric of labels.
    """
    if section.is_usual:
        return
    make_decision_rule(section, train.classes, None)
    if section.tune is not None:
        _find_tuning_metric(section.tune, train)
        _require_tuning_rows(train.labels.to_numpy(dtype=str), train.classes)


def tune_decision_rule(
    section: DecisionSection,
    train: Dataset,
    fit: Callable[[Dataset], Any],
    plan: SelectionPlan,
) -> DecisionRule | None:
    """The rule of ``[decision]``, its threshold chosen on rows that the fitted models did not see, where it says so.

    Args:
        section: what the project file says.
        train: the train side.
        fit: fits the chosen recipe on rows; called once for each fold, only where a threshold is chosen.
        plan: names the folds, their seed and groups, and the positive label.

    Raises:
        DataError: as ``make_decision_rule``, or there are too few rows for a threshold.
        UsageError: there is no such metric, or it is not one of labels.
    """
    classes = train.classes
    if section.tune is None:
        return make_decision_rule(section, classes, plan.positive)
    check_decision(section, train)
    metric, labels = _find_tuning_metric(section.tune, train), train.labels.to_numpy(dtype=str)
    found = np.zeros((len(train), len(classes)))
    for rows, held_out in make_folds(train, plan.folds, plan.random_state, group=plan.group):
        pipeline = fit(train.take(_mask(rows, len(train))))
        places = [classes.index(str(label)) for label in pipeline.classes_]
        found[held_out[:, None], places] = pipeline.predict_proba(train.inputs.iloc[held_out])
    threshold = choose_threshold(metric, labels, found, classes, plan.positive)
    return make_decision_rule(section, classes, plan.positive, threshold)


def _read_costs(section: DecisionSection, classes: Sequence[str]) -> Costs:
    """The costs as a table, (k, k) by true and by predicted label; none where the section names none.

    Raises:
        DataError: a label is not known.
    """
    if not section.costs:
        return ()
    codec, table = LabelCodec(tuple(classes)), np.zeros((len(classes), len(classes)))
    for true, row in section.costs.items():
        for predicted, cost in row.items():
            found = [codec.find_class(name) for name in (true, predicted)]
            for name, known in zip((true, predicted), found, strict=True):
                if known is None:
                    raise DataError(
                        f"decision.costs names the label {name!r}, which is none of the labels: {', '.join(classes)}.",
                        next_step="Write the label as the data have it, or remove it from [decision].",
                        code="decision.label-unknown",
                    )
            place, other = (list(classes).index(str(known)) for known in found)
            table[place, other] = cost
    return tuple(tuple(row) for row in table.tolist())


def _require_two_labels(section: DecisionSection, classes: Sequence[str]) -> None:
    """Make sure that there are two labels, for a threshold.

    Raises:
        DataError: there are more.
    """
    if len(classes) != 2:
        key = "tune" if section.tune is not None else "threshold"
        raise DataError(
            f"decision.{key} is about two labels, and the data have {len(classes)}: {', '.join(classes)}.",
            next_step="State decision.costs instead, which may be of any number of labels, or remove it.",
            code="decision.not-binary",
        )


def choose_threshold(
    metric: Metric,
    labels: NDArray[np.str_],
    probabilities: NDArray[np.float64],
    classes: Sequence[str],
    positive: str | None,
) -> float:
    """The threshold at which a metric of labels is best.

    Tried are values half-way between neighbouring probabilities, at most 400 that are spread evenly over the rows, and
    0.5. Of equally good ones the one nearest to 0.5 is taken.

    Args:
        metric: a metric of labels.
        labels: n true labels.
        probabilities: (n, 2) of rows that the model did not see, columns in the order of ``classes``.
        classes: the two labels.
        positive: the label that counts as positive, in any spelling; default: the last.
    """
    place, names = list(classes).index(_name_positive(classes, positive)), np.asarray(classes)
    scores, sign = probabilities[:, place], 1.0 if metric.bigger_is_better else -1.0

    def measure(threshold: float) -> float:
        predicted = names[np.where(scores >= threshold, place, 1 - place)]
        return sign * metric.compute(label_predictions(labels, predicted, None, classes, positive))

    return max(_list_thresholds(scores), key=lambda threshold: (measure(threshold), -abs(threshold - 0.5)))


def _list_thresholds(scores: NDArray[np.float64]) -> list[float]:
    values = np.unique(scores)
    if len(values) > MOST_THRESHOLDS:
        values = np.unique(np.quantile(scores, np.linspace(0, 1, MOST_THRESHOLDS), method="nearest"))
    middles = (values[1:] + values[:-1]) / 2
    return [0.5, *middles[(middles > 0) & (middles < 1)].tolist()]


def _find_tuning_metric(name: str, train: Dataset) -> Metric:
    metric = get_task_metric(name, train.task)
    if metric.needs_probabilities:
        raise UsageError(
            f"decision.tune names '{name}', which does not depend on the threshold.",
            next_step="Name a metric of labels, such as f1 or balanced_accuracy.",
            code="decision.metric",
        )
    return metric


def _name_positive(classes: Sequence[str], positive: str | None) -> str:
    """The positive label; the last where none was named. That it is one of the labels was checked before."""
    return classes[-1] if positive is None else LabelCodec(tuple(classes)).spell(positive)


def _require_tuning_rows(labels: NDArray[np.str_], classes: Sequence[str]) -> None:
    for name in classes:
        count = int((labels == name).sum())
        if count < FEWEST_TUNING_ROWS:
            raise DataError(
                f"decision.tune needs {FEWEST_TUNING_ROWS} training rows of each label; {name!r} has {count}.",
                next_step="Set decision.threshold by hand, or train with more rows.",
                code="decision.few-rows",
            )


def _mask(rows: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[rows] = True
    return chosen
