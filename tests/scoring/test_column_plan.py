"""Features by columns are those by rows, to the bit, whatever the cells and the model are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tiltyard.scoring.linear_head import LinearHead
from tiltyard.scoring.table.column_plan import AT_ONCE, ColumnPlan
from tiltyard.scoring.table.frame_encoding import EncodedColumns
from tiltyard.scoring.table.preparation import DATE_PARTS, INDICATOR, NUMBER, TABLE, Preparation
from tiltyard.scoring.table.table_kernels import linear_decision, prepare_features
from tiltyard.scoring.table.table_models import Floats, LinearTableModel, States

A_DAY = 86_400_000_000
ROWS = 2 * AT_ONCE + 77
# Columns: 0 and 1 numbers, 2 moments, 3 and 4 words (the last code is for a gap), 5 a word used as a number.
WORDS = {3: np.array([0.0, 1.0, 2.0, 3.0]), 4: np.array([0.0, 1.0, 2.0]), 5: np.array([5.0, -1.0, math.nan])}
TABLES = np.array([*(1.0, 0, 0, 0), *(0, 1.0, 0, 0), *(0, 0, 2.5, 0), *(0.3, 0, -0.7), *(0.1, 0.2, 0), 18_000 * A_DAY])
# Column, kind, fill, mean, scale, offset of each feature.
FEATURES = [
    (0, NUMBER, 0.5, 0.1, 1.7, 0),
    (1, NUMBER, math.nan, 0.0, 0.3, 0),
    (0, INDICATOR, 0.0, 0.05, 1.0, 0),
    (3, TABLE, 0.0, 0.0, 1.0, 0),
    (3, TABLE, 0.0, 0.0, 1.0, 4),
    (3, TABLE, 0.0, 0.0, 1.0, 8),
    (4, TABLE, 0.0, 0.0, 1.0, 12),  # two of one column that are not zero for the same word
    (4, TABLE, 0.0, 0.0, 1.0, 15),
    (3, TABLE, 0.0, 0.0, 1.0, 4),  # a column that comes again later
    (5, NUMBER, 0.0, 0.0, 1.0, 0),
    *((2, kind, 2000.0, 1.0, 2.0, 18) for kind in DATE_PARTS.values()),
]
LIMITS = list(itertools.product([False, True], repeat=3))


def prepare() -> Preparation:
    source, kind, fill, mean, scale, offset = zip(*FEATURES, strict=True)
    return Preparation(
        np.array(source), np.array(kind), np.array(fill), np.array(mean), np.array(scale), np.array(offset), TABLES, {},
        sparse=False,
    )  # fmt: skip


def make_cells(rows: int, *, wild: bool) -> EncodedColumns:
    random = np.random.default_rng(3)
    one, other = random.normal(size=(2, rows))
    days = random.integers(-30_000, 30_000, rows)
    moments = np.asarray(days * A_DAY + random.integers(0, A_DAY, rows), np.float64)
    if wild:
        for column in (one, other, moments):
            column[random.random(rows) < 0.1] = math.nan
        one[random.random(rows) < 0.01] = math.inf
        other[random.random(rows) < 0.01] = 1e300
    words = [(values, random.integers(-1, len(values) - 1, rows).astype(np.int8)) for values in WORDS.values()]
    return EncodedColumns(rows, ((one, None), (other, None), (moments, None), *words))


def by_rows(
    prepared: Preparation, limits: tuple[bool, bool, bool], bounds: tuple[Floats, Floats], cells: EncodedColumns
) -> tuple[Floats, States]:
    raw = np.stack([values if codes is None else values[codes] for values, codes in cells.columns], axis=1)
    out, state = np.empty((cells.rows, len(FEATURES))), np.empty(cells.rows, np.int64)
    prepare_features(raw, prepared.arrays, limits, bounds, out, state)
    return out, state


BOUNDS = (np.array([-2.0, -math.inf, -math.inf, -math.inf, 0.0, -1.0]), np.array([2.0, 2.0, math.inf, 1.5, 2.0, 4.0]))


@pytest.mark.parametrize("rows", [0, 1, ROWS])
@pytest.mark.parametrize("limits", LIMITS)
def test_features_and_states_are_those_of_rows(limits: tuple[bool, bool, bool], rows: int) -> None:
    prepared, cells = prepare(), make_cells(rows, wild=True)
    features, state = by_rows(prepared, limits, BOUNDS, cells)
    blocks = [
        (some.copy(), flags.copy()) for _, some, flags in ColumnPlan(prepared, limits, BOUNDS).make_features(cells)
    ]
    found = np.concatenate([some for some, _ in blocks]) if blocks else np.empty((0, len(FEATURES)))
    flags = np.concatenate([flags for _, flags in blocks]) if blocks else np.empty(0, np.int64)
    np.testing.assert_array_equal(found.view(np.int64), features.view(np.int64))
    np.testing.assert_array_equal(flags, state)
    assert rows < ROWS or len(set(state.tolist())) > 2  # the cells try several states


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("wild", [False, True])
def test_decision_values_are_those_of_rows(outputs: int, wild: bool) -> None:
    prepared, cells = prepare(), make_cells(ROWS, wild=wild)
    weights = np.random.default_rng(5).normal(size=(len(FEATURES), outputs))
    weights[4] = 0.0
    head = LinearHead(weights, np.arange(outputs) / 3, "sigmoid" if outputs == 1 else "softmax", max(2, outputs))
    limits = (False, False, False)
    features, state = by_rows(prepared, limits, BOUNDS, cells)
    wanted = np.empty((ROWS, outputs))
    linear_decision(features, weights, head.intercept, wanted)
    blocks = list(LinearTableModel(head).score_columns(ColumnPlan(prepared, limits, BOUNDS), cells))
    flags = np.concatenate([flags for _, flags in blocks])
    np.testing.assert_array_equal(flags, state)
    sound = (state & 3) == 0
    assert sound.any()
    assert sound.all() != wild
    found = np.concatenate([some for some, _ in blocks])[sound]
    np.testing.assert_array_equal(found.view(np.int64), head.probabilities(wanted)[sound].view(np.int64))


def test_weights_that_are_endless_are_multiplied_by_zeros_too() -> None:
    prepared, cells = prepare(), make_cells(50, wild=False)
    weights = np.full((len(FEATURES), 1), math.inf)
    head = LinearHead(weights, np.zeros(1), "sigmoid", 2)
    features, _ = by_rows(prepared, (True, True, False), BOUNDS, cells)
    wanted = np.empty((50, 1))
    linear_decision(features, weights, head.intercept, wanted)
    [(found, _)] = LinearTableModel(head).score_columns(ColumnPlan(prepared, (True, True, False), BOUNDS), cells)
    np.testing.assert_array_equal(found, head.probabilities(wanted))
