"""The cells of single rows mean what those of whole columns mean."""

from __future__ import annotations

import math
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data.conform.cells import parse_boolean, parse_number
from tiltyard.data.conform.frames import conform_frame, read_sent_rows
from tiltyard.data.conform.names import conform_names
from tiltyard.data.conform.rows import CellError, make_cell_reader
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import SchemaKind, TableSchema, TypedColumn
from tiltyard.errors import DataError

WORDS = (
    "EU",
    "NA",
    "Café",
    "Cafe\u0301",
    " EU ",
    "1",
    "1.0",
    "0",
    "TRUE",
    "false",
    "null",
    "",
    "  ",
    "29.85",
    "1,163.74",
    "007",
    "zzz",
)
CELLS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from((None, math.nan, True, False, 1, 0, 1.0, 2**60 + 1, 29.85, -0.0)),
    st.sampled_from((np.float32(1.5), np.int64(3), np.bool_(True), Decimal("29.85"), Decimal(1), pd.NA)),
    st.sampled_from(([1], [], (1, 2), {"a": 1}, {1}, np.array([1.0, 2.0]), b"EU", bytearray(b"EU"), 1j, UUID(int=1))),
    st.sampled_from(
        (timedelta(days=1, seconds=3), np.timedelta64(3, "s"), pd.Timedelta("1s"), date(2024, 1, 31), time(9))
    ),
    st.sampled_from(
        ("2024-01-31", 20240131, "1 days 00:00:03", np.datetime64("2024-01-31"), "31/01/2024", "2024-02-30")
    ),
)
COLUMNS = (
    TypedColumn("c", "number", nullable=True),
    TypedColumn("c", "boolean", nullable=True),
    TypedColumn("c", "category", nullable=True, categories=("1", "Café", "EU", "NA", "TRUE"), value_words=("NA",)),
    TypedColumn("c", "category", nullable=True),
    TypedColumn("c", "time", nullable=True),
    TypedColumn("c", "empty", nullable=True),
)
RULES = (
    USUAL_RULES,
    ReadingRules(dates="day-first", unreadable_dates="gap"),
    ReadingRules(gaps=("-",)),
    ReadingRules(decimal=",", thousands="."),
    ReadingRules(thousands=","),
)


@settings(max_examples=150, deadline=None)
@given(cell=CELLS, column=st.sampled_from(COLUMNS), rules=st.sampled_from(RULES))
def test_a_cell_means_the_same_alone_and_in_a_frame(cell: Any, column: TypedColumn, rules: ReadingRules) -> None:
    """A cell that is read alone has the value that it has in a frame, or is refused as there."""
    frame = pd.DataFrame({"c": pd.Series([cell], dtype=object)})
    try:
        [whole] = conform_frame(frame, TableSchema((column,), rules))["c"].tolist()
    except DataError:
        with pytest.raises(CellError):
            make_cell_reader(column, rules)(cell)
        return
    alone = make_cell_reader(column, rules)(cell)
    assert (alone is None) == bool(pd.isna(whole))
    assert alone is None or (alone.replace(tzinfo=None) if isinstance(alone, datetime) else alone) == whole


@pytest.mark.parametrize(
    ("cell", "rules", "number"),
    [
        ("29.85", USUAL_RULES, 29.85),
        (" 30", USUAL_RULES, 30.0),
        ("1,163.74", ReadingRules(thousands=","), 1163.74),
        ("1.163,74", ReadingRules(decimal=",", thousands="."), 1163.74),
        ("29,85", ReadingRules(decimal=","), 29.85),
        ("29.85", ReadingRules(decimal=","), 29.85),
        (Decimal("0.5"), USUAL_RULES, 0.5),
        (np.float32(0.5), USUAL_RULES, 0.5),
        (10**400, USUAL_RULES, math.inf),
    ],
)
def test_numbers_are_read_as_the_project_writes_them(cell: Any, rules: ReadingRules, number: float) -> None:
    """Ints, floats, decimals, NumPy's numbers and their texts are numbers, with the separators of the project."""
    assert parse_number(cell, rules) == number


