"""Kinds of columns: the same whatever the format, kept as a schema, enforced with errors that name the cell."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.kinds import numeric_if_written_as_text
from tiltyard.data.conform.rules import USUAL_RULES
from tiltyard.data.conform.schema import MOST_CATEGORIES, TableSchema
from tiltyard.data.sources import read_source
from tiltyard.errors import DataError
from tiltyard.jsonable import to_json_object
from tiltyard.project import DataSection

WORDS = ["Yes", "No", "x y", "3", "-4.5", "1e3", "True", "false", " padded ", "Ünï", "1", "0", "NA", "null", " ", "a,b"]
# Eighths, for pandas reads other fractions from JSON with an error in the last digit.
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6).map(lambda value: value / 8))


def kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {column.name: column.kind for column in infer_schema(frame).columns}


def kind(values: list[Any], dtype: Any = object) -> str:
    return kinds(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}))["x"]


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of a few columns; each column draws from numbers, booleans, words, or several of them, with gaps."""
    rows = draw(st.integers(1, 8))
    sources = [
        NUMBERS,
        st.booleans(),
        st.sampled_from(WORDS),
        st.one_of(NUMBERS, st.booleans(), st.sampled_from(WORDS)),
    ]
    columns = {}
    for position in range(draw(st.integers(1, 4))):
        cells = st.one_of(draw(st.sampled_from(sources)), st.none()) if draw(st.booleans()) else sources[position]
        columns[f"c{position}"] = draw(st.lists(cells, min_size=rows, max_size=rows))
    # A line of nothing but a gap would be no line at all in a CSV file of one column.
    return [{"row": number, **{name: columns[name][number] for name in columns}} for number in range(rows)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_csv_and_json_lines_of_the_same_rows_have_the_same_kinds_dtypes_and_values(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    """What a file format makes of the values changes neither the schema nor the conforming frame."""
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    pd.DataFrame(rows, dtype=object).to_csv(tmp_path / "t.csv", index=False)
    frames = [read_source(DataSection(source=name), tmp_path) for name in ("t.csv", "t.jsonl")]
    schemas = [infer_schema(frame) for frame in frames]
    assert schemas[0] == schemas[1]
    first, second = (conform_frame(frame, schema) for schema, frame in zip(schemas, frames, strict=True))
    assert {name: str(dtype) for name, dtype in first.dtypes.items()} == schemas[0].dtypes
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_parquet_and_csv_of_the_same_columns_have_the_same_kinds(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """A Parquet file, whose columns have types, gives the kinds that its CSV form gives."""
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed"):
            frame[name] = frame[name].map(str, na_action="ignore")  # Parquet knows no columns of several types
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = [read_source(DataSection(source=name), tmp_path) for name in ("t.parquet", "t.csv")]
    assert infer_schema(read[0]).dtypes == infer_schema(read[1]).dtypes


@settings(max_examples=60, deadline=None)
@given(tables())
def test_conforming_twice_changes_nothing_more(rows: list[dict[str, Any]]) -> None:
    """A conforming frame has the schema it was made by and is left as it is."""
    frame = pd.DataFrame(rows)
    schema = infer_schema(frame)
    once = conform_frame(frame, schema)
    pd.testing.assert_frame_equal(conform_frame(once, schema), once)
    assert infer_schema(once) == schema


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_schema_survives_json(rows: list[dict[str, Any]]) -> None:
    """Writing a schema as JSON and reading it gives the same schema."""
    schema = infer_schema(pd.DataFrame(rows))
    assert TableSchema.from_dict(json.loads(json.dumps(schema.to_dict(), allow_nan=False))) == schema


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["29.85", " ", "1889.5", ""], "number"),
        (["1", "NA", None], "number"),
        ([1, "2", 3.5], "number"),
        ([Decimal("1.50"), None], "number"),
        (["1", "two"], "category"),
        (["00123", "00456"], "category"),
        (["1_000", "2_000"], "category"),
        (["0.5", "-0", "0"], "number"),
        ([True, False, None], "boolean"),
        (["True", "false", ""], "boolean"),
        (["Yes", "No", None], "category"),
        ([True, 1], "category"),
        ([True, "Yes"], "category"),
        ([None, np.nan, pd.NA], "empty"),
        (["", "  ", "NA", None], "empty"),
        ([pd.Timestamp("2026-01-31"), None], "time"),
        ([["a"], ["a"], {"b": 1}], "category"),
        (["\ud800", "x"], "category"),
    ],
)
def test_the_kind_of_a_column_of_objects_is_what_its_cells_say(values: list[Any], expected: str) -> None:
    """Blanks and words for gaps count for nothing; what is left decides."""
    assert kind(values) == expected


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int64", [1, 0], "number"),
        ("Int64", [1, None], "number"),
        ("Float32", [1.5, None], "number"),
        ("float64", [None, None], "empty"),
        ("bool", [True, True], "boolean"),
        ("boolean", [True, None], "boolean"),
        ("boolean", [None, None], "empty"),
        ("str", ["a", None], "category"),
        ("category", ["1", "2"], "category"),
        ("category", [1, 2], "category"),
        ("category", [True, False], "category"),
        ("datetime64[us]", ["2026-01-31", None], "time"),
    ],
)
def test_a_column_with_a_type_keeps_to_it(dtype: str, values: list[Any], expected: str) -> None:
    """Numbers are numbers and a declared category is one, even of numbers; an all-missing column is empty."""
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    assert kinds(frame) == {"x": expected}
    schema = infer_schema(frame)
    conforming = conform_frame(frame, schema)
    assert {"x": str(conforming["x"].dtype)} == schema.dtypes
    assert conforming["x"].isna().tolist() == frame["x"].isna().tolist()


