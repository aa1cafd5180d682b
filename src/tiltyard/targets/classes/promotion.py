"""Decisions between classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tiltyard.data import Dataset
from tiltyard.evaluation import (
    EvaluatedRows,
    FairnessReport,
    Grouping,
    IntervalCalibration,
    LabelledPredictions,
    evaluate_fairness,
)
from tiltyard.evaluation.sequential_test import (
    LiveVerdict,
    PairedRows,
    evaluate_shadow,
    evaluate_shadow_units,
    evaluate_split,
)
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.monitoring.prediction_window import find_group_key
from tiltyard.promotion.ab_test import list_drawn_rows, name_outcome_units
from tiltyard.promotion.gates.task_part import LiveTest, TaskPromotion
from tiltyard.promotion.offline_predictions import predict_dataset
from tiltyard.tasks import DecisionRule


class ClassPromotion(TaskPromotion):
    """The ``TaskPromotion`` of classes."""

    compares_rates = True

    def predict_rows(self, pipeline: Any, rows: Dataset, rule: DecisionRule | None) -> Any:
        return predict_dataset(pipeline, rows.inputs, rule)

    def measure_fairness(
        self,
        facts: EvaluatedRows,
        groupings: Sequence[Grouping],
        load_intervals: Callable[[], IntervalCalibration | None],
    ) -> FairnessReport:
        assert isinstance(facts, LabelledPredictions)  # noqa: S101 - for the type checker
        return evaluate_fairness(facts, groupings)

    def weigh_labels(self, test: LiveTest) -> LiveVerdict:
        name, alpha, outcomes = test.project.model_name, test.project.promotion.alpha, test.ledger.outcomes
        since, challenger = test.since, test.challenger
        became = read_rare_classes(test.ledger, name).became
        if test.options.mode == "shadow":
            group_key = find_group_key(test.project)
            pairs = outcomes.list_shadow_units(name, challenger, since=since, became=became, group_key=group_key)
            found = outcomes.count_shadow(name, challenger, since=since, became=became)
            counts = (found.both_right, found.only_champion_right, found.only_challenger_right, found.both_wrong)
            if not pairs:
                return replace(evaluate_shadow(*counts, alpha=alpha), left_out=found.unknown)
            lead = np.array([pair.challenger_right - pair.champion_right for pair in pairs], dtype=np.int64)
            verdict = evaluate_shadow_units(counts, PairedRows(lead, name_outcome_units(pairs)), alpha=alpha)
            return replace(verdict, left_out=found.unknown)
        rows = list_drawn_rows(outcomes.list_split(name, challenger, since=since, became=became))
        return evaluate_split(
            np.array([row.of_challenger for row in rows], dtype=bool),
            np.array([row.right for row in rows], dtype=bool),
            share=np.array([row.share for row in rows]) if rows else test.options.share_or_default,
            units=name_outcome_units(rows),
            alpha=alpha,
        )


PART = ClassPromotion()
