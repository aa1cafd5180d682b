"""Where data differs from its schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes

from tiltyard.errors import UsageError
from tiltyard.findings import Finding
from tiltyard.project import Project
from tiltyard.validation import ColumnSchema, DataValidator, infer_required_schema

FRAME = pd.DataFrame(
    {
        "age": np.arange(100) % 60 + 18,
        "income": np.linspace(1000.5, 90000.25, 100),
        "city": ["Rome", "Oslo", "Lima", "Kyiv"] * 25,
        "member": [True, False] * 50,
        "label": ["yes", "no", "no", "yes", "no"] * 20,
    }
)
SCHEMA = infer_required_schema(FRAME, label="label")


def differences(frame: pd.DataFrame, schema: Any = SCHEMA) -> list[Finding]:
    report = DataValidator().validate_dataset(frame, schema=schema)
    return [finding for finding in report.findings if finding.code.startswith("schema.")]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


FRAMES = data_frames(
    [
        column("number", elements=st.floats(allow_nan=True, allow_infinity=False)),
        column("count", dtype="int64"),
        column("word", elements=st.sampled_from(["a", "b", None, "c "]), dtype=object),
        column("flag", dtype=bool),
        column("label", elements=st.sampled_from(["x", "y"]), dtype=object),
    ],
    index=range_indexes(min_size=1, max_size=30),
)


@given(FRAMES)
@settings(max_examples=40)
def test_data_fits_the_schema_inferred_from_it(frame: pd.DataFrame) -> None:
    """No frame differs from its own schema, nor does any part of its rows."""
    schema = infer_required_schema(frame, label="label")
    assert differences(frame, schema) == []


def test_the_schema_says_what_the_columns_are() -> None:
    """Types, known categories, and no negative numbers where there are none."""
    assert {name: rule.type for name, rule in SCHEMA.items()} == {
        "age": "integer",
        "income": "number",
        "city": "category",
        "member": "boolean",
        "label": "category",
    }
    assert SCHEMA["city"].values == ("Kyiv", "Lima", "Oslo", "Rome")
    assert SCHEMA["age"].minimum == 0
    assert not SCHEMA["age"].missing


@pytest.mark.requirement("R-DATA-03")
@pytest.mark.parametrize(
    ("change", "code", "subject", "says"),
    [
        (lambda frame: frame.drop(columns="city"), "schema.column-missing", "city", "no column 'city'"),
        (lambda frame: frame.rename(columns={"city": "City "}), "schema.column-renamed", "city", "'City '"),
        (lambda frame: frame.rename(columns={"income": "incomes"}), "schema.column-renamed", "income", "'incomes'"),
        (lambda frame: frame.assign(extra=1.5), "schema.column-extra", "extra", "1 column more"),
        (
            lambda frame: frame.assign(city=frame.city.replace("Oslo", "Bergen")),
            "schema.new-category",
            "city",
            "Bergen",
        ),
        (
            lambda frame: frame.assign(label=frame.label.where(frame.index != 3, "may")),
            "schema.new-category",
            "label",
            "may",
        ),
        (lambda frame: frame.assign(age=frame.age.where(frame.index != 3, -1)), "schema.out-of-range", "age", "row 4"),
        (lambda frame: frame.assign(age=frame.age + 0.5), "schema.type-changed", "age", "integer"),
        (lambda frame: frame.assign(age=frame.age.where(frame.index != 3)), "schema.missing-values", "age", "row 4"),
        (lambda frame: frame.assign(city=range(100)), "schema.type-changed", "city", "number"),
        (lambda frame: frame.assign(member="perhaps"), "schema.type-changed", "member", "boolean"),
        (
            lambda frame: frame.assign(age=frame.age.astype(object).where(frame.index != 3, "old")),
            "schema.type-changed",
            "age",
            "'old' (row 4)",
        ),
    ],
)
def test_each_difference_has_its_finding(change: Any, code: str, subject: str, says: str) -> None:
    """A changed frame has exactly the finding of its change."""
    finding = only(differences(change(FRAME)))
    assert (finding.code, finding.subject) == (code, subject)
    assert says in finding.message


def test_an_unknown_label_is_graver_than_a_new_category() -> None:
    """A new category can be lived with; a label that the schema does not know cannot."""
    new = differences(FRAME.assign(city="Bergen"))
    assert only(new).severity == "warning"
    assert only(differences(FRAME.assign(label="maybe"))).severity == "error"


@pytest.mark.parametrize(("known", "labels"), [(["False", "True"], ["TRUE", "FALSE"]), (["0.0", "1.0"], ["1", "0"])])
def test_a_schema_knows_a_label_by_what_it_means(known: list[str], labels: list[str]) -> None:
    """A label that the schema spells otherwise than the data is known."""
    schema = {"label": ColumnSchema(type="category", values=tuple(known))}
    assert differences(pd.DataFrame({"label": labels * 5}), schema) == []
    assert only(differences(pd.DataFrame({"label": ["2", *labels]}), schema)).code == "schema.new-category"


def test_what_is_written_otherwise_is_the_same() -> None:
    """Booleans as 0 and 1, integers as floats, and optional columns left out fit."""
    frame = FRAME.assign(member=FRAME.member.astype(int), age=FRAME.age.astype(float))
    assert differences(frame) == []
    optional = {**SCHEMA, "note": ColumnSchema(type="text", required=False)}
    assert differences(FRAME, optional) == []


def test_a_schema_can_be_written_in_short() -> None:
    """A type alone, or a dictionary of fields, is a column's schema; nonsense is refused with its place."""
    short = {"age": "integer", "income": {"type": "number", "maximum": 80000}}
    assert [finding.code for finding in differences(FRAME, short)] == ["schema.out-of-range", "schema.column-extra"]
    for wrong in ({"age": "float"}, {"age": {"type": "number", "min": 0}}, {"age": 3}):
        with pytest.raises(UsageError, match="'age'"):
            differences(FRAME, wrong)


def test_columns_named_in_the_project_must_be_there() -> None:
    """A column that the project file names and the data lacks is an error, with the one that may be meant."""
    project = Project.model_validate(
        {
            "project": {"name": "p", "task": "tabular-classification"},
            "data": {"source": "x.csv", "label": "label", "features": ["age", "cities"]},
        }
    )
    report = DataValidator(project).validate_dataset(FRAME)
    finding = only([finding for finding in report.findings if finding.code.startswith("schema.")])
    assert (finding.code, finding.subject, finding.evidence["candidate"]) == ("schema.column-renamed", "cities", "city")
    roles = {name: facts["role"] for name, facts in report["data_types"]["columns"].items()}
    assert roles == {"age": "feature", "income": "other", "city": "other", "member": "other", "label": "label"}
