"""Prediction intervals of a version that predicts numbers: calibrated on the train side, measured on the test side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltyard.data import Dataset, Split
from tiltyard.evaluation import IntervalCalibration, NumberPredictions, calibrate_intervals, pair_numbers
from tiltyard.evaluation.slices import FEWEST_ROWS
from tiltyard.models import FEW_ROWS
from tiltyard.models.selection.folds import make_folds
from tiltyard.pipeline.training.steps import TrainedModel
from tiltyard.project import Project
from tiltyard.promotion.model_analysis import slice_groups

FOLDS = 5
MOST_SECONDS = 600.0
"""If fitting the folds would take longer, the errors are those on half of the test rows."""


def make_prediction_intervals(
    model: TrainedModel, split: Split, facts: NumberPredictions, project: Project
) -> IntervalCalibration:
    """Calibrate intervals for a fitted regressor, and measure their coverage on rows that had no part in it.

    The errors are those of a cross-validation on the train side (cross-conformal prediction: Vovk, Annals of
    Mathematics and Artificial Intelligence 74, 2015); whole groups are held out where rows belong together. Its models
    see a fifth less than the version does, so their errors are a little larger, if anything. The test side measures.
    Where fitting five more models would take over ten minutes, half of the test rows calibrates, the others measure.

    Args:
        model: the fitted candidate.
        split: both sides.
        facts: its predictions for the test side, and the truth.
        project: names the coverage, the groups, the seed and the slices.
    """
    level = project.training.coverage
    slices = _slice_rows(split.test, project)
    if model.seconds * FOLDS <= MOST_SECONDS and len(split.train) >= 2 * FOLDS:
        errors = _predict_held_out(model, split.train, project)
        return calibrate_intervals(errors, level, "cross-conformal").with_measured(facts, slices)
    calibrates = _choose_half(facts, project.training.random_state)
    found = calibrate_intervals(facts.take(calibrates), level, "split-conformal")
    others = [(title, rows[~calibrates]) for title, rows in slices]
    return found.with_measured(facts.take(~calibrates), others)


def _predict_held_out(model: TrainedModel, train: Dataset, project: Project) -> NumberPredictions:
    """Each training row as a model predicts it that did not see it."""
    seed = project.training.random_state
    predicted = np.full(len(train), np.nan)
    with threadpool_limits(1 if len(train) < FEW_ROWS else None, user_api="openmp"):
        for rows, held_out in make_folds(train, FOLDS, seed, group=project.split.group):
            pipeline = model.candidate.build(seed)
            pipeline.fit(train.inputs.iloc[rows], train.labels.iloc[rows])
            predicted[held_out] = np.asarray(pipeline.predict(train.inputs.iloc[held_out])).ravel()
    return pair_numbers(train.labels.to_numpy(), predicted)


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
