"""Evaluation of predictions: overall, class by class, and as a confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tiltyard.evaluation.labelled_predictions import (
    EvaluatedRows,
    LabelledPredictions,
    Labels,
    NumberPredictions,
    Probabilities,
    label_predictions,
)
from tiltyard.evaluation.metrics import (
    Values,
    class_f1,
    class_precision,
    class_recall,
    get_metric,
    list_metrics,
)
from tiltyard.formatting import format_number, number_repeats, shorten_name

LONGEST_TITLE = 60
ERROR_QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Evaluation:
    """How predictions compare with the true labels.

    Attributes:
        rows: number of rows evaluated.
        classes: k labels, in the order of ``order_classes``.
        positive: the label that counts as positive where there are two.
        metrics: value by metric name.
        per_class: precision, recall, f1 and support by label.
        confusion_matrix: (k, k) counts, a row for each true label.
        classification_report: as text.
        not_computed: metrics that are not defined on these rows, with the reason.
    """

    rows: int
    classes: tuple[str, ...]
    positive: str
    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]
    confusion_matrix: tuple[tuple[int, ...], ...]
    classification_report: str
    not_computed: Mapping[str, str]

    @property
    def report(self) -> str:
        """The figures as lines of text."""
        return self.classification_report


@dataclass(frozen=True)
class NumberEvaluation:
    """How predicted numbers compare with the true ones.

    Attributes:
        rows: number of rows evaluated.
        metrics: value by metric name.
        not_computed: metrics that are not defined on these rows, with the reason.
        bias: mean of predicted less true number: above 0, predictions are too high on the average.
        error_quantiles: absolute error by the share of rows that have no larger one.
    """

    rows: int
    metrics: Mapping[str, float]
    not_computed: Mapping[str, str]
    bias: float
    error_quantiles: Mapping[str, float]

    @property
    def report(self) -> str:
        """The figures as lines of text."""
        lines = [f"{get_metric(name).title:<40}{format_number(value):>12}" for name, value in self.metrics.items()]
        lines += [f"{get_metric(name).title:<40}{'not defined':>12}: {why}" for name, why in self.not_computed.items()]
        lines.append(f"{'Mean of predicted less true':<40}{format_number(self.bias):>12}")
        lines += [
            f"{f'{float(share):.0%} of the errors are at most':<40}{format_number(value):>12}"
            for share, value in self.error_quantiles.items()
        ]
        return "\n".join(lines) + "\n"


AnyEvaluation = Evaluation | NumberEvaluation


def evaluate_rows(rows: EvaluatedRows) -> AnyEvaluation:
    """Evaluate predictions of classes or of numbers, joined with the truth."""
    return evaluate_numbers(rows) if isinstance(rows, NumberPredictions) else evaluate_predictions(rows)


def evaluate_numbers(rows: NumberPredictions) -> NumberEvaluation:
    """Evaluate predicted numbers that are joined with the true ones."""
    metrics, not_computed = _compute_metrics(rows)
    distances = np.abs(rows.errors)
    return NumberEvaluation(
        rows=len(rows),
        metrics=metrics,
        not_computed=not_computed,
        bias=float(rows.errors.mean()),
        error_quantiles={f"{share:g}": float(np.quantile(distances, share)) for share in ERROR_QUANTILES},
    )


def _compute_metrics(rows: EvaluatedRows) -> tuple[dict[str, float], dict[str, str]]:
    metrics: dict[str, float] = {}
    not_computed: dict[str, str] = {}
    for metric in list_metrics(rows).values():
        try:
            metrics[metric.name] = metric.compute(rows)
        except ValueError as error:
            not_computed[metric.name] = str(error)
    return metrics, not_computed


def evaluate(
    labels: Sequence[str] | Labels,
    predicted: Sequence[str] | Labels,
    probabilities: Probabilities | None,
    classes: Sequence[str],
    positive: str | None = None,
) -> Evaluation:
    """Evaluate predictions; the arguments and errors are those of ``label_predictions``."""
    return evaluate_predictions(label_predictions(labels, predicted, probabilities, classes, positive))


def evaluate_predictions(labelled: LabelledPredictions) -> Evaluation:
    """Evaluate predictions that are joined with their labels already."""
    metrics, not_computed = _compute_metrics(labelled)
    counts = labelled.confusion()[0]
    per_class = _per_class(labelled.classes, counts)
    return Evaluation(
        rows=len(labelled),
        classes=labelled.classes,
        positive=labelled.positive,
        metrics=metrics,
        per_class=per_class,
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in counts),
        classification_report=_report(per_class, metrics, len(labelled)),
        not_computed=not_computed,
    )


def _per_class(classes: tuple[str, ...], counts: Values) -> dict[str, dict[str, float]]:
    columns = {
        "precision": class_precision(counts),
        "recall": class_recall(counts),
        "f1": class_f1(counts),
        "support": counts.sum(axis=1),
    }
    return {
        label: {name: float(values[position]) for name, values in columns.items()}
        for position, label in enumerate(classes)
    }


def _report(per_class: Mapping[str, Mapping[str, float]], metrics: Mapping[str, float], rows: int) -> str:
    """The table that scikit-learn's ``classification_report`` prints, with four digits; long names are shortened."""
    titles = number_repeats(shorten_name(label, LONGEST_TITLE) for label in per_class)
    width = max(len("weighted avg"), *(len(title) for title in titles))
    names = ("precision", "recall", "f1")
    lines = [" " * width + "".join(f"{name:>10}" for name in ("precision", "recall", "f1-score", "support")), ""]
    for title, values in zip(titles, per_class.values(), strict=True):
        lines.append(_line(title, [values[name] for name in names], int(values["support"]), width))
    lines += ["", f"{'accuracy':>{width}}{'':>20}{metrics['accuracy']:>10.4f}{rows:>10}"]
    for title, suffix in (("macro avg", "macro"), ("weighted avg", "weighted")):
        lines.append(_line(title, [metrics[f"{name}_{suffix}"] for name in names], rows, width))
    return "\n".join(lines) + "\n"


def _line(title: str, values: Sequence[float], support: int, width: int) -> str:
    return f"{title:>{width}}" + "".join(f"{value:>10.4f}" for value in values) + f"{support:>10}"
