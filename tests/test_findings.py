"""Findings as values."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.findings import Finding, by_severity, could_not_judge, worst_severity
from tiltyard.jsonable import to_jsonable

FINDING = Finding(
    "data.missing-values",
    "warning",
    "age",
    "Missing values",
    "12 of 50 cells of 'age' are missing.",
    score=0.24,
    limit=0.5,
    evidence={"rows": [1, 2]},
    next_step="Fill them.",
)

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.datetimes()
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**31), 2**31).map(np.int64)
    | st.lists(st.floats(), max_size=3).map(np.array),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(ANYTHING)
def test_evidence_of_any_kind_can_be_written_as_json(value: Any) -> None:
    """Whatever the evidence holds, `to_dict` is strict JSON that UTF-8 can hold and that reads back unchanged."""
    data = Finding("a.b", "info", "x", "t", "m", evidence={"value": value}).to_dict()
    written = json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert json.loads(written) == data


def test_a_finding_comes_back_from_its_dictionary() -> None:
    """`from_dict` undoes `to_dict`, also where later versions have added keys."""
    assert Finding.from_dict({**FINDING.to_dict(), "added_later": 1}) == FINDING


@pytest.mark.parametrize("code", ["", "missing", "Data.missing", "data.", "data missing", "data.Missing", "data..x"])
def test_codes_are_dotted_lower_case_names(code: str) -> None:
    """A code that programs could not rely on is refused when the finding is made."""
    with pytest.raises(ValueError, match="dotted"):
        Finding(code, "info", "x", "t", "m")


def test_severities_are_a_closed_list() -> None:
    """A severity outside the three is refused."""
    with pytest.raises(ValueError, match="severity 'fatal'"):
        Finding("a.b", "fatal", "x", "t", "m")  # type: ignore[arg-type]


def test_the_gravest_come_first() -> None:
    """Findings are ordered error, warning, info, not evaluated; equals keep their order."""
    given_order = [
        could_not_judge("a.c", "x", "why", title="t"),
        Finding("a.i", "info", "x", "t", "m"),
        Finding("a.e", "error", "x", "t", "m"),
        Finding("a.w", "warning", "x", "t", "m"),
        Finding("a.e2", "error", "x", "t", "m"),
    ]
    assert [finding.code for finding in by_severity(given_order)] == ["a.e", "a.e2", "a.w", "a.i", "a.c"]


def test_what_could_not_judge_says_so() -> None:
    """A check without anything to work on returns its status and never with a score."""
    finding = could_not_judge("a.b", "x", "No rows.", title="Title")
    assert (finding.status, finding.severity, finding.score, finding.message) == (
        "could_not_judge",
        "info",
        None,
        "No rows.",
    )


def test_a_finding_is_named_by_its_code_or_code_and_subject() -> None:
    """A pattern names a finding by code for every subject, or by code and subject for one."""
    assert FINDING.named_by(["data.missing-values"])
    assert FINDING.named_by(["x.y", "data.missing-values:age"])
    assert not FINDING.named_by(["data.missing-values:income", "data.missing", "age"])


def test_json_has_no_numpy_pandas_or_nan() -> None:
    """Values of numpy and pandas become JSON's own; what is not finite becomes null."""
    ready = to_jsonable({"a": np.array([1, 2]), "b": math.nan, "c": pd.Timestamp("2026-01-02"), "d": pd.NA, 1: {"x"}})
    assert ready == {"a": [1, 2], "b": None, "c": "2026-01-02T00:00:00", "d": "<NA>", "1": ["x"]}
    assert to_jsonable(dt.date(2026, 1, 2)) == "2026-01-02"


def test_could_not_judge_is_not_found() -> None:
    """A finding that could not be evaluated is recorded, and is not a reason to act."""
    unknown = could_not_judge("drift.verdict", "all", "Too few rows.", "Wait.")
    assert not unknown.is_found
    assert worst_severity([unknown, Finding("a.b", "warning", "c", status="clear")]) is None
    assert worst_severity([unknown, Finding("a.b", "warning", "c"), Finding("a.b", "error", "c")]) == "error"


@pytest.mark.parametrize("wrong", [{"code": "Drift"}, {"severity": "fatal"}])
def test_wrong_codes_and_severities_are_refused(wrong: dict[str, str]) -> None:
    """A code that is not dotted, or a severity of no kind, is refused."""
    with pytest.raises(ValueError, match=r"finding (code|severity)"):
        Finding(**({"code": "a.b", "severity": "warning", "subject": "c"} | wrong))  # type: ignore[arg-type]
