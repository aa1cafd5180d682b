"""Training of classifiers, and the watch over a new one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tiltyard.data.conform.labels import LabelCodec, conform_labels, match_labels, order_classes
from tiltyard.evaluation import evaluate
from tiltyard.evaluation.sequential_test import (
    PairedRows,
    compute_paired_evidence,
    compute_paired_unit_evidence,
    count_paired_units_needed,
)
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.pipeline.task_part import ComparedLabel, TaskPipeline, WeighedLabels, name_compared_units
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace

_LOSS = 0.05
"""The loss of accuracy for which a finding names how much it takes to show it."""


class ClassPipeline(TaskPipeline):
    """The ``TaskPipeline`` of classes."""

    measured = "accuracy"

    def suggest_floor(self, metric: str) -> str:
        return f"# floors = {{ {metric} = 0.80 }}      # no version below this is promoted"

    def explain_incomparable(self, project: Project, workspace: Workspace, version: str) -> tuple[str, str] | None:
        return None

    def weigh_labels(
        self, compared: Sequence[ComparedLabel], workspace: Workspace, project: Project, version: str
    ) -> WeighedLabels:
        leads = _find_right(compared, workspace, project)
        only_new, only_before = leads.count(-1), leads.count(1)
        units = [unit for *_, unit in compared]
        return WeighedLabels(
            _weigh_evidence(leads, units),
            f"alone would have been right on {only_before:,}",
            f"alone was on {only_new:,}",
            {"only_previous": only_before, "only_champion": only_new},
            f"{_LOSS:g}",
            _count_needed(leads, units, project.promotion.alpha) if compared else None,
        )

    def suits_column(self, predictions: pd.Series) -> bool:
        return True

    def evaluate_columns(self, truth: pd.Series, predictions: pd.Series) -> dict[str, float]:
        predicted = conform_labels(predictions).to_list()
        codec = LabelCodec.from_classes(set(predicted))
        labels = [codec.spell(value) for value in truth]
        return dict(evaluate(labels, predicted, None, order_classes({*labels, *predicted})).metrics)


def _find_right(compared: Sequence[ComparedLabel], workspace: Workspace, project: Project) -> list[int]:
    """Of each row 1 where the previous version alone is right, -1 where the new one alone is, else 0."""
    labels = [label for _, _, label, _ in compared]
    became = read_rare_classes(workspace.ledger, project.model_name).became
    new = match_labels([mine for mine, _, _, _ in compared], labels, became)
    before = match_labels([theirs for _, theirs, _, _ in compared], labels, became)
    return [bool(theirs) - bool(mine) for mine, theirs in zip(new, before, strict=True)]


def _weigh_evidence(leads: Sequence[int], units: Sequence[str | None]) -> float:
    """Evidence for the previous version: rows of one request or caller are one piece of it, not one each.

    Args:
        leads: of each row 1 where the previous version alone is right, -1 where the new one alone is, else 0.
        units: what the row shares with others; None: it is by itself.
    """
    single = [lead for lead, unit in zip(leads, units, strict=True) if unit is None]
    evidence = compute_paired_evidence(single.count(1), single.count(-1))
    shared = [(lead, unit) for lead, unit in zip(leads, units, strict=True) if unit is not None]
    if not shared:
        return evidence
    rows = name_compared_units([unit for _, unit in shared])
    together = compute_paired_unit_evidence(PairedRows(np.array([lead for lead, _ in shared], dtype=np.int64), rows))
    return min(evidence * together, sys.float_info.max)


def _count_needed(leads: Sequence[int], units: Sequence[str | None], alpha: float) -> int:
    """How many requests, callers or groups like these show a true loss of ``_LOSS``."""
    rows = name_compared_units(units) if any(units) else None
    return count_paired_units_needed(np.array(leads, dtype=np.int64), rows, _LOSS, alpha=alpha)


PART = ClassPipeline()