def test_numbers_written_as_text_become_numbers_and_blanks_become_missing() -> None:
    """A column of figures with a few blank cells is read as figures; its index and name stay."""
    column = pd.Series(["29.85", " ", "0", None, "1e2"], index=[5, 4, 3, 2, 1], name="TotalCharges", dtype="str")
    read = numeric_if_written_as_text(column)
    pd.testing.assert_series_equal(
        read, pd.Series([29.85, np.nan, 0, np.nan, 100], index=column.index, name=column.name)
    )
    words = pd.Series(["29.85", "unknown"], dtype="str")
    assert numeric_if_written_as_text(words) is words
    numbers = pd.Series([1, 2])
    assert numeric_if_written_as_text(numbers) is numbers


def test_a_schema_tells_gaps_categories_and_range() -> None:
    """Names, kinds, gaps, sorted categories (if few) and the range of finite numbers are written down."""
    frame = pd.DataFrame(
        {
            "n": ["3", " ", "-1"],
            "c": ["b ", "a", "b"],
            "b": [True, False, True],
            "many": [1, 2, 3],
        }
    )
    many = pd.DataFrame({"many": [f"w{number}" for number in range(MOST_CATEGORIES + 1)]})
    no_range = {"minimum": None, "maximum": None}
    small, large = {"minimum": -1.0, "maximum": 3.0}, {"minimum": 1.0, "maximum": 3.0}
    no_words: dict[str, object] = {"value_words": [], "sign": ""}
    assert infer_schema(frame).to_dict() == {
        "columns": [
            {"name": "n", "kind": "number", "nullable": True, "categories": None, **small, **no_words},
            {"name": "c", "kind": "category", "nullable": False, "categories": ["a", "b"], **no_range, **no_words},
            {"name": "b", "kind": "boolean", "nullable": False, "categories": None, **no_range, **no_words},
            {"name": "many", "kind": "number", "nullable": False, "categories": None, **large, **no_words},
        ],
        "rules": to_json_object(USUAL_RULES),
    }  # fmt: skip
    assert infer_schema(many).columns[0].categories is None


def test_conforming_takes_the_schemas_columns_in_its_order() -> None:
    """Other columns are left out, the order is the schema's, and the index stays."""
    schema = infer_schema(pd.DataFrame({"a": [1], "b": ["x"]}))
    frame = pd.DataFrame({"more": [0, 0], "b": [7, None], "a": ["2", ""]}, index=[10, 20])
    expected = pd.DataFrame(
        {"a": [2.0, np.nan], "b": pd.Series(["7", None], dtype="str", index=[10, 20])}, index=[10, 20]
    )
    pd.testing.assert_frame_equal(conform_frame(frame, schema), expected)


