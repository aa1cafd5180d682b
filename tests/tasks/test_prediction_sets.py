"""What makes prediction sets of labels, and what refuses to."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.errors import ArtifactError, InputError
from tiltyard.tasks import LabelCategory, SetCalibration, check_confidence_level, require_sets

SCORES = tuple(np.round(np.linspace(0.01, 0.99, 99), 4).tolist())


def make_category(*labels: str, rows: int = 99, units: int | None = None) -> LabelCategory:
    return LabelCategory(labels=labels, rows=rows, units=rows if units is None else units, scores=SCORES[:rows])


def make_sets(*categories: LabelCategory) -> SetCalibration:
    classes = tuple(label for one in categories for label in one.labels)
    return SetCalibration(classes=classes, categories=categories, level=0.9)


@pytest.mark.parametrize(("level", "rank"), [(0.5, 50), (0.9, 90), (0.95, 95), (0.99, 99)])
def test_a_threshold_is_the_rank_that_the_level_asks_for(level: float, rank: int) -> None:
    """Of 99 scores it is the (99 + 1) level-th, rounding aside."""
    assert make_category("a").find_threshold(level) == SCORES[rank - 1]


def test_what_few_rows_cannot_leave_out_is_in_every_set() -> None:
    """Nine rows cannot say what is not in 95 % of the sets: their label is in each of them, and the set says so."""
    sets = make_sets(make_category("often"), make_category("seldom", rows=9))
    assert sets.always_in(0.9) == ()
    assert sets.always_in(0.95) == ("seldom",)
    held = sets.make_sets(np.array([[1.0, 0.0], [0.98, 0.02]]), 0.95)
    assert held.tolist() == [[True, True], [True, True]]
    assert sets.make_sets(np.array([[1.0, 0.0]]), 0.9).tolist() == [[True, False]]


def test_rows_of_few_groups_count_as_few() -> None:
    """Ninety-nine rows of nine groups say no more than nine rows."""
    category = make_category("a", units=9)
    assert category.highest_level == 0.9
    assert math.isinf(category.find_threshold(0.95))
    assert category.find_threshold(0.8) == SCORES[math.ceil(8 / 9 * 99) - 1]


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_no_set_is_empty_and_more_confidence_leaves_no_label_out(rows: list[list[float]], level: float) -> None:
    """The likeliest label is always in, and each set holds that of a lower confidence."""
    weights = np.array(rows) + 1e-6
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    sets = make_sets(make_category("a"), make_category("b", "c", rows=30))
    held = sets.make_sets(probabilities, level)
    assert held[np.arange(len(rows)), probabilities.argmax(axis=1)].all()
    assert (held <= sets.make_sets(probabilities, (1 + level) / 2)).all()
    named = sets.list_labels([dict(zip("abc", row, strict=True)) for row in probabilities.tolist()], level)
    # The cells of a table say the same, in whatever order the columns are.
    cells = sets.write_sets(probabilities[:, [2, 0, 1]], ("c", "a", "b"), level)
    assert [json.loads(cell) for cell in cells] == named
    assert [sorted(labels) for labels in named] == [
        [name for name, one in zip("abc", row, strict=True) if one] for row in held
    ]
    assert all(labels[0] == "abc"[row.argmax()] for labels, row in zip(named, probabilities, strict=True))


@pytest.mark.parametrize("value", [0, 1, -0.1, 90, math.nan, math.inf, True, "0.9", [0.9], None])
def test_what_is_no_confidence_is_refused(value: object) -> None:
    """The message names the field and the value."""
    with pytest.raises(InputError, match=r"^confidence_level .* is not a number between 0 and 1"):
        check_confidence_level(value)


def test_a_version_that_cannot_says_what_to_do() -> None:
    """Numbers, a version without scores, and a confidence that its rows cannot carry are different errors."""
    sets = make_sets(make_category("a", "b"))
    assert require_sets(sets, ("a", "b"), "7", 0.99) is sets
    with pytest.raises(InputError, match="99 rows of version 7: every set would hold every label") as refused:
        require_sets(sets, ("a", "b"), "7", 0.995)
    assert refused.value.next_step == "Ask for at most 0.99, or hold more rows out."
    with pytest.raises(InputError, match="version 7 carries no scores") as without:
        require_sets(None, ("a", "b"), "7", 0.9)
    assert "tiltyard train" in without.value.next_step
    with pytest.raises(InputError, match="version 7 predicts numbers"):
        require_sets(None, (), "7", 0.9)


def test_what_was_stored_is_what_is_loaded() -> None:
    """A calibration comes back from its file; one that was changed by hand is refused."""
    sets = make_sets(make_category("a"), make_category("b", rows=20))
    assert SetCalibration.from_bytes(sets.to_bytes()) == sets
    content = sets.to_bytes()
    for wrong in (
        b"{}",
        b"no",
        content.replace(b'"labels":["a"]', b'"labels":["b"]'),
        content.replace(b"0.01", b"0.5"),
    ):
        with pytest.raises(ArtifactError, match="prediction sets of the version cannot be read"):
            SetCalibration.from_bytes(wrong)
