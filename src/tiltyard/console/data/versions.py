"""Comparison of versions."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tiltyard.aliases import CHAMPION
from tiltyard.evaluation import find_metric
from tiltyard.registry import Registry, VersionInfo
from tiltyard.registry.ports import CANDIDATE_TAG

# The metrics for comparing versions; the registry has many more (per class, per mean).
_DEFAULT_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
_SHORT = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "fit_seconds": "Fit (s)"}


@dataclass(frozen=True)
class VersionsView:
    """All versions of a model.

    Attributes:
        model: name of the registered model.
        metric: name of the metric by which the project compares versions.
        versions: newest first.
        metrics: names of the metrics worth a column, the project's metric first; each is known of some version.
    """

    model: str
    metric: str
    versions: tuple[VersionInfo, ...]
    metrics: tuple[str, ...]

    @property
    def champion(self) -> VersionInfo | None:
        """The version that serves users, or None."""
        return next((info for info in self.versions if CHAMPION in info.aliases), None)

    def lead_over_champion(self, info: VersionInfo) -> float | None:
        """How much better a version is than the champion by the project's metric; less than 0 if it is worse.

        None where one of them lacks the metric, there is no champion, or the version is the champion.
        """
        champion = self.champion
        if champion is None or champion.version == info.version:
            return None
        value, reference = info.metrics.get(self.metric), champion.metrics.get(self.metric)
        if value is None or reference is None:
            return None
        return value - reference if bigger_is_better(self.metric) else reference - value


def versions_view(registry: Registry, model: str, metric: str) -> VersionsView:
    """All versions of a model, compared by a metric.

    Raises:
        UnavailableError: the registry cannot be reached.
    """
    versions = tuple(registry.list_versions(model))
    known = {name for info in versions for name in info.metrics}
    preferred = dict.fromkeys((metric, *_DEFAULT_METRICS))
    return VersionsView(model, metric, versions, tuple(name for name in preferred if name in known))


def metric_history(view: VersionsView) -> pd.DataFrame:
    """One row per version, oldest first.

    Columns: ``version``, ``registered_at``, ``recipe``, ``champion`` (bool), then one for each metric of the view for
    which bigger is better, NaN where a version lacks it.
    """
    names = [name for name in view.metrics if bigger_is_better(name)]
    return pd.DataFrame(
        [
            {
                "version": info.version,
                "registered_at": info.created_at,
                "recipe": info.tags.get(CANDIDATE_TAG, ""),
                "champion": CHAMPION in info.aliases,
                **{name: info.metrics.get(name, float("nan")) for name in names},
            }
            for info in reversed(view.versions)
        ],
        columns=["version", "registered_at", "recipe", "champion", *names],
    )


def bigger_is_better(metric: str) -> bool:
    """A metric's direction; a custom metric, whose direction is unknown, counts as bigger-is-better."""
    known = find_metric(metric)
    return known is None or known.bigger_is_better


def column_title(metric: str) -> str:
    """A metric's name for people, short enough for a column header."""
    known = find_metric(metric)
    return _SHORT.get(metric) or (metric if known is None else known.title)
