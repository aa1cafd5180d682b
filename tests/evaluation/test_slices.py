"""Slices divide the rows, and say of each part what is true of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from tests.charts.drawn import read_words
from tiltyard.data.conform.frames import infer_schema
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import DataError
from tiltyard.evaluation import (
    METRICS,
    LabelledPredictions,
    SliceReport,
    evaluate_predictions,
    evaluate_slices,
    get_metric,
    group_by_length,
    group_columns,
    group_rows,
    label_predictions,
    plot_slices,
    select_columns,
)


def make_predictions(right: np.ndarray[Any, Any], seed: int = 0) -> LabelledPredictions:
    """Predictions for rows of two labels, right where stated."""
    truth = np.random.default_rng(seed).integers(0, 2, len(right))
    guess = np.where(right, truth, 1 - truth)
    names = np.array(["no", "yes"])
    return label_predictions(names[truth], names[guess], np.where(guess[:, None] == [0, 1], 0.8, 0.2), ("no", "yes"))


def sliced(column: pd.Series, right: np.ndarray[Any, Any] | None = None, metric: str = "accuracy") -> SliceReport:
    right = np.arange(len(column)) % 4 > 0 if right is None else right
    return evaluate_slices(make_predictions(right), [group_rows(column)], get_metric(metric))


def titles(report: SliceReport) -> dict[str, int]:
    return {part.title: part.rows for part in report.slices}


cells = st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 5), st.floats(), st.booleans(), st.just([1, 2]))


@settings(max_examples=80, deadline=None, database=None)
@given(values=st.lists(cells, min_size=1, max_size=60))
def test_every_row_is_in_one_slice(values: list[Any]) -> None:
    """Whatever a column holds, its slices divide the rows, and their names can be metrics of a run."""
    report = sliced(pd.Series(values, dtype=object, name="a/b.c"))
    assert sum(part.rows for part in report.slices) == len(values)
    assert all(part.rows > 0 for part in report.slices)
    keys = [part.key for part in report.slices]
    assert len(set(keys)) == len(keys)
    for name in report.metrics:
        _validate_metric_name(name)
        assert name.count(".") == 3


@settings(max_examples=40, deadline=None, database=None)
@given(values=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60), seed=st.integers(0, 99))
def test_a_slice_is_evaluated_as_its_rows_are(values: list[str], seed: int) -> None:
    """The metrics of a slice are those of its rows alone; what is not defined on them is named with the reason."""
    labelled = make_predictions(np.random.default_rng(seed).random(len(values)) < 0.7, seed)
    for part in evaluate_slices(labelled, [group_rows(pd.Series(values, name="x"))], get_metric("f1")).slices:
        alone = evaluate_predictions(labelled.take(np.array(values) == part.title))
        assert part.metrics == pytest.approx(dict(alone.metrics))
        assert dict(part.not_computed) == dict(alone.not_computed)
        assert set(part.metrics) | set(part.not_computed) == set(METRICS)
        assert part.intervals["accuracy"].low <= part.metrics["accuracy"] <= part.intervals["accuracy"].high


def test_a_slice_of_one_label_is_evaluated_as_far_as_possible() -> None:
    """Where all rows have one label there is an accuracy and no area under a curve, and nothing fails."""
    labelled = label_predictions(["no"] * 40 + ["yes"] * 40, ["no"] * 80, np.tile([0.6, 0.4], (80, 1)), ("no", "yes"))
    column = pd.Series(["left"] * 40 + ["right"] * 40, name="side")
    left, right = evaluate_slices(labelled, [group_rows(column)], get_metric("roc_auc")).slices
    assert (left.metrics["accuracy"], right.metrics["accuracy"]) == (1.0, 0.0)
    assert left.not_computed["roc_auc"] == "no row has the label 'yes'"
    assert set(left.intervals) == {"accuracy"}


def test_a_small_slice_is_shown_without_a_verdict() -> None:
    """With fewer than 30 rows there are figures and a wide interval, but no verdict and no metric in the run."""
    column = pd.Series(["many"] * 200 + ["few"] * 29, name="x")
    few, many = sliced(column, np.arange(229) < 200).slices
    assert (few.title, few.could_judge, few.worse) == ("few", False, False)
    assert few.metrics["accuracy"] == 0
    assert few.lead == -1
    assert many.could_judge
    metrics = sliced(column, np.arange(229) < 200).metrics
    assert "slice.x.few.accuracy" not in metrics
    assert metrics["slice.x.few.rows"] == 29
    assert metrics["slice.x.many.accuracy"] == 1


def test_many_values_become_twenty_and_the_rest() -> None:
    """The 20 most frequent values each form a slice, and all others form one."""
    values = [f"v{number:02}" for number in range(40) for _ in range(41 - number)]
    report = sliced(pd.Series(values, name="x"))
    assert list(titles(report)) == [*(f"v{number:02}" for number in range(20)), "(other)"]
    assert titles(report)["(other)"] == sum(41 - number for number in range(20, 40))


def test_gaps_are_a_slice() -> None:
    """Missing and blank cells are one slice, among words as among numbers."""
    words = pd.Series(["a", None, float("nan"), "  ", "", "a "], dtype=object, name="x")
    assert titles(sliced(words)) == {"a": 2, "(missing)": 4}
    numbers = pd.Series([*range(20), None, None], dtype="Float64", name="x")
    assert titles(sliced(numbers))["(missing)"] == 2


def test_numbers_are_divided_at_their_quartiles() -> None:
    """Many different numbers make four slices, also where they are written as text; a few are slices themselves."""
    for column in (pd.Series(np.arange(100.0)), pd.Series([str(number) for number in range(100)])):
        report = sliced(column.rename("age"))
        assert titles(report) == {"to 24": 25, "above 24, to 49": 25, "above 49, to 74": 25, "above 74": 25}
        assert [part.key for part in report.slices] == ["age.q1", "age.q2", "age.q3", "age.q4"]
    assert titles(sliced(pd.Series([1.0, 2.0, 2.0, 0.5], name="x"))) == {"1": 1, "2": 2, "0.5": 1}
    assert titles(sliced(pd.Series([0.0] * 90 + list(range(1, 21)), name="x"))) == {"to 0": 90, "above 0": 20}


def test_times_are_divided_at_their_quartiles() -> None:
    """Times make four slices, as times or as ISO 8601 text."""
    days = pd.date_range("2026-01-01", periods=100, freq="D")
    for column in (pd.Series(days), pd.Series(days.strftime("%Y-%m-%dT%H:%M:%SZ"))):
        report = sliced(column.rename("when"))
        assert [part.rows for part in report.slices] == [25] * 4
        assert report.slices[0].title == "to 2026-01-25 00:00:00"


def test_texts_are_divided_by_length() -> None:
    """Quartiles of the number of words, as white space divides them."""
    texts = pd.Series(["word " * count for count in range(1, 101)])
    grouping = group_by_length(texts)
    assert (grouping.key, grouping.groups[0].title) == ("words", "to 25 words")
    assert np.bincount(grouping.codes).tolist() == [25] * 4


def test_a_worse_slice_is_marked_and_chance_is_not() -> None:
    """A slice that is right 20 points less often is reported; of twenty that are alike none is."""
    random = np.random.default_rng(5)
    values = pd.Series(random.integers(0, 20, 4_000).astype(str), name="x").map("v{}".format)
    alike = random.random(4_000) < 0.85
    assert sliced(values, alike).worse == ()
    hurt = np.where(values == "v7", random.random(4_000) < 0.65, alike)
    (found,) = sliced(values, hurt).worse
    assert found.title == "v7"
    assert found.lead is not None
    assert found.lead == pytest.approx(hurt[values == "v7"].mean() - hurt[values != "v7"].mean())


def test_the_metric_of_the_project_has_an_interval() -> None:
    """Where the project compares by another metric than accuracy, that has an interval too, the same every time."""
    column = pd.Series(["a"] * 200 + ["b"] * 200, name="x")
    report = sliced(column, metric="f1")
    for part in report.slices:
        assert part.intervals["f1"].low < part.metrics["f1"] < part.intervals["f1"].high
    assert report == sliced(column, metric="f1")
    assert {name.rsplit(".")[-1] for name in report.metrics} == {"rows", "accuracy", "f1"}


def test_a_column_that_is_not_there() -> None:
    """An unknown column is named with the nearest known one and the key of the project file."""
    with pytest.raises(DataError, match=r"no column 'sourc' \(data.slices\).*Did you mean 'source'") as caught:
        select_columns(pd.DataFrame({"source": [1], "text": [2]}), ["sourc"], "data.slices")
    assert caught.value.code == "data.column-missing"


@pytest.mark.parametrize(
    "names", [["a", "b"], ["$x$ and $", "日本語 🙂"], [f"value {i} that is long, " * 3 for i in "xyz"]]
)
def test_slices_can_be_drawn(names: list[str]) -> None:
    """Every slice has its line in the picture, whatever signs its name has."""
    report = sliced(pd.Series(names * 40, name="a $ column"))
    words = read_words(plot_slices(report))
    assert len([word for word in words if word.endswith(" (40)")]) == len(names)
    assert "a $ column" in words


def test_slices_are_of_values_as_a_model_reads_them() -> None:
    """Spellings of one value are one slice: blanks, accents, booleans, numbers in text, and dates in any order."""
    cells = pd.DataFrame(
        {
            "plan": ["A ", "A", "cafe\u0301", "caf\u00e9"],
            "member": ["TRUE", "true", "False", "FALSE"],
            "age": ["7", " 7.0", "8", "8.00"],
            "joined": ["2024-01-31", "31.01.2024", "2024-02-01T00:00Z", "01/02/2024"],
            "tags": [[1], [1], "x", "x "],
        }
    )
    schema = TableSchema((), ReadingRules(dates="day-first"))
    for grouping in group_columns([cells[name] for name in cells], schema):
        first, second, third, last = grouping.codes.tolist()
        assert (grouping.column, first == second, third == last, len(grouping.groups)) == (
            grouping.column,
            True,
            True,
            2,
        )
    typed = infer_schema(pd.DataFrame({"region": ["EU", "NA"] * 20}))
    assert [group.title for group in group_rows(pd.Series(["NA", "EU", " NA"], name="region"), typed).groups] == [
        "EU",
        "NA",
    ]


def test_columns_whose_names_spell_alike_keep_two_keys() -> None:
    """Columns a/b and a.b have separate keys, and so has one that is called as the length of texts is."""
    columns = [pd.Series(["x", "y"], name=name) for name in ("a/b", "a.b", "a_b", "c")]
    assert [grouping.key for grouping in group_columns(columns)] == ["a_b", "a_b_2", "a_b_3", "c"]
    words = group_columns([columns[0].rename("words")], texts=pd.Series(["a b", "c"]))
    assert [grouping.key for grouping in words] == ["words", "words_2"]
