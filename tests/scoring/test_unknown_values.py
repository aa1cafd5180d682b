"""Values and columns that training did not know, as the scorers report them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from tests.scoring.conftest import COLUMNS, table
from tiltyard.data.conform.frames import infer_schema, narrow_schema
from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.errors import InputError
from tiltyard.ledger.records import input_text
from tiltyard.scoring import InputWarning, SklearnScorer, TableScorer, UnknownPolicy, list_problems, score_groups
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.scorer import Scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.known_values import KnownValues
from tiltyard.scoring.text.text_inputs import TextColumns, extract_texts

FRAME, _ = table()
SCHEMA = infer_schema(FRAME)
KNOWN = {"age": 40, "income": 38.5, "town": "York", "member": True}


@pytest.fixture(scope="module")
def columns() -> InputColumns:
    return InputColumns(COLUMNS, others=("customer", "label"), schema=SCHEMA)


@pytest.fixture(scope="module")
def compiled(table_pipeline: Pipeline, columns: InputColumns) -> TableScorer:
    scorer = compile_scorer(table_pipeline, "tabular-classification", columns)
    assert isinstance(scorer, TableScorer)
    return scorer


@pytest.fixture(scope="module")
def plain(table_pipeline: Pipeline, columns: InputColumns) -> SklearnScorer:
    return SklearnScorer(table_pipeline, "tabular-classification", columns)


@pytest.fixture(params=["compiled", "plain"])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    found: Scorer = request.getfixturevalue(request.param)
    return found


def warn(scorer: Scorer, **changes: Any) -> list[InputWarning]:
    found = scorer.score([{**KNOWN, **changes}]).warnings
    return [] if found is None else list(found[0])


def test_usual_rows_get_no_warnings(scorer: Scorer) -> None:
    """Every row that training knew passes without a warning, gaps included."""
    rows = FRAME.astype(object).where(FRAME.notna(), None).to_dict(orient="records")
    assert scorer.score(rows).warnings is None  # type: ignore[arg-type]
    assert warn(scorer, income=None, town=None) == []


def test_unknown_categories_are_named_with_the_nearest(scorer: Scorer) -> None:
    """A category that training did not know is named, with another spelling or the nearest known one."""
    for value, nearest in (("york", "York"), ("LEEDS", "Leeds"), ("Hul", "Hull")):
        [found] = warn(scorer, town=value)
        assert (found.field, found.code, found.value) == ("town", "unknown-category", value)
        assert found.message == f"is {value!r}, which training did not know. Did you mean '{nearest}'?"
    [found] = warn(scorer, town="Ο")
    assert found.message == "is 'Ο', which training did not know"


@pytest.mark.parametrize(("count", "known"), [(101, True), (10_000, True), (10_001, False)])
def test_a_version_without_a_compiled_scorer_knows_many_categories(count: int, known: bool) -> None:
    """Each of the many categories of a column passes, and another one is named, up to the limit of what is kept."""
    frame = pd.DataFrame({"town": [f"town {number}" for number in range(count)]})
    schema = narrow_schema(infer_schema(frame), frame)
    columns = InputColumns({"town": "str"}, schema=schema)
    values = KnownValues.from_columns(columns)
    rows = columns.read([{"town": "town 7"}, {"town": "town 7x"}])
    assert [[found.code for found in row] for row in values.find_warnings(rows)] == [[], ["unknown-category"] * known]


@pytest.mark.parametrize("town", ["0\x1f", "\x1c7", "+-5", "--", "+", "12", " 12 ", "٣"])
def test_unknown_words_of_digits_get_a_warning_too(scorer: Scorer, town: str) -> None:
    """A word that looks like a whole number, or nearly, is an unknown category like any other."""
    assert [found.code for found in warn(scorer, town=town)] == ["unknown-category"]


def test_numbers_outside_the_range_of_training_are_named(scorer: Scorer) -> None:
    """A number below or above all of training is named with the limit that it passes; the limits pass."""
    low, high = int(FRAME["age"].min()), int(FRAME["age"].max())
    assert warn(scorer, age=low) == warn(scorer, age=high) == []
    [above] = warn(scorer, age=high + 1)
    assert (above.field, above.code, above.value) == ("age", "out-of-range", high + 1)
    assert above.message == f"is {high + 1}, above the largest value of training, {high}"
    [below] = warn(scorer, income=-1e6)
    assert below.message.startswith("is -1000000, below the smallest value of training, ")


def test_other_columns_pass_and_unknown_ones_are_named(scorer: Scorer) -> None:
    """Columns of the training file pass in silence; another one is named with the nearest feature, next to values."""
    assert warn(scorer, customer=2**60, label="high") == []
    found = warn(scorer, twon="Leeds", age=1000)
    assert [(warning.field, warning.code) for warning in found] == [("twon", "unknown-column"), ("age", "out-of-range")]
    assert found[0].message == "is not a feature of this model. Did you mean 'town'?"


def test_a_missing_feature_is_refused_with_the_unknown_ones(scorer: Scorer) -> None:
    """Where a feature is missing, the unknown columns are named too: one may be meant by the other."""
    with pytest.raises(InputError) as caught:
        scorer.score([KNOWN, {name: value for name, value in KNOWN.items() if name != "town"} | {"twon": "York"}])
    assert [(problem.position, problem.field) for problem in list_problems(caught.value)] == [(1, "town"), (1, "twon")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "age": st.one_of(st.none(), st.integers(0, 120)),
                "income": st.one_of(st.none(), st.floats(-100, 200)),
                "town": st.one_of(st.none(), st.sampled_from(["York", "Leeds", "Hull", "york", "", "Bath", "Yorck"])),
                "member": st.one_of(st.none(), st.booleans()),
            },
            optional={"customer": st.integers(), "aged": st.just(1)},
        ),
        min_size=1,
        max_size=6,
    )
)
def test_compiled_and_plain_scorers_warn_alike(compiled: TableScorer, plain: SklearnScorer, rows: list[Any]) -> None:
    """The compiled scorer, which reads the bounds of the encoded rows, warns exactly as scikit-learn's does."""
    assert compiled.score(rows).warnings == plain.score(rows).warnings


