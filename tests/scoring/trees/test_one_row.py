"""Single rows of usual cells, predicted by a booster in one compiled call."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.boosters.fitted import WORD, fit_booster
from tests.scoring.trees.test_tree_head import (
    MODELS,
    ODD,
    UNHURRIED,
    Floats,
    compile_head,
    fit_lightgbm,
    list_odd_numbers,
    read_rows,
)
from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.models.boosters.tree_ensemble import Library
from tiltyard.scoring.scorer import Scores, write_predicted
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preprocessing_arrays import compile_coded_columns
from tiltyard.scoring.table.row_encoding import Codes, QuickReader
from tiltyard.scoring.table.table_models import OneRow
from tiltyard.scoring.table.table_scorer import TableNumberScorer, TableScorer
from tiltyard.scoring.trees.tree_head import TreeHead, build_tree_head
from tiltyard.scoring.trees.tree_layout import WALK
from tiltyard.scoring.trees.tree_model import TreeModel


def make_scorer(head: TreeHead) -> TableScorer:
    """The scorer of a booster of numbers that nothing prepares."""
    names = [f"f{place}" for place in range(head.features)]
    columns = InputColumns(dict.fromkeys(names, "float64"))
    prepared = compile_coded_columns(names, {}, columns)
    model = TreeModel(head)
    if head.classes:
        return TableScorer(columns, prepared, model, [f"class {place}" for place in range(head.classes)])
    return TableNumberScorer(columns, prepared, model, None)


def make_one_row(head: TreeHead) -> OneRow:
    found = make_scorer(head)._one_row
    assert found is not None
    return found


def name_cells(row: Floats) -> dict[str, float]:
    return {f"f{place}": value for place, value in enumerate(row.tolist())}


def read_outputs(found: Scores) -> Floats:
    """What the model says of one row, shape (outputs,)."""
    return found.probabilities[0] if found.numbers is None else found.numbers


def expect_alike(head: TreeHead, rows: Floats) -> None:
    one_row = make_one_row(head)
    for row, expected in zip(rows, head.predict(rows), strict=True):
        found = one_row(name_cells(row))
        if np.isinf(row).any():
            assert found is None
        else:
            assert found is not None
            assert np.array_equal(read_outputs(found), expected)
            label = f"class {expected.argmax()}" if head.classes else write_predicted(float(expected[0]))
            assert found.labels == [label]


@pytest.mark.parametrize(("library", "objective", "setting"), MODELS)
def test_a_row_alone_is_predicted_to_the_bit_as_in_a_batch(library: Library, objective: str, setting: int) -> None:
    """One compiled call gives for a dictionary the very numbers that a batch of arrays gets."""
    fitted = fit_booster(library, objective, setting)
    head, ensemble = compile_head(fitted)
    if head.tables is not None:
        expect_alike(head, read_rows(ensemble, fitted.rows[:150]))


def test_most_boosters_have_tables_for_single_rows() -> None:
    """Of the models of these tests only those with a tree of more than 64 leaves have none."""
    for model in MODELS:
        head, _ = compile_head(fit_booster(*model))
        large = (head.layout.trees[:, 2] == WALK).any()
        assert (head.tables is None) == large


@pytest.mark.parametrize(("library", "objective", "setting"), ODD)
@UNHURRIED
@given(data=st.data())
def test_odd_values_of_a_row_alone_are_predicted_as_in_a_batch(
    library: Library, objective: str, setting: int, data: st.DataObject
) -> None:
    """Gaps, denormal numbers, thresholds and their neighbours get the same rank in tables as in nodes."""
    head, ensemble = compile_head(fit_booster(library, objective, setting))
    numbers = st.sampled_from(list_odd_numbers(ensemble)) | st.floats(-3, 3)
    codes = st.integers(-3, 80).map(float) | st.just(np.nan)
    row = np.array([[data.draw(numbers) for _ in range(WORD)] + [data.draw(codes)]])
    if head.tables is not None:
        expect_alike(head, read_rows(ensemble, row))


@pytest.mark.parametrize(("leaves", "categories"), [(64, 300), (31, 40), (2, 70)])
def test_many_thresholds_and_categories_have_their_ranks(leaves: int, categories: int) -> None:
    """Columns of hundreds of thresholds, and sets of more categories than a word has bits, lead to the same leaves."""
    document, _, rows = fit_lightgbm(leaves, categories)
    head = build_tree_head(read_ensemble("lightgbm", document), 0)
    assert head.tables is not None
    expect_alike(head, rows[:400])


@pytest.mark.parametrize(
    "change",
    [
        {"f1": True},
        {"f1": "1.5"},
        {"f1": np.float64(1.5)},
        {"f1": 10**400},
        {"f1": float("inf")},
        {"other": 1.0},
    ],
)
def test_an_unusual_cell_is_left_to_the_full_reading(change: dict[str, Any]) -> None:
    """A row with a cell of another type, an endless number or one column more is not predicted in one call."""
    head, _ = compile_head(fit_booster("lightgbm", "binary", 0))
    row = name_cells(np.zeros(head.features))
    one_row = make_one_row(head)
    assert one_row(row) is not None
    assert one_row({**row, **change}) is None
    del row["f2"]
    assert one_row(row) is None


def test_whole_numbers_and_gaps_are_usual_cells() -> None:
    """An int is its float64, -1 too, and None is a gap."""
    head, _ = compile_head(fit_booster("lightgbm", "binary", 0))
    one_row = make_one_row(head)
    row: dict[str, Any] = {**name_cells(np.zeros(head.features)), "f0": -1, "f1": 2**60 + 1, "f2": None}
    found = one_row(row)
    cells = np.array([[np.nan if value is None else float(value) for value in row.values()]])
    assert found is not None
    assert np.array_equal(read_outputs(found), head.predict(cells)[0])


def test_names_that_are_not_plain_texts_are_found_or_left() -> None:
    """A key that raises when it is compared is left to the full reading, and its error does not remain."""

    class Hostile(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = str.__hash__

    head, _ = compile_head(fit_booster("lightgbm", "binary", 0))
    row = name_cells(np.zeros(head.features))
    held = {Hostile(name) if name == "f1" else name: value for name, value in row.items()}
    assert make_one_row(head)(held) is None
    assert make_one_row(head)(row) is not None


def test_a_copy_of_a_reader_reads_its_own_objects() -> None:
    """A reader knows its columns and codes by their addresses; a copy has the addresses of what it holds itself."""
    reader = QuickReader(["size", "town"], {"town": (Codes({"York": 3.0}, 4.0, -1.0), str)})
    copied = pickle.loads(pickle.dumps(reader))
    rows: list[dict[str, Any]] = [{"size": 1.5, "town": "York"}, {"size": 2, "town": None}]
    expected = reader.read(rows)
    assert expected is not None
    assert reader.addresses.tolist() != copied.addresses.tolist()
    del reader
    gc.collect()
    assert copied.read(rows).tolist() == expected.tolist() == [[1.5, 3.0], [2.0, -1.0]]
