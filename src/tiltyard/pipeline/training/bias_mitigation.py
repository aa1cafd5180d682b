"""Training that makes up for unfair data: rows are weighed so that label and group are independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from tiltyard.data import Dataset
from tiltyard.errors import UsageError
from tiltyard.evaluation import compute_reweighing, cross_groups
from tiltyard.models import CANDIDATES, Candidate
from tiltyard.project import Project
from tiltyard.promotion.model_analysis import sensitive_groups


def check_mitigation(candidates: Sequence[Candidate], project: Project) -> None:
    """Make sure, before any work, that every candidate can be trained as the project asks.

    Raises:
        UsageError: the project asks for reweighing, and a candidate takes no weights.
    """
    if project.training.mitigation == "none":
        return
    for candidate in candidates:
        if not _takes_weights(candidate.build(project.training.random_state)):
            able = [known.name for known in CANDIDATES.values() if _is_able(known, project)]
            raise UsageError(
                f"The candidate '{candidate.name}' takes no sample weights, so it cannot be reweighed.",
                next_step=f'Take one of {", ".join(able)}; or set training.mitigation = "none".',
                code="candidate.no-weights",
                candidate=candidate.name,
            )


def fit_params(pipeline: Pipeline, train: Dataset, project: Project) -> dict[str, Any]:
    """What ``pipeline.fit`` is given besides rows and labels: nothing, or the weights of reweighing.

    The groups are those that all sensitive columns make together, so that each column alone is independent of the
    label too. Candidates are chosen without weights: only the chosen one is trained with them.
    """
    if project.training.mitigation == "none":
        return {}
    groups, _ = cross_groups(sensitive_groups(train, project))
    labels = np.unique(train.labels.to_numpy(dtype=str), return_inverse=True)[1]
    return {f"{pipeline.steps[-1][0]}__sample_weight": compute_reweighing(groups, labels)}


def _is_able(candidate: Candidate, project: Project) -> bool:
    return candidate.task == project.task and _takes_weights(candidate.build(project.training.random_state))


def _takes_weights(pipeline: Pipeline) -> bool:
    last = pipeline[-1]
    # What calibrates another takes weights itself, and leaves them out with a warning where the other takes none.
    inner = getattr(last, "estimator", None)
    return all(has_fit_parameter(part, "sample_weight") for part in (last, inner) if part is not None)
