"""Prediction sets that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tiltyard.errors import DataError
from tiltyard.evaluation import LabelledPredictions, calibrate_sets, label_predictions
from tiltyard.evaluation.conformal.label_sets import MOST_SCORES, ROWS_OF_A_LABEL

CLASSES = ("often", "rare", "some")
SHARES = np.array([0.7, 0.05, 0.25])


def make_rows(
    rows: int, seed: int, *, shares: NDArray[np.float64] = SHARES, group: int = 1, overconfident: float = 1.0
) -> LabelledPredictions:
    """Predictions of a model that is right in part; its probabilities may be too sure, which sets must not rely on."""
    random = np.random.default_rng(seed)
    truth = random.choice(len(CLASSES), rows, p=shares)
    signal = np.repeat(random.normal(size=(-(-rows // group), len(CLASSES))), group, axis=0)[:rows]
    logits = np.log(shares + 1e-9) + 1.5 * np.eye(len(CLASSES))[truth] + signal
    weights = np.exp(overconfident * logits)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    names = np.asarray(CLASSES)
    clusters = np.arange(rows) // group if group > 1 else None
    return label_predictions(
        names[truth], names[probabilities.argmax(axis=1)], probabilities, CLASSES, "rare", clusters=clusters
    )


def measure(sets: object, rows: LabelledPredictions, level: float) -> NDArray[np.bool_]:
    """Whether the set of each row holds its true label."""
    assert rows.probabilities is not None
    held = sets.make_sets(rows.probabilities, level)  # type: ignore[attr-defined]
    return np.asarray(held[np.arange(len(rows)), rows.truth])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("overconfident", [1.0, 4.0])
def test_sets_hold_the_stated_share_of_new_rows_of_each_label(level: float, overconfident: float) -> None:
    """Of a rare label too, and by probabilities that are far too sure; more only where the likeliest label holds it."""
    sets = calibrate_sets(make_rows(40_000, 0, overconfident=overconfident), CLASSES, level)
    rows = make_rows(60_000, 1, overconfident=overconfident)
    inside = measure(sets, rows, level)
    for name in CLASSES:
        of_label = rows.labels == name
        recall = (rows.predicted[of_label] == name).mean()
        assert inside[of_label].mean() == pytest.approx(max(level, recall), abs=0.02 if name == "rare" else 0.01)


def test_on_the_average_over_calibrations_coverage_is_no_less_than_stated() -> None:
    """With 40 held-out rows, all labels in one category, the mean coverage is still at least the stated one."""
    shares = [
        measure(calibrate_sets(make_rows(40, seed), CLASSES, 0.9), make_rows(1_000, 9_000 + seed), 0.9).mean()
        for seed in range(200)
    ]
    assert 0.9 <= np.mean(shares) < 0.96


def test_rows_of_a_group_are_not_so_many_rows() -> None:
    """With 30 groups of 20 rows that share their noise, the mean coverage is at least the stated one."""
    shares = [
        measure(
            calibrate_sets(make_rows(600, seed, group=20), CLASSES, 0.9), make_rows(2_000, 9_000 + seed, group=20), 0.9
        ).mean()
        for seed in range(100)
    ]
    assert 0.9 <= np.mean(shares) < 0.97


def test_rare_labels_share_a_category() -> None:
    """A label with fewer rows than a category needs is held against the other rare ones, not against the frequent."""
    sets = calibrate_sets(make_rows(1_000, 0), CLASSES, 0.9)
    assert [one.labels for one in sets.categories] == [("often",), ("some",), ("rare",)]
    assert sets.categories[-1].rows < ROWS_OF_A_LABEL <= sets.categories[0].rows
    few = calibrate_sets(make_rows(60, 0), CLASSES, 0.9)
    assert [one.labels for one in few.categories] == [CLASSES]


def test_a_label_without_held_out_rows_is_in_every_set() -> None:
    """Nothing is known of it, so nothing can leave it out."""
    rows = make_rows(2_000, 0, shares=np.array([0.6, 0.0, 0.4]))
    sets = calibrate_sets(rows, CLASSES, 0.9)
    assert sets.always_in(0.5) == ("rare",)
    assert rows.probabilities is not None
    assert sets.make_sets(rows.probabilities, 0.5)[:, 1].all()


def test_the_measured_coverage_is_of_rows_that_had_no_part() -> None:
    """Overall, by label and by slice it is that of new rows, within the interval that is named."""
    rows = make_rows(20_000, 0)
    odd = np.arange(len(rows)) % 2 == 1
    sets = calibrate_sets(rows, CLASSES, 0.9, slices=[("place = odd", odd)])
    overall, *others = sets.measured
    assert [one.title for one in sets.measured] == [
        "all rows",
        "label = often",
        "label = rare",
        "label = some",
        "place = odd",
    ]
    assert overall.rows == 20_000
    assert overall.share == pytest.approx(measure(sets, make_rows(50_000, 1), 0.9).mean(), abs=0.01)
    assert overall.low <= overall.share <= overall.high
    assert others[-1].rows == 10_000
    assert 1 <= overall.size <= 3


def test_a_label_that_the_version_does_not_know_counts_as_missed() -> None:
    """Rows of it calibrate nothing, and lower the measured coverage: no set can hold them."""
    known = make_rows(2_000, 0)
    assert known.probabilities is not None
    labels = known.labels.astype("<U8").copy()
    labels[:400] = "unheard"
    rows = label_predictions(labels, known.predicted, known.probabilities, CLASSES, "rare")
    sets = calibrate_sets(rows, CLASSES, 0.9)
    assert sets.rows == 1_600
    assert sets.measured[0].share < 0.8


def test_many_scores_are_kept_in_part_and_sets_only_grow() -> None:
    """A file of a version stays small, and the thinned scores leave no label out that all of them would keep."""
    rows = make_rows(30_000, 0, shares=np.array([0.98, 0.01, 0.01]))
    sets = calibrate_sets(rows, CLASSES, 0.9)
    [category] = [one for one in sets.categories if one.labels == ("often",)]
    assert len(category.scores) <= MOST_SCORES < category.rows
    assert rows.probabilities is not None
    shown = rows.probabilities[rows.labels == "often"]
    scores = np.sort(np.where(shown.argmax(axis=1) == 0, 0, 1 - shown[:, 0]))
    for level in (0.5, 0.9, 0.99, 0.999):
        exact = scores[int(np.ceil((len(scores) + 1) * level - 1e-9)) - 1]
        assert (
            exact <= category.find_threshold(level) <= scores[min(len(scores) - 1, np.searchsorted(scores, exact) + 8)]
        )


def test_labels_alone_make_no_sets() -> None:
    """Without probabilities there is an error, not a set of everything."""
    with pytest.raises(DataError, match="need probabilities"):
        calibrate_sets(label_predictions(["a", "b"], ["a", "b"], None, ("a", "b")), ("a", "b"), 0.9)
