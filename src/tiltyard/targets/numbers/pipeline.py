"""Training of regressors, and the watch over a new one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tiltyard.data.number_labels import conform_number_labels, read_number
from tiltyard.evaluation import evaluate_rows, pair_numbers
from tiltyard.evaluation.sequential_test import (
    ErrorPairs,
    compute_number_shadow_evidence,
    count_error_units_needed,
)
from tiltyard.formatting import format_number
from tiltyard.pipeline.task_part import ComparedLabel, TaskPipeline, WeighedLabels, name_compared_units
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace

WATCH_CAP_ERRORS = 10.0
"""An error counts up to so many times the previous champion's mean absolute error on its test rows."""


class NumberPipeline(TaskPipeline):
    """The ``TaskPipeline`` of numbers."""

    measured = "error"

    def suggest_floor(self, metric: str) -> str:
        return "# floors = { r2 = 0.50 }      # no version that explains less of the variance is promoted"

    def explain_incomparable(self, project: Project, workspace: Workspace, version: str) -> tuple[str, str] | None:
        if _find_cap(project, workspace, version) is not None:
            return None
        why = f"Version {version} has no mean absolute error above 0 on its test rows, in whose measure errors count."
        return why, "Train a champion whose errors are known."

    def weigh_labels(
        self, compared: Sequence[ComparedLabel], workspace: Workspace, project: Project, version: str
    ) -> WeighedLabels:
        """Whose absolute errors are smaller, up to the cap, as the gates compare them but for the cap.

        Which of two is nearer does not say: one that is a little nearer on most rows and far off on some has larger
        errors.
        """
        cap = _find_cap(project, workspace, version) or math.inf
        numbers = [(float(mine), float(theirs), float(label)) for mine, theirs, label, _ in compared]
        new = np.array([abs(mine - label) for mine, _, label in numbers], dtype=np.float64)
        before = np.array([abs(theirs - label) for _, theirs, label in numbers], dtype=np.float64)
        pairs = ErrorPairs(new, before, name_compared_units([unit for *_, unit in compared]))
        means = [float(np.minimum(errors, cap).mean()) if compared else 0.0 for errors in (before, new)]
        return WeighedLabels(
            compute_number_shadow_evidence(pairs, cap),
            f"would have missed by {format_number(means[0])} on average",
            f"missed by {format_number(means[1])} (an error counts up to {format_number(cap)})",
            {"previous_error": means[0], "champion_error": means[1], "cap": cap},
            format_number(cap / 100),
            count_error_units_needed(pairs, cap, alpha=project.promotion.alpha) if compared else None,
        )

    def suits_column(self, predictions: pd.Series) -> bool:
        read = [read_number(value) for value in predictions.tolist()]
        return None not in read and any(not value.is_integer() for value in read if value is not None)

    def evaluate_columns(self, truth: pd.Series, predictions: pd.Series) -> dict[str, float]:
        facts = pair_numbers(*(conform_number_labels(column).to_numpy() for column in (truth, predictions)))
        return dict(evaluate_rows(facts).metrics)


def _find_cap(project: Project, workspace: Workspace, version: str) -> float | None:
    """The largest error that counts, which was known before the first label; None where that version's is not known."""
    error = workspace.registry.get_version(project.model_name, version=version).metrics.get("mae", 0.0)
    return WATCH_CAP_ERRORS * error if math.isfinite(error) and error > 0 else None


PART = NumberPipeline()
