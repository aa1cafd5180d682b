"""The performance of predictions in a table that also has the truth of some of them."""

from __future__ import annotations

import pandas as pd

from tiltyard.data.conform.labels import LabelCodec, conform_labels, is_label_gap, order_classes
from tiltyard.evaluation import evaluate

PREDICTED = ("prediction", "predicted", "predicted_label")
ACTUAL = ("actual", "label", "target", "y_true")


def find_result_column(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first of some names that a table has as a column."""
    return next((name for name in names if name in frame.columns), None)


def measure_performance(
    frame: pd.DataFrame, predicted: str | None, actual: str | None
) -> tuple[dict[str, float] | None, int]:
    """The metrics of the rows whose truth is known, and how many these are.

    Args:
        frame: n rows.
        predicted: the column of predictions; None where there is none.
        actual: the column of the truth; None where there is none.

    Returns:
        The metrics, None without a row that has both; and the number of rows that have both.
    """
    if predicted is None or actual is None:
        return None, 0
    known = frame[[predicted, actual]]
    known = known[~known.map(is_label_gap).any(axis=1)]
    if known.empty:
        return None, 0
    predictions = conform_labels(known[predicted]).to_list()
    codec = LabelCodec.from_classes(set(predictions))
    truth = [codec.spell(value) for value in known[actual]]
    classes = order_classes({*truth, *predictions})
    return dict(evaluate(truth, predictions, None, classes).metrics), len(known)
