"""Columns that are the label, and columns that nobody learns from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiltyard.findings import Finding
from tiltyard.project import Project
from tiltyard.validation import DataValidator, ValidationReport
from tiltyard.validation.table.leakage import measure_power

ROWS = 240
RANDOM = np.random.default_rng(3)
ALTERNATING = np.arange(ROWS) % 2
FEE = RANDOM.normal(30 + 5 * ALTERNATING, 9)


def check(frame: pd.DataFrame, **sections: object) -> ValidationReport:
    about = {"name": "rows", "task": "tabular-classification"}
    fields = {"project": about, "data": {"source": "rows.csv", "label": "y"}, **sections}
    return DataValidator(Project.model_validate(fields)).validate_dataset(frame)


def find_leaks(report: ValidationReport) -> dict[str, Finding]:
    return {finding.subject: finding for finding in report.findings if finding.code == "leakage.column"}


@pytest.mark.parametrize("labels", [ALTERNATING, np.sort(ALTERNATING), ALTERNATING[::-1], np.repeat([0, 1, 2], 80)])
@pytest.mark.parametrize("kind", ["number", "word", "boolean", "slips"])
def test_a_column_that_is_the_label_is_an_error_in_any_order_of_rows(labels: np.ndarray, kind: str) -> None:
    """A number, word or boolean that is the label is found, also with slips, however the rows are sorted."""
    leak = {
        "number": pd.Series(labels * 3),
        "word": pd.Series(np.array(["low", "mid", "high"], dtype=object)[labels]),
        "boolean": pd.Series(labels == 1) if labels.max() == 1 else pd.Series(labels).astype("category"),
        "slips": pd.Series(np.where(np.isin(np.arange(ROWS), [31, 100, 201]), 0, labels) * 3),
    }[kind]
    leaks = find_leaks(check(pd.DataFrame({"votes": leak, "fee": FEE, "y": labels})))
    assert {name: finding.severity for name, finding in leaks.items()} == {"votes": "error"}
    assert "It is the label in other words" in leaks["votes"].message


def test_the_evidence_of_a_leak_names_value_and_label() -> None:
    """The evidence says which value goes with which label, and in how many of its rows."""
    found = find_leaks(check(pd.DataFrame({"votes": ALTERNATING * 3, "fee": FEE, "y": ALTERNATING})))["votes"]
    assert found.evidence["values"] == [
        {"value": "0", "label": "0", "right": 120, "rows": 120},
        {"value": "3", "label": "1", "right": 120, "rows": 120},
    ]
    assert "'3' goes with '1' in 120 of 120 rows" in found.message


@pytest.mark.parametrize("first", [0, 570306133677760513])
def test_a_running_number_in_a_file_sorted_by_label_is_a_leak(first: int) -> None:
    """A number of each row tells the label where the rows are sorted by it, and only there."""
    numbers = first + np.arange(ROWS) * (1000 if first else 1)
    for labels, leaks in ((np.sort(ALTERNATING), {"number"}), (ALTERNATING, set())):
        report = check(pd.DataFrame({"number": numbers, "fee": FEE, "y": labels}))
        assert set(find_leaks(report)) == leaks
        assert "data.identifier" in {finding.code for finding in report.findings}
    sorted_leak = find_leaks(check(pd.DataFrame({"number": numbers, "fee": FEE, "y": np.sort(ALTERNATING)})))
    assert "sorted by label" in sorted_leak["number"].message


def test_a_column_that_helps_is_no_leak() -> None:
    """Columns that tell the label often, but not always, are features."""
    often = np.where(RANDOM.random(ROWS) < 0.8, ALTERNATING, 1 - ALTERNATING)
    assert find_leaks(check(pd.DataFrame({"often": often, "fee": FEE, "y": ALTERNATING}))) == {}


def test_lists_and_objects_in_features_are_an_error() -> None:
    """A feature of lists or objects is named, and no error where the project ignores it."""
    frame = pd.DataFrame({"tags": [[1, 2], {"a": 1}] * 120, "fee": FEE, "y": ALTERNATING})
    assert {found.code: found.subject for found in check(frame).findings}["data.nested-values"] == "tags"
    ignored = check(frame, data={"source": "rows.csv", "label": "y", "ignore": ["tags"]})
    assert "data.nested-values" not in {finding.code for finding in ignored.findings}


TEXTS = [
    f"we saw {name} and it was {('fine', 'dull')[place % 2]} all along" for place, name in enumerate(map(str, FEE))
]


@pytest.mark.parametrize("ignored", [(), ("Unnamed: 2",)])
@pytest.mark.parametrize(
    "other",
    [
        [None] * ROWS,
        ["a rather long remark of somebody about it all"] + [None] * (ROWS - 1),
        [1, "x"] * 120,
        [[1], None] * 120,
    ],
)
def test_columns_that_a_text_project_does_not_learn_from_are_not_checked(
    other: list[object], ignored: tuple[str, ...]
) -> None:
    """What stands in other columns of a text project breaks no limit, whether they are ignored by name or not."""
    frame = pd.DataFrame({"v2": TEXTS, "Unnamed: 2": pd.Series(other, dtype=object), "y": ALTERNATING})
    project = Project.model_validate(
        {
            "project": {"name": "rows", "task": "text-classification"},
            "data": {"source": "rows.csv", "label": "y", "text": "v2", "ignore": ignored},
        }
    )
    report = DataValidator(project).validate_dataset(frame)
    assert [finding.code for finding in report.findings if "Unnamed" in finding.subject] == []
    assert report.passes()


@pytest.mark.parametrize(
    ("texts", "severity"),
    [
        ([f"{('see', 'win')[place % 2]} it at {place}" for place in range(ROWS)], "warning"),
        ([f"it is {place} {('0', '1')[place % 2]}!" for place in range(ROWS)], "error"),
        ([f"it is at {place} {('', '<br>')[place % 2]} now" for place in range(ROWS)], "error"),
    ],
)
def test_texts_that_begin_alike_are_a_warning_and_texts_that_name_their_label_an_error(
    texts: list[str], severity: str
) -> None:
    """Words that only one label begins with are to be looked at; the name of the label or markup is a leak."""
    project = Project.model_validate(
        {
            "project": {"name": "rows", "task": "text-classification"},
            "data": {"source": "rows.csv", "label": "y", "text": "text"},
        }
    )
    report = DataValidator(project).validate_dataset(pd.DataFrame({"text": texts, "y": ALTERNATING}))
    assert next(found for found in report.findings if found.code == "leakage.text").severity == severity


def test_a_time_that_tells_the_label_is_a_warning() -> None:
    """Labels that change with the month are to be checked; the time is not a copy of the label."""
    days = pd.Series([f"2026-{1 + place % 12:02d}-{1 + place % 28:02d}" for place in range(ROWS)])
    leak = find_leaks(check(pd.DataFrame({"signup": days, "fee": FEE, "y": ALTERNATING})))["signup"]
    assert (leak.severity, "changes with the time" in leak.message) == ("warning", True)


@pytest.mark.parametrize("value", ["Ann", 7, True, pd.Timestamp("2026-01-01")])
def test_a_column_of_one_value_tells_the_label_by_its_gaps(value: object) -> None:
    """Who approved is only known of approved requests: one value and gaps are two values."""
    for filled, leaks in ((ALTERNATING == 1, {"approved"}), (RANDOM.random(ROWS) < 0.5, set())):
        column = [value if there else None for there in filled]
        assert set(find_leaks(check(pd.DataFrame({"approved": column, "fee": FEE, "y": ALTERNATING})))) == leaks


@pytest.mark.parametrize("most", ["zeros", "largest", "nearly constant"])
def test_numbers_of_which_most_are_equal_have_two_parts(most: str) -> None:
    """Where three quarters of the numbers are one, as 0 of claims, a column that says which are not is a leak."""
    amounts = np.where(np.arange(ROWS) % 5 == 0, RANDOM.gamma(2.0, 50.0, ROWS) + 1, 0.0)
    if most == "largest":
        amounts = 500.0 - amounts
    if most == "nearly constant":
        amounts = 7.0 + (np.arange(ROWS) == 3) * 1e-12
    rows = pd.DataFrame({"paid": amounts != amounts[1], "fee": FEE, "y": amounts})
    leaks = find_leaks(check(rows, project={"name": "rows", "task": "tabular-regression"}))
    assert set(leaks) == (set() if most == "nearly constant" else {"paid"})


def test_one_label_tells_nothing() -> None:
    """No column has power over a label that is the same in all rows that are measured."""
    assert measure_power(np.arange(40) % 3, np.zeros(40, np.intp)) == 0.0
