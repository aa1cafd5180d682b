"""Versions on the same rows: each metric with its interval, and whether a difference is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tiltyard.errors import DataError
from tiltyard.evaluation import find_metric
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry, VersionInfo
from tiltyard.settings import Settings

if TYPE_CHECKING:
    from tiltyard.evaluation.resampling.comparison import Comparison
    from tiltyard.monitoring.performance import Figure

MOST_VERSIONS = 5
MOST_METRICS = 6
ALPHA = 0.05

Outcome = Literal["better", "worse", "alike"]

_METRICS = ("accuracy", "f1", "f1_macro", "roc_auc", "pr_auc", "log_loss", "mae", "rmse", "r2")


@dataclass(frozen=True)
class ComparedMetric:
    """One metric of all versions, on the same rows.

    Attributes:
        name: of the metric.
        figures: its value for each version, with a 95 % interval.
        differences: of each version but the first from the first; positive is better.
    """

    name: str
    figures: tuple[Figure, ...]
    differences: tuple[Comparison, ...]

    def outcome(self, place: int) -> Outcome:
        """What can be said of a version (1 is the second one) against the first."""
        found = self.differences[place - 1]
        if found.p_value_two_sided > ALPHA or found.low <= 0 <= found.high:
            return "alike"
        return "better" if found.difference > 0 else "worse"


@dataclass(frozen=True)
class VersionComparison:
    """Versions on the rows that none of them was trained on.

    Attributes:
        versions: at least two; the others are compared with the first.
        rows: number of rows.
        left_out: test rows that one of them was trained on.
        metrics: the project's metric first.
    """

    versions: tuple[VersionInfo, ...]
    rows: int
    left_out: int
    metrics: tuple[ComparedMetric, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "versions": [info.version for info in self.versions],
            "rows": self.rows,
            "rows_left_out": self.left_out,
            "metrics": [
                {
                    "name": one.name,
                    "figures": [to_json_object(figure) for figure in one.figures],
                    "differences": [
                        {**to_json_object(found), "outcome": one.outcome(place)}
                        for place, found in enumerate(one.differences, 1)
                    ],
                }
                for one in self.metrics
            ],
        }


class ComparedVersions:
    """Compares versions of a project, each choice once until the versions or the rows change.

    Args:
        project: names rows and metric.
        settings: of this host.
        registry: its versions.
        ledger: its decisions.
    """

    def __init__(self, project: Project, settings: Settings, registry: Registry, ledger: Ledger) -> None:
        self._project = project
        self._settings = settings
        self._registry = registry
        self._ledger = ledger
        self._lock = Lock()
        self._found: dict[tuple[str, ...], VersionComparison] = {}

    def compare(self, versions: tuple[str, ...]) -> VersionComparison:
        """Compare versions, by their numbers, on the test rows that none of them was trained on.

        Raises:
            NotFoundError: there is no such version.
            ProjectError: no labelled rows are known.
            DataError: no row is new to all of them, or one of them cannot read the rows.
            ArtifactError: the files of a version are damaged or unsafe.
        """
        from tiltyard.pipeline.kept_training import find_labelled_rows  # noqa: PLC0415 - imports MLflow
        from tiltyard.promotion.context import build_workspace  # noqa: PLC0415 - imports MLflow

        # One at a time: it takes the processor for seconds, and a second reader of the same wants the same.
        with self._lock:
            if versions in self._found:
                return self._found[versions]
            workspace = build_workspace(self._settings, self._ledger, registry=self._registry)
            infos = tuple(self._registry.get_version(self._project.model_name, version=one) for one in versions)
            known = find_labelled_rows(workspace, self._project, self._settings, infos[0])
            found = compare_on_rows(workspace, known.project, infos, known.find_test_rows())
            self._found = {**dict(list(self._found.items())[-MOST_VERSIONS:]), versions: found}
            return found


def compare_on_rows(workspace: Any, project: Project, infos: Sequence[VersionInfo], test: Any) -> VersionComparison:
    """Compare versions on those of some labelled rows that none of them was trained on.

    Args:
        workspace: the ``Workspace`` from which the versions are fetched.
        project: names the metric.
        infos: the versions; the others are compared with the first.
        test: the ``Dataset``.

    Raises:
        DataError: no row is new to all of them, or one of them cannot read the rows.
    """
    from tiltyard.evaluation.paired_comparison import compare  # noqa: PLC0415 - imports SciPy
    from tiltyard.monitoring.performance import measure_metric  # noqa: PLC0415 - imports SciPy
    from tiltyard.promotion.offline_predictions import (  # noqa: PLC0415 - imports pandas
        compare_with_labels,
        find_unseen_rows,
        predict_with_version,
    )

    packages = [workspace.load(info) for info in infos]
    masks = [find_unseen_rows(package, info, test) for package, info in zip(packages, infos, strict=True)]
    common = np.logical_and.reduce(masks)
    if not common.any():
        raise DataError(
            f"No row of {format_count(len(test), 'test row')} is new to all of these versions.",
            next_step="Compare versions of one split, or add new labelled rows.",
            code="evaluation.no-common-rows",
        )
    rows = test.take(common)
    # Of one task, so all are labels or all are numbers.
    facts: list[Any] = [
        compare_with_labels(predict_with_version(package, info, rows), rows, project)
        for package, info in zip(packages, infos, strict=True)
    ]
    metrics: list[ComparedMetric] = []
    for name in dict.fromkeys((project.training.metric, *_METRICS)):
        metric = find_metric(name)
        if metric is None or len(metrics) >= MOST_METRICS or any(metric.explain_undefined(one) for one in facts):
            continue
        try:
            differences = tuple(compare(metric, facts[0], other) for other in facts[1:])
        except DataError:
            continue
        metrics.append(ComparedMetric(name, tuple(measure_metric(metric, one) for one in facts), differences))
    return VersionComparison(tuple(infos), len(rows), int(len(test) - len(rows)), tuple(metrics))
