"""The JSON of evaluations, as versions keep it in their artifacts, does not change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tiltyard.evaluation import (
    compare,
    compare_importance,
    compare_slices,
    evaluate_calibration,
    evaluate_fairness,
    evaluate_predictions,
    evaluate_slices,
    get_metric,
    group_rows,
    label_predictions,
    permutation_importance,
)
from tiltyard.evaluation.sequential_test import evaluate_shadow
from tiltyard.jsonable import to_json_object


def make_reports() -> dict[str, object]:
    """Each kind of report on the same 200 rows, all of whose figures are exact in few digits."""
    rows = np.arange(200)
    labels = np.where(rows % 2 == 0, "a", "b")
    first = np.where(rows % 8 == 1, "a", labels)
    second = np.where(rows % 16 == 1, "a", labels)
    probabilities = np.where((first == "a")[:, None], [0.75, 0.25], [0.25, 0.75])
    champion = label_predictions(labels, first, probabilities, ("a", "b"))
    challenger = label_predictions(labels, second, probabilities, ("a", "b"))
    grouping = group_rows(pd.Series(np.where(rows % 5 < 2, "x", "y"), name="side"))
    frame = pd.DataFrame({"size": rows % 4, "noise": rows % 3})
    metric = get_metric("accuracy")

    def predict(sizes: pd.DataFrame) -> np.ndarray:
        return np.where((sizes["size"].to_numpy() % 2 == 0)[:, None], [0.75, 0.25], [0.25, 0.75])

    importance = permutation_importance(predict, frame, champion, metric, seed=1)
    assert importance is not None
    return {
        "evaluation": evaluate_predictions(champion),
        "calibration": evaluate_calibration(champion),
        "fairness": evaluate_fairness(champion, [grouping]),
        "slices": evaluate_slices(champion, [grouping], metric),
        "comparison": compare(metric, champion, challenger),
        "slice comparison": compare_slices(champion, challenger, [grouping])[0][0],
        "importance": importance,
        "importance change": compare_importance(importance, importance),
        "live": evaluate_shadow(80, 10, 25, 5, alpha=0.05),
    }


def describe_format(value: object) -> object:
    """Keys in their order and kinds of values; of a list, the format of its first item."""
    if isinstance(value, dict):
        return {key: describe_format(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe_format(value[0])] if value else []
    return "nothing" if value is None else "text" if isinstance(value, str) else type(value).__name__


def formats() -> dict[str, object]:
    """The format of each report."""
    contents = {
        name: report.to_dict() if hasattr(report, "to_dict") else to_json_object(report)
        for name, report in make_reports().items()
    }
    return {name: describe_format(json.loads(json.dumps(content))) for name, content in contents.items()}


STORED = json.loads(Path(__file__).with_name("json_formats.json").read_text("utf-8"))


@pytest.mark.parametrize("name", STORED)
def test_the_json_of_a_report_keeps_its_format(name: str) -> None:
    """Keys and the kinds of values are those that earlier versions wrote into artifacts."""
    assert formats()[name] == STORED[name]
