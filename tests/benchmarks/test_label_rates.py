"""The rates of false alarms with labels of a queue, in a few seeded runs."""

from __future__ import annotations

import numpy as np
from benchmarks.evidence_rates.labels import draw_labels, is_accused, is_degraded


def test_chosen_labels_accuse_a_healthy_version_and_samples_seldom_do() -> None:
    """With nine of ten labels from a queue, all labels say that a healthy version degraded; its sample seldom does."""
    random = np.random.default_rng(7)
    all_labels, samples = [0, 0], [0, 0]
    for _ in range(30):
        labelled, accuracy = draw_labels(random, 0.9)
        for counts, rows in ((all_labels, labelled), (samples, labelled.sample())):
            counts[0] += is_degraded(rows, accuracy)
            counts[1] += is_accused(rows)
    assert all_labels[0] >= 28
    assert all_labels[1] >= 8
    assert samples[0] <= 4
    assert samples[1] <= 3


def test_decay_is_found_on_the_random_labels() -> None:
    """A version that lost a tenth of its accuracy is found where nine of ten labels are from a queue."""
    random = np.random.default_rng(8)
    drawn = [draw_labels(random, 0.9, loss=0.12) for _ in range(20)]
    assert sum(is_degraded(labelled.sample(), accuracy) for labelled, accuracy in drawn) >= 17
