"""Training a candidate again on halves of the rows: what of its importance is chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltyard.data import Dataset
from tiltyard.evaluation.importance.change import FEWEST_RETRAININGS
from tiltyard.models import Candidate
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.pipeline.training.bias_mitigation import fit_params
from tiltyard.project import Project

RETRAININGS = 6
MOST_ROWS = 4_000
MOST_SECONDS = 30.0
"""If the retrainings would take longer together, by the time of the training itself, there are none."""
LEAST_SECONDS = 3.0
"""So much processor time they may take in any case; beyond it no more than the training itself took."""


def plan_retrainings(
    candidate: Candidate,
    train: Dataset,
    project: Project,
    seconds: float,
    clock: Callable[[], float] = time.process_time,
) -> Callable[[], Iterator[Any]]:
    """Trainings of a candidate on halves of its training rows, drawn label by label.

    What differs between trainings on halves of n rows differs between trainings on n other rows of the same kind
    (half-sampling: Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 8).

    Args:
        candidate: the recipe.
        train: its n training rows; of more than 8,000 no half is drawn but 4,000, which differ more.
        project: names the seed and the mitigation.
        seconds: how long the training took.
        clock: the processor time in seconds, which other programs do not change.

    Returns:
        A function that fits and returns 6 pipelines, one after the other; none where this would take more than half a
        minute; fewer where the candidate cannot be fitted on such rows, or where they and the caller's work between
        them take longer than 3 seconds and than the training, but 3 at least.
    """
    rows = min(len(train) // 2, MOST_ROWS)

    def retrain() -> Iterator[Any]:
        if seconds * RETRAININGS * rows / len(train) > MOST_SECONDS:
            return
        began, limit = clock(), max(LEAST_SECONDS, seconds)
        for number in range(RETRAININGS):
            if number >= FEWEST_RETRAININGS and clock() - began > limit:
                return
            seed = project.training.random_state + 1 + number
            drawn = train.take(_draw_rows(TaskModels.find_for(train.task).make_strata(train), rows, seed))
            pipeline = candidate.build(seed)
            try:
                with threadpool_limits(1, user_api="openmp"):
                    pipeline.fit(drawn.inputs, drawn.labels, **fit_params(pipeline, drawn, project))
            except Exception:  # noqa: BLE001 - a user's candidate may refuse such rows in any way: the training stands
                return
            yield pipeline

    return retrain


def _draw_rows(labels: NDArray[np.str_], rows: int, seed: int) -> NDArray[np.bool_]:
    """Which rows are drawn, n booleans: of each label its share, and at least two where it has so many."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        wanted = max(2, round(rows * len(places) / len(labels)))
        chosen[random.permutation(places)[:wanted]] = True
    return chosen
