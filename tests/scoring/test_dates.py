"""Models of dates: the compiled form predicts as scikit-learn does, for one day in any spelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.errors import InputError
from tiltyard.models import get_candidate
from tiltyard.models.date_features import DateFeatures
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.input_warnings import Warnings
from tiltyard.scoring.scorer import Scorer
from tiltyard.scoring.sklearn_scorer import SklearnScorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.tasks import Task

TASK: Task = "tabular-classification"


@pytest.fixture(scope="module", params=["logreg", "random-forest", "gradient-boosting"])
def scorers(request: pytest.FixtureRequest) -> tuple[Scorer, Scorer]:
    """scikit-learn's and the compiled scorer of a model that learned from dates, some of them missing."""
    days = pd.date_range("2023-01-01", periods=200, freq="37h")
    frame = pd.DataFrame({"joined": days.strftime("%Y-%m-%d %H:%M"), "seen": days, "visits": np.arange(200.0)})
    frame.loc[5:9, "joined"] = ""
    schema = infer_schema(frame)
    pipeline = get_candidate(request.param, TASK).build(0)
    pipeline.fit(conform_frame(frame, schema), np.where(days.day_of_week < 3, "early", "late"))
    columns = InputColumns(schema.dtypes, (), schema)
    return SklearnScorer(pipeline, TASK, columns), compile_scorer(pipeline, TASK, columns)


@settings(max_examples=40, deadline=None, database=None)
@given(joined=st.datetimes() | st.none(), seen=st.datetimes() | st.dates(), visits=st.floats(-5, 300) | st.none())
def test_the_compiled_form_reads_every_date_alike(scorers: tuple[Scorer, Scorer], **row: Any) -> None:
    """Whatever the date, leap days and far centuries included, both give the same probabilities and warnings."""
    inputs = [{**row, "joined": row["joined"] and row["joined"].isoformat()}]
    plain, compiled = (scorer.score(inputs) for scorer in scorers)
    assert np.abs(plain.probabilities - compiled.probabilities).max() < 1e-12
    assert plain.warnings == compiled.warnings


def test_one_day_one_prediction(scorers: tuple[Scorer, Scorer]) -> None:
    """The same day in other spellings gives the same prediction, and next month's dates are ordinary."""
    spellings = ["2023-09-01", " 2023-09-01T00:00:00Z", "2023-09-01 02:00:00+02:00", pd.Timestamp("2023-09-01")]
    for scorer in scorers:
        scores = scorer.score([{"joined": day, "seen": "2024-01-02", "visits": 3} for day in spellings])
        assert (scores.probabilities == scores.probabilities[0]).all()
        assert not any(scores.warnings or [])
        far = scorer.score([{"joined": "2041-01-01", "seen": "1999-01-01", "visits": 3}])
        assert far.warnings is not None
        assert [warning.code for warning in far.warnings[0]] == ["far-date", "far-date"]
        with pytest.raises(InputError, match=r"'joined'.*'2023-02-30'"):
            scorer.score([{"joined": "2023-02-30", "seen": None, "visits": 3}])


def score_with(rules: ReadingRules, *rows: dict[str, Any]) -> list[Warnings | None]:
    """The warnings of both forms of a model that learned from dates by these rules."""
    days = pd.date_range("2023-01-01", periods=120, freq="37h")
    frame = pd.DataFrame({"joined": days.strftime("%Y-%m-%d"), "visits": np.arange(120.0)})
    schema = infer_schema(frame, rules)
    pipeline = get_candidate("logreg", TASK).build(0)
    pipeline.fit(conform_frame(frame, schema), np.where(days.day_of_week < 3, "early", "late"))
    columns = InputColumns(schema.dtypes, (), schema)
    scorers = (SklearnScorer(pipeline, TASK, columns), compile_scorer(pipeline, TASK, columns))
    return [scorer.score(rows).warnings for scorer in scorers]


def test_dates_that_become_gaps_are_warnings() -> None:
    """Where a bad date counts as missing, the row is predicted with a warning that names the cell; gaps have none."""
    rules = ReadingRules(unreadable_dates="gap")
    rows = ({"joined": day, "visits": 3} for day in ("2023-02-30", "soon", [1], 5, None, "NA", " ", "2023-03-01"))
    for warnings in score_with(rules, *rows):
        assert warnings is not None
        found = [[(one.field, one.code, one.value) for one in row] for row in warnings]
        bad = [("joined", "unreadable-date", value) for value in ("2023-02-30", "soon", None, 5)]
        assert found == [*([one] for one in bad), [], [], [], []]
        assert warnings[0][0].message == (
            "cannot be read as a date, written as ISO 8601 (2026-01-31), and counts as missing"
        )


@pytest.mark.parametrize(
    ("dates", "orders"),
    [
        ("iso", "ISO 8601 (2026-01-31)"),
        ("day-first", "ISO 8601 (2026-01-31) or day first (31.01.2026)"),
        ("%d %b %Y", "ISO 8601 (2026-01-31) or %d %b %Y (31 Jan 2026)"),
    ],
)
def test_a_refused_date_names_the_orders_that_are_read(dates: str, orders: str) -> None:
    """The error for a bad date says in which orders this version reads dates."""
    with pytest.raises(InputError) as refused:
        score_with(ReadingRules(dates=dates), {"joined": "2023-02-30", "visits": 3})
    assert f"a date as text, written as {orders}, or null, and is '2023-02-30'" in str(refused.value)


def test_the_parts_of_a_date() -> None:
    """Year, month, weekday (Monday is 0) and days since the last date of training; a gap has none."""
    frame = pd.DataFrame({"day": pd.Series(["2024-02-29", None, "2024-03-02 12:00"], dtype="datetime64[us]")})
    made = DateFeatures().fit(frame).transform(frame)
    assert made[0].tolist() == [2024, 2, 3, -2.5]
    assert np.isnan(made[1]).all()
    assert made[2].tolist() == [2024, 3, 5, 0]
    assert DateFeatures().fit(frame).get_feature_names_out().tolist() == [
        "day_year",
        "day_month",
        "day_weekday",
        "day_days",
    ]


def test_texts_are_read_by_the_one_parser() -> None:
    """A model called by itself reads ISO 8601 in mixed spellings, and refuses another order instead of guessing it."""
    learnt = DateFeatures().fit(pd.DataFrame({"day": pd.to_datetime(["2024-03-02"])}))
    mixed = learnt.transform(pd.DataFrame({"day": ["2024-03-01", "2024-03-01T00:00:00Z", "2024-03-01 01:00+01:00"]}))
    assert (mixed == [2024, 3, 4, -1]).all()
    with pytest.raises(ValueError, match=r"'day' holds '05/03/2024'"):
        learnt.transform(pd.DataFrame({"day": ["2024-03-01", "05/03/2024"]}))
