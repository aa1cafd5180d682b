"""Intervals of a version's numbers, and sets of its labels: calibrated on rows that it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltyard.data import Dataset, Split
from tiltyard.evaluation import (
    IntervalCalibration,
    LabelledPredictions,
    NumberPredictions,
    calibrate_intervals,
    calibrate_sets,
    pair_numbers,
)
from tiltyard.evaluation.slices import FEWEST_ROWS
from tiltyard.models import FEW_ROWS
from tiltyard.models.selection.folds import make_folds
from tiltyard.monitoring.estimates.error_model import ErrorModel, fit_error_model
from tiltyard.pipeline.training.steps import TrainedModel
from tiltyard.project import Project
from tiltyard.promotion.model_analysis import slice_groups
from tiltyard.promotion.offline_predictions import find_clusters
from tiltyard.tasks import SetCalibration

FOLDS = 5
MOST_SECONDS = 600.0
"""If fitting the folds would take longer, the errors are those on half of the test rows."""


def predict_held_out(model: TrainedModel, split: Split, project: Project) -> NumberPredictions | None:
    """Each training row as a model predicts it that did not see it; whole groups are held out.

    None where that would take over ten minutes, or there are too few rows.
    """
    train = split.train
    if model.seconds * FOLDS > MOST_SECONDS or len(train) < 2 * FOLDS:
        return None
    seed, group = project.training.random_state, project.split.group
    predicted = np.full(len(train), np.nan)
    with threadpool_limits(1 if len(train) < FEW_ROWS else None, user_api="openmp"):
        for rows, held_out in make_folds(train, FOLDS, seed, group=group):
            pipeline = model.candidate.build(seed)
            pipeline.fit(train.inputs.iloc[rows], train.labels.iloc[rows])
            predicted[held_out] = np.asarray(pipeline.predict(train.inputs.iloc[held_out])).ravel()
    return pair_numbers(train.labels.to_numpy(), predicted, clusters=find_clusters(train, project))


def learn_errors(
    held_out: NumberPredictions | None, split: Split, facts: NumberPredictions, project: Project
) -> ErrorModel | None:
    """A model of the errors, from the train side as folds predicted it and from the test side.

    Args:
        held_out: what ``predict_held_out`` found.
        split: both sides.
        facts: predictions of the version for the test side, and the truth.
        project: names the seed.
    """
    if held_out is None:
        return fit_error_model(split.test.inputs, facts, project.training.random_state)
    sides: list[Any] = [split.train.inputs, split.test.inputs]  # both frames, or both series of texts
    inputs: pd.Series | pd.DataFrame = pd.concat(sides, ignore_index=True)
    first = np.arange(len(held_out)) if held_out.clusters is None else held_out.clusters
    second = np.arange(len(facts)) if facts.clusters is None else facts.clusters
    together = pair_numbers(
        np.concatenate([held_out.truth, facts.truth]),
        np.concatenate([held_out.predicted, facts.predicted]),
        clusters=np.concatenate([first, second + int(first.max()) + 1]),
    )
    return fit_error_model(inputs, together, project.training.random_state)


def make_prediction_intervals(
    held_out: NumberPredictions | None, split: Split, facts: NumberPredictions, project: Project
) -> IntervalCalibration:
    """Calibrate intervals for a fitted regressor, and measure their coverage on rows that had no part in it.

    The errors are those of a cross-validation on the train side (cross-conformal prediction: Vovk, Annals of
    Mathematics and Artificial Intelligence 74, 2015); whole groups are held out where rows belong together. Its models
    see a fifth less than the version does, so their errors are a little larger, if anything. The test side measures.
    Where fitting five more models would take over ten minutes, half of the test rows calibrates, the others measure.

    Args:
        held_out: what ``predict_held_out`` found.
        split: both sides.
        facts: the version's predictions for the test side, and the truth.
        project: names the coverage, the groups, the seed and the slices.
    """
    level = project.training.coverage
    slices = _slice_rows(split.test, project)
    if held_out is not None:
        return calibrate_intervals(held_out, level, "cross-conformal").with_measured(facts, slices)
    calibrates = _choose_half(facts, project.training.random_state)
    found = calibrate_intervals(facts.take(calibrates), level, "split-conformal")
    others = [(title, rows[~calibrates]) for title, rows in slices]
    return found.with_measured(facts.take(~calibrates), others)


def make_prediction_sets(
    facts: LabelledPredictions, classes: Sequence[str], test: Dataset, project: Project
) -> SetCalibration:
    """Calibrate prediction sets of a fitted classifier on the test side (split conformal), and measure them there.

    The test side has no part in the model, its choice or its rule, so nothing is fitted again, and a version that
    was adopted has sets too.

    Args:
        facts: the version's predictions for the test side, and the truth.
        classes: the labels that it knows, in the order of its columns.
        test: the test side.
        project: names the coverage that is measured, the groups, the seed and the slices.
    """
    return calibrate_sets(
        facts,
        classes,
        project.training.coverage,
        slices=_slice_rows(test, project),
        seed=project.training.random_state,
    )


def _choose_half(facts: NumberPredictions, seed: int) -> NDArray[np.bool_]:
    """Half of the rows; of rows that belong together, half of the groups."""
    codes = np.arange(len(facts)) if facts.clusters is None else facts.clusters
    order = np.random.default_rng(seed).permutation(int(codes.max()) + 1)
    return np.asarray(order[codes] % 2 == 0, dtype=np.bool_)


def _slice_rows(test: Dataset, project: Project) -> list[tuple[str, NDArray[np.bool_]]]:
    """The slices of the test side with rows enough."""
    found = [
        (f"{grouping.column} = {group.title}", np.asarray(grouping.codes == code, dtype=np.bool_))
        for grouping in slice_groups(test, project)
        for code, group in enumerate(grouping.groups)
    ]
    return [(title, rows) for title, rows in found if rows.sum() >= FEWEST_ROWS]
