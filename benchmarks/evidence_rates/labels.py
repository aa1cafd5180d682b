"""False alarms about a healthy model whose labels come in part from a labelling queue, and the decay still found.

Each run has 10,000 predictions of a served version and of another one that is exactly as good: two scores that see
the same truth through separate noise. 1,000 predictions are labelled. A part of the labels is from a queue, which
draws a quarter at random and otherwise lists the predictions where the served version is least certain; the others
are organic, of predictions that chance chose. "before" counts all labels alike, "now" the organic and random ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray
from scipy.special import expit

from tiltyard.evaluation import label_predictions
from tiltyard.evaluation.sequential_test import compute_paired_evidence
from tiltyard.monitoring.degradation import evaluate_degradation

ALPHA = 0.05
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
PREDICTIONS = 10_000
LABELS = 1000
RANDOM_SHARE = 0.25
STEP = 20
BASELINE_ROWS = 5000
LOSS = 0.12  # share of the predictions that decay turns into wrong ones

Flags = NDArray[np.bool_]


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about four minutes with ``scale`` 1."""
    runs = scaled(2000, scale)
    rows: list[Row] = []
    for share in SHARES:
        healthy = [0, 0, 0, 0]
        decayed = [0, 0]
        random = np.random.default_rng(round(share * 100))
        for _ in show_progress(range(runs), f"labels: {share:.0%} from the queue"):
            labelled, accuracy = draw_labels(random, share)
            for place, counted in enumerate((labelled, labelled.sample())):
                healthy[place] += is_accused(counted)
                healthy[2 + place] += is_degraded(counted, accuracy)
            labelled, accuracy = draw_labels(random, share, loss=LOSS)
            for place, counted in enumerate((labelled, labelled.sample())):
                decayed[place] += is_degraded(counted, accuracy)
        part = f"{share:.0%} of the labels from a queue"
        for name, offset in (
            ("evidence for another version as good", 0),
            ("a healthy version found degraded", 2),
        ):
            rows += [
                make_row(f"{name}, {part}", ALPHA, healthy[offset + place], runs, build)
                for place, build in enumerate(("before", "now"))
            ]
        found = f"a loss of {LOSS:g} of the accuracy found, {part}"
        rows += [make_row(found, None, decayed[place], runs, build) for place, build in enumerate(("before", "now"))]
    return rows


@dataclass(frozen=True)
class LabelledStream:
    """n labelled predictions in the order of their labels.

    Attributes:
        served: on which the served version is right.
        other: on which another version is right.
        sampled: which were not chosen because they are hard.
    """

    served: Flags
    other: Flags
    sampled: Flags

    def sample(self) -> LabelledStream:
        """Those on which a rate may be measured."""
        keep = self.sampled
        return LabelledStream(self.served[keep], self.other[keep], self.sampled[keep])


def draw_labels(random: np.random.Generator, share: float, loss: float = 0.0) -> tuple[LabelledStream, float]:
    """The labelled predictions of one run, and the accuracy that a test of the served version found before.

    Args:
        random: source of chance.
        share: of the labels that a queue brings.
        loss: share of the predictions that the served version gets wrong since its test, whatever its certainty.
    """
    odds = random.normal(scale=2.0, size=PREDICTIONS + BASELINE_ROWS)
    truth = random.random(len(odds)) < expit(odds)
    served, other = (odds + random.normal(scale=1.2, size=len(odds)) for _ in range(2))
    right, right_other = (served > 0) == truth, (other > 0) == truth
    accuracy = float(right[PREDICTIONS:].mean())
    margin = np.abs(served[:PREDICTIONS])
    right, right_other = right[:PREDICTIONS], right_other[:PREDICTIONS]
    right = right & (random.random(PREDICTIONS) >= loss)
    from_queue = round(LABELS * share)
    drawn = round(from_queue * RANDOM_SHARE)
    # The queue is made in the last half of the traffic, of all predictions until then that have no label.
    organic = random.choice(PREDICTIONS, LABELS - from_queue, replace=False)
    by_chance = random.permutation(np.setdiff1d(np.arange(PREDICTIONS // 2, PREDICTIONS), organic))[:drawn]
    left = np.setdiff1d(np.arange(PREDICTIONS // 2, PREDICTIONS), np.concatenate([organic, by_chance]))
    hard = left[np.argsort(margin[left])[: from_queue - drawn]]
    places = np.concatenate([organic, by_chance, hard])
    sampled = np.arange(LABELS) < LABELS - len(hard)
    order = random.permutation(LABELS)
    places, sampled = places[order], sampled[order]
    return LabelledStream(right[places], right_other[places], sampled), accuracy


def is_accused(labelled: LabelledStream) -> bool:
    """Whether the evidence for the other version passes its limit at any time, which rolls the served one back."""
    only_other = np.cumsum(labelled.other & ~labelled.served)[STEP - 1 :: STEP]
    only_served = np.cumsum(labelled.served & ~labelled.other)[STEP - 1 :: STEP]
    counts = zip(only_other.tolist(), only_served.tolist(), strict=True)
    return any(compute_paired_evidence(theirs, mine) >= 1 / ALPHA for theirs, mine in counts)


def is_degraded(labelled: LabelledStream, accuracy: float) -> bool:
    """Whether monitoring finds that the served version is worse than at its test."""
    predicted = np.where(labelled.served, "right", "wrong")
    rows = label_predictions(np.full(len(predicted), "right"), predicted, None, ("right", "wrong"))
    found = evaluate_degradation(rows, {"accuracy": accuracy}, baseline_rows=BASELINE_ROWS, alpha=ALPHA)
    return found[0].verdict == "degraded"
