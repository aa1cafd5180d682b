"""The smoke test of a version: does it predict its saved examples as it did at training?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from tiltyard.errors import ArtifactError
from tiltyard.registry.package.manifest import Manifest
from tiltyard.registry.package.task_part import TaskRegistry
from tiltyard.scoring import Scorer

# Far above what the order of a sum can do (1e-13), far below what another library version does.
TOLERANCE = 1e-9

# The cost of a row is measured in at most so many rounds, and for so long.
MEASURED_ROUNDS = 5
MEASURED_SECONDS = 0.1


def smoke_test(scorer: Scorer, manifest: Manifest) -> dict[str, Any]:
    """Warm a scorer up, and check that it predicts the version's saved examples as at training.

    Returns:
        The evidence: the number of rows, the largest difference of a probability, and the cost of a row in
        microseconds, alone and in a batch of all of them.

    Raises:
        ArtifactError: a probability (a number, relatively) differs by more than ``TOLERANCE``, or the labels differ.
    """
    if scorer.classes != tuple(manifest.classes):
        raise ArtifactError(
            f"The model predicts the labels {', '.join(scorer.classes)}, and its manifest names "
            f"{', '.join(manifest.classes)}.",
            next_step="Train the version anew.",
            code="artifact.other-labels",
        )
    samples = manifest.samples
    if not samples.inputs:
        return {"rows": 0, "largest_difference": None, "microseconds_alone": None, "microseconds_batched": None}
    difference = _measure_difference(scorer, manifest)
    if not difference <= TOLERANCE:
        raise ArtifactError(
            f"The version does not predict as it did at training: predictions differ by up to {difference:.3g}.",
            next_step="Install the library versions that its manifest names, or train it anew.",
            code="artifact.other-answers",
        )
    # A single input takes other code paths than a batch; no request should be the first on them.
    scorer.score(samples.inputs[:1])
    return {
        "rows": len(samples.inputs),
        "largest_difference": difference,
        "microseconds_alone": _measure_microseconds(scorer, [[row] for row in samples.inputs]),
        "microseconds_batched": _measure_microseconds(scorer, [samples.inputs]),
    }


def _measure_difference(scorer: Scorer, manifest: Manifest) -> float:
    """The largest difference of a probability from the training's; of numbers, as a share of the largest number."""
    samples = manifest.samples
    scores = scorer.score(samples.inputs)
    predicted: Any = scores.probabilities if scores.numbers is None else scores.numbers
    expected = np.asarray(getattr(samples, TaskRegistry.find_for(manifest.task).sample_field), np.float64)
    if predicted.shape != expected.shape:
        return float("inf")
    unit = 1.0 if scores.numbers is None else max(float(np.max(np.abs(expected))), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(predicted - expected))) / unit


def _measure_microseconds(scorer: Scorer, batches: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """The time of a row in microseconds: the best of a few rounds within ``MEASURED_SECONDS``."""
    rows = sum(map(len, batches))
    best = float("inf")
    begun = perf_counter()
    for _ in range(MEASURED_ROUNDS):
        started = perf_counter()
        for batch in batches:
            scorer.score(batch)
        now = perf_counter()
        best = min(best, now - started)
        if now - begun > MEASURED_SECONDS:
            break
    return round(best / rows * 1e6, 1)
