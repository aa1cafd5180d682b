"""The reference profile of a training: what the model learnt from, as later traffic is compared with it."""

from __future__ import annotations

from tiltyard.data import Split
from tiltyard.drift.profiles import Reference, Rows, build_reference
from tiltyard.promotion.offline_predictions import PredictedRows


def reference_profile(split: Split, answers: PredictedRows) -> Reference:
    """Columns from the rows that taught the model; its answers, and words it has not seen, from those that judged it.

    Args:
        split: both sides.
        answers: what the model said about the test side.
    """
    taught = Rows(split.train.inputs, labels=split.train.labels.to_numpy(dtype=object))
    judged = Rows(split.test.inputs, answers.labels, answers.probabilities.max(axis=1))
    return build_reference(taught, judged)
