"""Evaluation of predictions: overall, class by class, and as a confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tiltyard.evaluation.labelled_predictions import LabelledPredictions, Labels, Probabilities, label_predictions
from tiltyard.evaluation.metrics import METRICS, Values, class_f1, class_precision, class_recall
from tiltyard.formatting import number_repeats, shorten_name

LONGEST_TITLE = 60


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
    metrics: dict[str, float] = {}
    not_computed: dict[str, str] = {}
    for metric in METRICS.values():
        try:
            metrics[metric.name] = metric.compute(labelled)
        except ValueError as error:
            not_computed[metric.name] = str(error)
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
