"""The benchmark of estimates without labels, with one small champion."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.evidence_rates import estimates


def test_an_estimate_holds_where_inputs_stay_and_is_refused_far_from_the_training() -> None:
    """Of rows like the training's the interval holds the accuracy; of rows far from all of it nothing is estimated."""
    random = np.random.default_rng(94)
    with estimates.train_champion(estimates.draw_table(random, 500), "", "tabular-classification") as champion:
        assert estimates.estimate_window(champion, estimates.draw_table(random, 500)) is True
        assert estimates.estimate_window(champion, estimates.draw_table(random, 300, 6.0, 6)) is None


@pytest.mark.parametrize(("shift", "columns"), [(0.0, 1), (2.0, 3)])
def test_inputs_move_and_the_rule_of_their_labels_stays(shift: float, columns: int) -> None:
    """Just the named number of columns is shifted, by so many standard deviations."""
    frame = estimates.draw_table(np.random.default_rng(1), 4_000, shift, columns)
    means = frame[[f"x{place}" for place in range(6)]].mean().to_numpy()
    assert means == pytest.approx([shift] * columns + [0.0] * (6 - columns), abs=0.1)
    assert set(frame["label"]) == {"yes", "no"}


def test_a_grade_names_what_was_not_estimated_and_what_held() -> None:
    """Windows without an estimate are counted as such, and coverage is a share of the others."""
    checked, held = estimates._describe("six shifted", [None, True, True, False])
    assert (checked.rate, checked.runs, checked.promised) == (0.25, 4, None)
    assert (held.runs, held.promised, held.least) == (3, 0.9, True)
    assert held.rate == pytest.approx(2 / 3)
    assert len(estimates._describe("far", [None, None])) == 1
