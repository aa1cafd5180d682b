"""Validation reads dates as the project declares them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from tiltyard.data.conform.kinds import read_row_times
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.content_hash import row_digests
from tiltyard.data.dataset import Dataset
from tiltyard.data.split import find_test_rows
from tiltyard.project import Project, SplitSection
from tiltyard.validation import DataValidator

ROWS = 300
DAYS = [date(2024, 1, 1) + timedelta(days=place) for place in range(ROWS)]


def make_project(**data: object) -> Project:
    section = {"source": "rows.csv", "label": "y", **data}
    return Project.model_validate({"project": {"name": "rows", "task": "tabular-classification"}, "data": section})


def make_rows(shape: str, later: int = 0) -> pd.DataFrame:
    days = [(day + timedelta(days=later)).strftime(shape) for day in DAYS]
    return pd.DataFrame({"signed": days, "fee": np.arange(ROWS) % 17, "y": np.arange(ROWS) % 2})


def test_dates_of_a_declared_order_are_no_categories() -> None:
    """Dates in the order of the project are times to the checks, not many categories or new values."""
    for rules, kind in (({"dates": "day-first"}, "time"), ({}, "category")):
        validator = DataValidator(make_project(**rules))
        report = validator.validate_dataset(make_rows("%d.%m.%Y"))
        drift = validator.validate_drift(make_rows("%d.%m.%Y"), make_rows("%d.%m.%Y", later=400), adversarial=False)
        codes = {found.code for found in (*report.findings, *drift.findings)}
        assert report["data_types"]["columns"]["signed"]["kind"] == kind
        assert bool(codes & {"data.many-categories", "data.identifier", "drift.new-values"}) == (kind == "category")


def test_a_reference_in_another_spelling_holds_dates_too() -> None:
    """Timestamps, ISO texts and the project's own order are one kind of values: no change of kind between two files."""
    validator = DataValidator(make_project(dates="day-first"))
    reference = make_rows("%d.%m.%Y")
    for shape in ("%Y-%m-%d", "%Y-%m-%dT00:00:00Z", "%d/%m/%Y"):
        assert not validator.validate_drift(reference, make_rows(shape), adversarial=False).findings
    stamps = reference.assign(signed=pd.to_datetime(reference["signed"], format="%d.%m.%Y"))
    assert not validator.validate_drift(reference, stamps, adversarial=False).findings


def test_rows_are_ordered_and_cut_by_declared_dates() -> None:
    """A split by time, and periods, follow the days of the project's order, not the letters of their texts."""
    rules = ReadingRules(dates="day-first")
    rows = make_rows("%d.%m.%Y")
    inputs, labels = rows[["fee"]], rows["y"].astype(str)
    dataset = Dataset(
        "rows", "tabular-classification", inputs, labels, rows, "rows.csv", row_digests(inputs, labels), rules=rules
    )
    newest = find_test_rows(dataset, SplitSection(by="time", test=0.2), "signed")
    assert newest.tolist() == [place >= 240 for place in range(ROWS)]
    report = DataValidator(make_project(dates="day-first")).validate_drift_over_time(rows, "signed", periods=3)
    assert report.comparisons[0]["reference"]["name"] == "01.01.2024 to 09.04.2024"
    times, unread = read_row_times(pd.Series(["31.12.2024", "soon", None, "2024-01-01"]), rules)
    assert (unread.tolist(), times.iloc[0].date()) == ([False, True, True, False], date(2024, 12, 31))
