"""How the results of validation show themselves, and what is said about the label that nobody named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest

from tiltyard.errors import UsageError
from tiltyard.result_display import show_as
from tiltyard.validation import DataValidator, ValidationReport

ROWS = 120


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "hours": random.normal(5, 2, ROWS).round(2),
            "<b>fear</b>": random.choice(["Yes", "No"], ROWS),
            "Personality": random.choice(["Introvert", "Extrovert"], ROWS),
        }
    )


@pytest.fixture(scope="module")
def report(frame: pd.DataFrame) -> ValidationReport:
    return DataValidator().validate_dataset(frame, "train_data")


@pytest.mark.requirement("R-DATA-01")
def test_the_label_is_found_as_for_a_new_project_and_named(report: ValidationReport) -> None:
    """Without a named label, the column that init would choose is the label, and a finding says which and why."""
    chosen = next(finding for finding in report.findings if finding.code == "data.label-choice")
    assert (report.label, chosen.subject, chosen.severity) == ("Personality", "Personality", "info")
    assert set(report["class_balance"]["counts"]) == {"Introvert", "Extrovert"}
    assert 'label="COLUMN"' in chosen.next_step


def test_a_table_without_a_label_says_so(frame: pd.DataFrame) -> None:
    """No label is chosen where the caller says that there is none, and where columns have no names."""
    assert DataValidator().validate_dataset(frame, label="").label is None
    nameless = DataValidator().validate_dataset(frame[["hours"]].to_numpy())
    [said] = [finding for finding in nameless.findings if finding.code == "data.label-choice"]
    assert (nameless.label, said.status) == (None, "could_not_judge")


@pytest.mark.parametrize("form", ["rows", "columns", "polars", "arrow"])
def test_tables_of_other_libraries_give_the_same_report(
    frame: pd.DataFrame, report: ValidationReport, form: str
) -> None:
    """Lists of rows, mappings of columns, polars and Arrow tables are validated as the same data frame is."""
    if form == "polars":
        table: Any = polars.from_pandas(frame)
    elif form == "arrow":
        table = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    else:
        table = frame.to_dict("records") if form == "rows" else frame.to_dict("list")
    other = DataValidator().validate_dataset(table, "train_data")
    assert other["class_balance"] == report["class_balance"]
    assert other.quality_score == report.quality_score


@pytest.mark.requirement("R-DATA-10")
def test_reports_print_shortly_and_are_a_table_in_a_notebook(frame: pd.DataFrame, report: ValidationReport) -> None:
    """A report and its sections print within 30 lines, and their notebook form escapes the data."""
    halves = frame[:60], frame[60:]
    split = DataValidator().validate_train_test_split(
        *(half.drop(columns="Personality") for half in halves), *(half["Personality"] for half in halves)
    )
    drift = DataValidator().validate_drift(*halves, adversarial=False)
    for shown in (report, report["missing_data"], report["distributions"], split, drift):
        assert len(str(shown).splitlines()) <= 30
        assert len(str(shown)) < 4000
        assert "<table>" in shown._repr_html_()
        assert "<b>fear" not in shown._repr_html_()
    assert "quality_score" in str(report)
    assert "Personality" in str(report)


def test_a_long_line_of_figures_ends_after_a_whole_one() -> None:
    """No figure is cut in the middle, so that nothing looks like a figure that it is not."""
    metrics = {f"a_metric_with_a_long_name_{number}": 0.8173 for number in range(6)}
    [line] = [line for line in str(show_as("Evaluation", {"metrics": metrics})).splitlines() if "metrics" in line]
    assert line.endswith("0.8173, …")
    assert set(line.split("metrics")[1].strip(" …,").split(", ")) <= {f"{name}: 0.8173" for name in metrics}


def test_a_matrix_takes_the_names_of_the_reference(frame: pd.DataFrame) -> None:
    """Rows without names are compared with the reference column by column, and another width is an error."""
    numbers = pd.DataFrame(np.random.default_rng(1).normal(size=(200, 2)), columns=["a", "b"])
    found = DataValidator().validate_drift(numbers, numbers.to_numpy() + np.array([0, 3]), adversarial=False)
    assert found.drift_detected
    assert found["columns"] == {"lost": [], "new": []}
    assert [name for name, facts in found["feature_shift"].items() if facts["drifted"]] == ["b"]
    with pytest.raises(UsageError, match="3 columns without names, and 2 are expected"):
        DataValidator().validate_drift(numbers, np.zeros((5, 3)))
