"""Calibrating prediction sets on rows that a version was not trained on, and measuring how often they hold the truth.

What makes a set of them is ``tiltyard.tasks.SetCalibration``, which servers use without this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import DataError
from tiltyard.evaluation.intervals import share_interval
from tiltyard.evaluation.labelled_predictions import LabelledPredictions, number_clusters
from tiltyard.tasks import LabelCategory, SetCalibration, SetCoverage

Mask = NDArray[np.bool_]

ROWS_OF_A_LABEL = 100
"""Held-out rows from which on a label has a separate category: a rank among so many is within one point."""
MOST_SCORES = 5_000
"""Scores that a category keeps; of more, every so-manieth, and always the larger of two."""
FEWEST_MEASURED = 2
"""With fewer rows there is nothing to measure on."""


def calibrate_sets(
    held_out: LabelledPredictions,
    classes: Sequence[str],
    level: float,
    *,
    slices: Sequence[tuple[str, Mask]] = (),
    seed: int = 0,
) -> SetCalibration:
    """What makes prediction sets, with their coverage measured at one confidence.

    All held-out rows calibrate. The coverage is that of two halves, each measured by the scores of the other; halves
    are of whole groups where rows belong together.

    Args:
        held_out: n rows that the version was not trained on, with probabilities.
        classes: the labels that the version knows, in the order of its columns. Rows with another true label calibrate
            nothing, and count as not held.
        level: the confidence at which it is measured.
        slices: of each slice its title and which of the n rows are in it.
        seed: of the halves.

    Raises:
        DataError: the predictions have no probabilities.
    """
    if held_out.probabilities is None:
        raise DataError(
            "Prediction sets need probabilities, and there are labels alone.",
            next_step="Give the probability of each label.",
        )
    found = _calibrate(held_out, classes, level)
    if len(held_out) < FEWEST_MEASURED:
        return found
    inside, sizes = _measure_halves(held_out, classes, level, seed)
    every = np.ones(len(held_out), dtype=np.bool_)
    by_label = [(f"label = {name}", held_out.labels == name) for name in classes]
    measured = [
        _describe(title, inside, sizes, held_out, rows)
        for title, rows in (("all rows", every), *by_label, *slices)
        if rows.any()
    ]
    return found.model_copy(update={"measured": tuple(measured)})


def _calibrate(held_out: LabelledPredictions, classes: Sequence[str], level: float) -> SetCalibration:
    assert held_out.probabilities is not None  # noqa: S101 - of the caller
    place = {name: held_out.classes.index(name) for name in classes}
    rows_of = {name: np.flatnonzero(held_out.labels == name) for name in classes}
    frequent = [name for name in classes if len(rows_of[name]) >= ROWS_OF_A_LABEL]
    rare = [name for name in classes if name not in frequent]
    categories = []
    for labels in [*((name,) for name in frequent), *([tuple(rare)] if rare else [])]:
        rows = np.concatenate([rows_of[name] for name in labels])
        columns = np.concatenate([np.full(len(rows_of[name]), place[name]) for name in labels])
        likeliest = held_out.probabilities[rows].argmax(axis=1) == columns
        scores = np.sort(np.where(likeliest, 0.0, np.clip(1 - held_out.probabilities[rows, columns], 0, 1)))
        clusters = None if held_out.clusters is None else number_clusters(held_out.clusters[rows])
        units = len(rows) if clusters is None else int(clusters.max(initial=-1)) + 1
        categories.append(LabelCategory(labels=labels, rows=len(rows), units=units, scores=_thin(scores)))
    return SetCalibration(classes=tuple(classes), categories=tuple(categories), level=level)


def _thin(scores: NDArray[np.float64]) -> tuple[float, ...]:
    """Evenly spaced ones of many: the last of each run, so that sets can only grow."""
    step = max(1, math.ceil(len(scores) / MOST_SCORES))
    ends = np.minimum(np.arange(step - 1, len(scores) + step - 1, step), len(scores) - 1)
    return tuple(scores[ends].tolist()) if len(scores) else ()


def _measure_halves(
    held_out: LabelledPredictions, classes: Sequence[str], level: float, seed: int
) -> tuple[Mask, NDArray[np.intp]]:
    """Of each row whether the set holds its true label, and how many labels the set has."""
    assert held_out.probabilities is not None  # noqa: S101 - of the caller
    codes = np.arange(len(held_out)) if held_out.clusters is None else held_out.clusters
    first = np.random.default_rng(seed).permutation(int(codes.max()) + 1)[codes] % 2 == 0
    columns = [held_out.classes.index(name) for name in classes]
    names = np.asarray(classes, dtype=str)
    inside, sizes = np.zeros(len(held_out), dtype=np.bool_), np.zeros(len(held_out), dtype=np.intp)
    for half in (first, ~first):
        if not half.any():
            continue
        sets = _calibrate(held_out.take(~half), classes, level).make_sets(
            held_out.probabilities[half][:, columns], level
        )
        inside[half] = (sets & (held_out.labels[half][:, None] == names[None, :])).any(axis=1)
        sizes[half] = sets.sum(axis=1)
    return inside, sizes


def _describe(
    title: str, inside: Mask, sizes: NDArray[np.intp], held_out: LabelledPredictions, rows: Mask
) -> SetCoverage:
    clusters = held_out.take(rows).clusters
    interval = share_interval(inside[rows], clusters)
    return SetCoverage(
        title=title,
        rows=int(rows.sum()),
        share=float(inside[rows].mean()),
        low=interval.low,
        high=interval.high,
        size=float(sizes[rows].mean()),
    )
