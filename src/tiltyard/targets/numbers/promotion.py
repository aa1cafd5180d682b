"""Decisions between regressors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tiltyard.data import Dataset
from tiltyard.errors import UsageError
from tiltyard.evaluation import EvaluatedRows, FairnessReport, Grouping, IntervalCalibration, NumberPredictions
from tiltyard.evaluation.fairness import evaluate_error_fairness
from tiltyard.evaluation.sequential_test import (
    CAP_ERRORS,
    ErrorPairs,
    LiveVerdict,
    evaluate_number_shadow,
    evaluate_number_split,
)
from tiltyard.monitoring.prediction_window import find_group_key
from tiltyard.promotion.ab_test import list_drawn_rows, name_outcome_units
from tiltyard.promotion.gates.task_part import LiveTest, TaskPromotion
from tiltyard.promotion.offline_predictions import PredictedNumbers
from tiltyard.registry import VersionInfo
from tiltyard.tasks import DecisionRule


class NumberPromotion(TaskPromotion):
    """The ``TaskPromotion`` of numbers."""

    compares_rates = False

    def predict_rows(self, pipeline: Any, rows: Dataset, rule: DecisionRule | None) -> Any:
        return PredictedNumbers(np.asarray(pipeline.predict(rows.inputs), dtype=np.float64).ravel())

    def measure_fairness(
        self,
        facts: EvaluatedRows,
        groupings: Sequence[Grouping],
        load_intervals: Callable[[], IntervalCalibration | None],
    ) -> FairnessReport:
        assert isinstance(facts, NumberPredictions)  # noqa: S101 - for the type checker
        return evaluate_error_fairness(facts, groupings, load_intervals())

    def weigh_labels(self, test: LiveTest) -> LiveVerdict:
        name, alpha, outcomes = test.project.model_name, test.project.promotion.alpha, test.ledger.outcomes
        since, challenger, cap = test.since, test.challenger, _find_cap(test.champion)
        if test.options.mode == "shadow":
            group_key = find_group_key(test.project)
            pairs = outcomes.list_shadow_units(name, challenger, since=since, group_key=group_key, error_cap=cap)
            errors = [[(1 - right) * cap for right in (pair.champion_right, pair.challenger_right)] for pair in pairs]
            both = np.array(errors, dtype=np.float64).reshape(-1, 2)
            pairs_of_errors = ErrorPairs(both[:, 0], both[:, 1], name_outcome_units(pairs))
            return evaluate_number_shadow(pairs_of_errors, cap, alpha=alpha)
        rows = list_drawn_rows(outcomes.list_split(name, challenger, since=since, error_cap=cap))
        return evaluate_number_split(
            np.array([row.of_challenger for row in rows], dtype=bool),
            np.array([(1 - row.right) * cap for row in rows], dtype=np.float64),
            cap,
            share=np.array([row.share for row in rows]) if rows else test.options.share_or_default,
            units=name_outcome_units(rows),
            alpha=alpha,
        )


def _find_cap(champion: VersionInfo) -> float:
    """The largest error that counts: it does not change while the two are compared."""
    error = champion.metrics.get("mae", 0.0)
    if not (np.isfinite(error) and error > 0):
        raise UsageError(
            f"Champion {champion.version} has no mean absolute error above 0 on its test rows (metric mae: {error:g}), "
            "and live errors are compared in its measure.",
            next_step="Train a champion whose errors are known: tiltyard train --champion",
        )
    return CAP_ERRORS * error


PART = NumberPromotion()