def test_a_gap_and_a_new_category_are_let_through() -> None:
    """Gaps where there were none, unknown words, and anything in a column that was empty are not errors."""
    schema = infer_schema(pd.DataFrame({"n": [1], "b": [True], "c": ["x"], "e": [None]}))
    later = pd.DataFrame({"n": [None, 1], "b": [None, 1], "c": [None, "new"], "e": ["now", 3]})
    conforming = conform_frame(later, schema)
    assert conforming.isna().to_numpy().tolist() == [[True, True, True, True], [False, False, False, True]]
    assert str(conforming["b"].dtype) == "boolean"
    assert conforming["b"].tolist()[1] is True
    assert conforming["c"].tolist()[1] == "new"


def test_whole_numbers_that_a_gap_made_fractions_are_the_same_categories() -> None:
    """1.0 and 1 are one category."""
    schema = infer_schema(pd.DataFrame({"code": pd.Series(["1", "2", "A"], dtype=object)}))
    conforming = conform_frame(pd.DataFrame({"code": [1.0, np.nan, 2.0]}), schema)
    assert conforming["code"].tolist()[::2] == ["1", "2"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, "many", "more"], r"Column 'n' holds 'many' in row 2, where a finite number belongs; 2 rows are like it"),
        ([1.0, np.inf], r"Column 'n' holds inf in row 2, where a finite number belongs\."),
        (["-inf"], r"Column 'n' holds '-inf' in row 1"),
        ([True, False], r"Column 'n' holds True in row 1"),
        (["x" * 500], r"holds 'x{59}… in row 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_row_and_column(values: list[Any], expected: str) -> None:
    """The error says which column, which row, which value and what belongs there."""
    schema = infer_schema(pd.DataFrame({"n": [1.0]}))
    with pytest.raises(DataError, match=expected) as caught:
        conform_frame(pd.DataFrame({"n": values}), schema)
    assert caught.value.code == "data.wrong-type"
    assert caught.value.next_step


def test_a_boolean_column_takes_booleans_their_words_and_one_and_zero_only() -> None:
    """Databases give 1 and 0 for booleans; anything else is refused by name."""
    schema = infer_schema(pd.DataFrame({"b": [True, False]}))
    assert conform_frame(pd.DataFrame({"b": [1, 0]}), schema)["b"].tolist() == [True, False]
    assert conform_frame(pd.DataFrame({"b": ["TRUE", "false"]}), schema)["b"].tolist() == [True, False]
    with pytest.raises(DataError, match="Column 'b' holds 'Yes' in row 2, where true or false belongs"):
        conform_frame(pd.DataFrame({"b": [True, "Yes"]}), schema)


def test_a_missing_column_is_named_with_the_nearest_name() -> None:
    """A renamed column is likely to be found by the hint; known columns are not offered."""
    schema = infer_schema(pd.DataFrame({"Going_outside": [1], "Going_inside": [1]}))
    with pytest.raises(DataError, match=r"no column 'Going_outside'.*Did you mean 'going_outside'\?") as caught:
        conform_frame(pd.DataFrame({"Going_inside": [1], "going_outside": [1]}), schema)
    assert caught.value.code == "data.column-missing"


def test_two_columns_of_one_name_are_refused() -> None:
    """Two columns of one name are refused."""
    frame = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(DataError, match="two columns 'x'") as caught:
        infer_schema(frame)
    assert caught.value.code == "data.column-twice"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"columns": [{"name": "x"}]},
        {"columns": [{"name": "x", "kind": "colour", "nullable": True}]},
        {"columns": 3},
    ],
)
def test_a_damaged_schema_is_an_error(data: dict[str, Any]) -> None:
    """What is not a schema is refused with what to do."""
    with pytest.raises(DataError, match="column schema cannot be read") as caught:
        TableSchema.from_dict(data)
    assert caught.value.code == "data.schema-unreadable"


def test_no_rows_and_no_columns_are_no_error() -> None:
    """A frame without rows has empty columns; one without columns has none."""
    assert kinds(pd.DataFrame({"x": []})) == {"x": "empty"}
    schema = infer_schema(pd.DataFrame({"n": [1.0], "c": ["x"], "b": [True]}))
    assert conform_frame(pd.DataFrame({"n": [], "c": [], "b": []}), schema).shape == (0, 3)
    assert infer_schema(pd.DataFrame(index=[0])).columns == ()