def test_groups_keep_their_own_warnings(compiled: TableScorer) -> None:
    """Groups that are scored together get the warnings of just their inputs."""
    odd = {**KNOWN, "town": "Bath"}
    first, second = score_groups(compiled, [[KNOWN, odd], [odd, KNOWN, KNOWN]])
    counts = [[len(found) for found in scores.warnings or ()] for scores in (first, second)]  # type: ignore[union-attr]
    assert counts == [[0, 1], [1, 0, 0]]


def test_the_policy_warns_refuses_or_ignores_by_column() -> None:
    """The policy of a column counts before that of all; unknown columns have their own."""
    town, age = (InputWarning(name, "unknown-category", "x", "is 'x'") for name in ("town", "age"))
    column = InputWarning("twon", "unknown-column", 1, "is not a feature")
    policy = UnknownPolicy("warn", {"town": "refuse", "income": "ignore"}, "ignore")
    shown, problems = policy.apply([[age, column], [town]])
    assert shown == [[age], []]
    assert [(problem.position, problem.field, problem.message) for problem in problems] == [(1, "town", "is 'x'")]


def test_texts_are_picked_from_rows_of_the_file() -> None:
    """The text is the column of that name, or of the file's; other columns of the file pass, unknown ones are named."""
    columns = TextColumns("review", frozenset({"id"}))
    inputs, warnings = columns.pick_texts([{"review": "a", "id": 7}, {"text": "b"}])
    assert (inputs, warnings) == ([{"text": "a"}, {"text": "b"}], None)
    inputs, warnings = columns.pick_texts([{"text": "a"}, {"review": "b", "reviews": 1}])
    assert inputs == [{"text": "a"}, {"text": "b"}]
    assert warnings is not None
    assert [[found.message for found in row] for row in warnings] == [
        [],
        ["is not a feature of this model. Did you mean 'review'?"],
    ]


