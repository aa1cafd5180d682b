"""Labels of a task that predicts numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.data.number_labels import conform_number_labels, read_number, require_varied_numbers, write_number
from tiltyard.errors import DataError


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_is_read_as_itself(value: float) -> None:
    """What stands in the ledger as text is the very number that was predicted."""
    assert read_number(write_number(value)) == value


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.5", " 2 ", "-3e2"], [1.5, 2.0, -300.0]),
        ([1, 2.5, Decimal("0.25")], [1.0, 2.5, 0.25]),
        ([np.int64(7), None, "", "  "], [7.0, math.nan, math.nan, math.nan]),
        (["8", "unknown"], [8.0, math.nan]),
    ],
    ids=str,
)
def test_numbers_are_read_however_they_are_written(cells: list[Any], numbers: list[float]) -> None:
    """Numbers and their texts are one; blanks and declared gap words are missing."""
    read = conform_number_labels(pd.Series(cells, dtype=object, name="price"), ["unknown"])
    np.testing.assert_array_equal(read.to_numpy(), numbers)


@pytest.mark.parametrize(
    ("cells", "code", "says"),
    [
        (["1", "high", "low"], "data.label-not-number", r"not a number in 2 rows \(rows 2, 3\); the first is 'high'"),
        ([1.0, True], "data.label-not-number", "the first is 'True'"),
        (["007", "8"], "data.label-not-number", "'007'"),
        ([1.0, math.inf, 3.0], "data.label-infinite", r"infinite in 1 row \(row 2\)"),
        ([1.0, "-2e300"], "data.label-too-large", r"beyond ±1e\+150 in 1 row \(row 2\); the first is '-2e300'"),
        (["1", "-inf"], "data.label-infinite", r"infinite in 1 row \(row 2\)"),
    ],
    ids=str,
)
def test_a_label_that_is_no_finite_number_is_refused_with_its_rows(cells: list[Any], code: str, says: str) -> None:
    """Words, truth values, codes and infinity are refused by name, row and value."""
    with pytest.raises(DataError, match=says) as refused:
        conform_number_labels(pd.Series(cells, dtype=object, name="price"))
    assert refused.value.code == code
    assert refused.value.next_step


def test_a_constant_target_is_refused() -> None:
    """From numbers that are all the same nothing can be learnt."""
    require_varied_numbers(pd.Series([1.0, 2.0], name="price"))
    with pytest.raises(DataError, match="only the number 4 on the train side") as refused:
        require_varied_numbers(pd.Series([4.0, 4.0], name="price"), "on the train side")
    assert refused.value.code == "data.label-constant"
