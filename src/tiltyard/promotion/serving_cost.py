"""What a version costs as it is served, measured with the scorer that would serve, on its own sample rows."""

from __future__ import annotations

import time

import numpy as np

from tiltyard.promotion.gates import Cost
from tiltyard.registry import Package
from tiltyard.scoring import make_scorer

CALLS = 5
SECONDS = 3.0


def measure_cost(package: Package) -> Cost:
    """Time single predictions, and add up the sizes of the files.

    Each sample row is predicted up to five times and the fastest prediction counts, so that other work on the machine
    hardly shows; after three seconds no further row is tried.

    Raises:
        ArtifactError: the version's model gives no probabilities.
    """
    scorer = make_scorer(package)
    size = sum(file.stat().st_size for file in package.folder.rglob("*") if file.is_file()) / 1e6
    rows = list(package.manifest.samples.inputs)
    if not rows:
        return Cost(None, None, 0, size, scorer.kind)
    scorer.score(rows)
    scorer.score(rows[:1])
    fastest: list[float] = []
    deadline = time.perf_counter() + SECONDS
    for row in rows:
        taken = []
        for _ in range(CALLS):
            started = time.perf_counter_ns()
            scorer.score([row])
            taken.append((time.perf_counter_ns() - started) / 1e6)
        fastest.append(min(taken))
        if time.perf_counter() > deadline:
            break
    return Cost(
        float(np.quantile(fastest, 0.95, method="higher")),
        float(np.median(fastest)),
        len(fastest),
        size,
        scorer.kind,
    )