def test_gaps_are_not_unusual(compiled: TableScorer) -> None:
    """NaN from Python callers is a gap, inside and outside of every range."""
    assert compiled.score([{**KNOWN, "age": math.nan}]).warnings is None


def test_a_text_without_a_known_word_is_named(text_pipeline: Pipeline) -> None:
    """A text of which training knew no word is named; one known word is enough, and scoring is as ever."""
    scorer = compile_scorer(text_pipeline, "text-classification", InputColumns({}))
    texts = ["ein warmer Spielfilm", "a warm film", "", "zzz warm"]
    scores = scorer.score([{"text": text} for text in texts])
    assert scores.warnings is not None
    assert [[found.code for found in row] for row in scores.warnings] == [["unknown-words"], [], ["unknown-words"], []]
    assert scores.warnings[0][0].message == "has no word that training knew"
    assert scorer.score([{"text": "a warm film"}]).warnings is None


def test_dates_far_outside_of_training_are_named() -> None:
    """A date before training, or later than its last by more than training lasted, is named; next month's is usual."""
    first, last = (datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1e6 for month in (1, 7))
    schema = TableSchema((TypedColumn("joined", "time", nullable=True, minimum=first, maximum=last),))
    known = KnownValues.from_columns(InputColumns({"joined": "float64"}, schema=schema))
    days = ("2024-01-01", "2024-08-01", "2024-12-30", "1970-01-02", "2031-01-01", "NaT")
    found = known.find_warnings([{"joined": pd.Timestamp(day, tz="UTC")} for day in days])
    assert [[warning.code for warning in row] for row in found] == [[], [], [], ["far-date"], ["far-date"], []]
    assert found[3][0].message == "is 1970-01-02T00:00:00+00:00, before the first date of training"
    numbers = known.find_warnings([{"joined": pd.Timestamp(day, tz="UTC").value / 1e3} for day in days[:-1]])
    assert numbers == found[:-1]


def test_the_group_of_a_text_is_recorded_and_not_read() -> None:
    """A text goes with the group that its row has; a scorer reads the text alone, and refuses any other field."""
    columns = TextColumns("review", frozenset({"film", "id"}), "film")
    rows: list[dict[str, Any]] = [
        {"review": "a", "film": "f 1", "id": 1},
        {"text": "b", "film": None},
        {"text": "c"},
        {"text": "d", "film": 7},
    ]
    inputs, warnings = columns.pick_texts(rows)
    assert inputs == [{"text": "a", "@group": "f 1"}, {"text": "b"}, {"text": "c"}, {"text": "d", "@group": 7}]
    assert warnings is None
    assert [input_text(item) for item in inputs] == ["a", "b", "c", "d"]
    assert input_text({"text": "a", "stars": 4}) is None
    assert extract_texts(inputs) == ["a", "b", "c", "d"]
    with pytest.raises(InputError, match="'film' is not known here"):
        extract_texts([{"text": "a", "film": "f 1"}])


def test_large_numbers_are_shown_as_they_were_sent() -> None:
    """A whole number that no float holds is shown exactly, and the limit of training in full."""
    frame = pd.DataFrame({"account": [2**53 + 2, 2**53 + 100]})
    columns = InputColumns({"account": "int64"}, schema=infer_schema(frame))
    known = KnownValues.from_columns(columns)
    for sent in (2**53 + 1001, str(2**53 + 1001)):
        rows = [{"account": sent}]
        [[warning]] = known.find_warnings(columns.read(rows), rows)
        assert warning.value == 2**53 + 1001
        assert warning.message == f"is {2**53 + 1001}, above the largest value of training, {2**53 + 100}"
