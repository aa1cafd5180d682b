"""The scores of several parts as one, and of some rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.scorer import Scores


def join_scores(parts: Sequence[Scores]) -> Scores:
    """The scores of all rows of all parts, in their order."""
    numbers = [one.numbers for one in parts if one.numbers is not None]
    ends = [one.intervals for one in parts if one.intervals is not None]
    warned = any(one.warnings is not None for one in parts)
    return Scores(
        [label for one in parts for label in one.labels],
        np.concatenate([one.probabilities for one in parts]),
        [some for one in parts for some in (one.warnings or [()] * len(one.labels))] if warned else None,
        np.concatenate(numbers) if numbers else None,
        np.concatenate(ends) if ends else None,
    )


def take_scores(scores: Scores, stays: NDArray[np.bool_]) -> Scores:
    """The scores of the rows that stay, without their warnings."""
    places = np.flatnonzero(stays).tolist()
    return Scores(
        [scores.labels[place] for place in places],
        scores.probabilities[stays],
        None,
        None if scores.numbers is None else scores.numbers[stays],
        None if scores.intervals is None else scores.intervals[stays],
    )