@pytest.mark.parametrize("cell", ["1,163.74", "12,34", "0x10", "1_000", "١٢", "forty", True, [1.0], "1 000"])
def test_other_cells_are_no_numbers(cell: Any) -> None:
    """Text with separators that nobody declared, other scripts' digits, booleans and lists are not numbers."""
    assert parse_number(cell, USUAL_RULES) is None


@pytest.mark.parametrize(("cell", "truth"), [("TRUE", True), (" false", False), (1, True), ("1.0", True), (0.0, False)])
def test_booleans_are_read_in_every_spelling(cell: Any, truth: bool) -> None:
    """True and false in any letters, and 1 and 0 as numbers or text, are booleans; Yes and 2 are not."""
    assert parse_boolean(cell, USUAL_RULES) is truth
    assert parse_boolean("Yes", USUAL_RULES) is None
    assert parse_boolean(2, USUAL_RULES) is None


@pytest.mark.parametrize("kind", ["number", "boolean"])
def test_gap_words_are_gaps_to_rows(kind: SchemaKind) -> None:
    """A row's word for a gap is a gap; where the project states its words, only these are."""
    read = make_cell_reader(TypedColumn("c", kind, nullable=True), USUAL_RULES)
    assert read("NA") is None
    assert read("\t") is None
    with pytest.raises(CellError):
        make_cell_reader(TypedColumn("c", kind, nullable=True), ReadingRules(gaps=("-",)))("NA")


@pytest.mark.parametrize("cell", [[1], {"a": 1}, b"EU", 1j])
def test_a_cell_of_several_values_is_refused_by_rows_and_frames(cell: Any) -> None:
    """Lists, objects, bytes and complex numbers are not a category: both doors refuse them, and the file by row."""
    column = TypedColumn("c", "category", nullable=True)
    with pytest.raises(CellError):
        make_cell_reader(column, USUAL_RULES)(cell)
    with pytest.raises(DataError, match=r"'c' holds .* in row 2, where one value belongs") as refused:
        conform_frame(pd.DataFrame({"c": pd.Series(["EU", cell], dtype=object)}), TableSchema((column,)))
    assert "data.ignore" in refused.value.next_step


def test_names_that_differ_in_blanks_or_accents_alone_are_refused() -> None:
    """Two columns whose names become one are refused with both spellings; names are text."""
    assert conform_names([0, " plan", unicodedata.normalize("NFD", "café")]) == ["0", "plan", "café"]
    for first, second in ((" fee", "fee"), ("café", unicodedata.normalize("NFD", "café")), (1, "1 ")):
        with pytest.raises(DataError) as caught:
            conform_names([first, second])
        assert ascii(str(first)) in caught.value.message
        assert ascii(str(second)) in caught.value.message


def test_rows_of_the_ledger_are_read_as_the_version_read_them() -> None:
    """Recorded inputs have the values that the model saw; what it would have refused stays as it was sent."""
    schema = TableSchema(
        (
            TypedColumn("fee", "number", nullable=True),
            TypedColumn("member", "boolean", nullable=True),
            TypedColumn("plan", "category", nullable=False, categories=("1", "pro")),
        ),
        ReadingRules(thousands=","),
    )
    sent = pd.DataFrame(
        {
            "fee": ["1,163.74", 5, None, "much"],
            "member": ["TRUE", 0, False, "NA"],
            "plan": [" pro", 1.0, "Pro", None],
            "other": [" as it is ", 1, 2, 3],
        },
        dtype=object,
    )
    read = read_sent_rows(sent, schema)
    assert read["fee"].tolist() == [1163.74, 5.0, None, "much"]
    assert read["member"].tolist() == [True, False, False, None]
    assert read["plan"].tolist() == ["pro", "1", "Pro", None]
    assert read["other"].tolist() == sent["other"].tolist()
