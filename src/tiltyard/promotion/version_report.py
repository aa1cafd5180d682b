"""How a registered version does on the test rows as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.data import Dataset
from tiltyard.errors import DataError
from tiltyard.evaluation import AnyEvaluation, evaluate_rows
from tiltyard.jsonable import to_json_object
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.model_analysis import ModelAnalysis, analyse_model
from tiltyard.promotion.offline_predictions import (
    align_columns,
    compare_with_labels,
    find_unseen_rows,
    predict_with_version,
)
from tiltyard.registry import VersionInfo
from tiltyard.result_display import ShownResult


@dataclass(frozen=True, repr=False)
class VersionEvaluation(ShownResult):
    """A version, evaluated again.

    Attributes:
        version: the version.
        evaluation: how its predictions compare with the truth.
        examination: their analysis.
        left_out: test rows that it was trained on, which therefore say nothing about it.
    """

    version: VersionInfo
    evaluation: AnyEvaluation
    examination: ModelAnalysis
    left_out: int

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, the metrics, and what the predictions depend on."""
        shown: dict[str, Any] = {"rows": self.evaluation.rows, "left out": self.left_out}
        then = {name: value for name, value in self.version.metrics.items() if name in self.evaluation.metrics}
        shown |= {"metrics": dict(self.evaluation.metrics), "at training": then}
        slices = self.examination.slices
        worse = [f"{part.column} = {part.title}" for part in slices.slices if part.worse] if slices else []
        return f"{self.version.name} version {self.version.version}", {**shown, "worse in": worse}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "model_name": self.version.name,
            "model_version": self.version.version,
            "aliases": list(self.version.aliases),
            "left_out": self.left_out,
            **to_json_object(self.evaluation),
            "metrics_at_training": dict(self.version.metrics),
            **self.examination.to_dict(),
        }


def evaluate_version(workspace: Workspace, project: Project, info: VersionInfo, test: Dataset) -> VersionEvaluation:
    """Evaluate a version on the test rows that it was not trained on. Nothing is recorded.

    Args:
        workspace: where versions are fetched from.
        project: names the metric, slices and sensitive columns.
        info: the version.
        test: the test rows.

    Raises:
        DataError: it was trained on all of them, or they have not the columns or the kinds of values that it reads.
        ArtifactError: its files are damaged or unsafe.
    """
    package = workspace.load(info)
    unseen = find_unseen_rows(package, info, test)
    if not unseen.any():
        raise DataError(
            f"Version {info.version} was trained on every test row (of {len(test):,}).",
            next_step="Set [split] back to what it was, or add new rows.",
            code="evaluation.no-unseen-rows",
        )
    rows = align_columns(test.take(unseen), package.manifest, info)
    predictions = predict_with_version(package, info, rows)
    facts = compare_with_labels(predictions, rows, project)
    examination = analyse_model(package.pipeline, facts, rows, project)
    return VersionEvaluation(info, evaluate_rows(facts), examination, int(len(test) - len(rows)))
