from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import LinearSVC

from tests.scoring.conftest import COLUMNS, table
from tiltyard.errors import ArtifactError, InputError
from tiltyard.scoring import Scores, SklearnScorer, list_problems, score_groups

Row = Mapping[str, Any]

texts = st.fixed_dictionaries({"text": st.text(max_size=40) | st.sampled_from(["funny", "dull film", "I loved time"])})
rows = st.fixed_dictionaries(
    {
        "age": st.integers(-(10**6), 10**6) | st.floats(-200, 200) | st.none(),
        "income": st.floats(-1e6, 1e6) | st.integers(-100, 100) | st.none(),
        "town": st.sampled_from(["York", "Leeds", "Hull", "Atlantis", ""]) | st.none(),
        "member": st.booleans() | st.none(),
    }
)


@pytest.fixture(scope="module")
def text_scorer(text_pipeline: Pipeline) -> SklearnScorer:
    return SklearnScorer(text_pipeline, "text-classification", {})


@pytest.fixture(scope="module")
def table_scorer(table_pipeline: Pipeline) -> SklearnScorer:
    return SklearnScorer(table_pipeline, "tabular-classification", COLUMNS)


def row(**changes: Any) -> dict[str, Any]:
    return {"age": 40, "income": 38.5, "town": "York", "member": True, **changes}


def assert_equal(together: Scores, apart: list[Scores]) -> None:
    assert list(together.labels) == [scores.labels[0] for scores in apart]
    np.testing.assert_allclose(
        together.probabilities, np.concatenate([scores.probabilities for scores in apart]), rtol=0, atol=1e-12
    )


@settings(deadline=None)
@given(inputs=st.lists(texts, min_size=1, max_size=12))
def test_texts_batched_equal_unbatched(text_scorer: SklearnScorer, inputs: list[Row]) -> None:
    """A batch of texts gives the same predictions as its texts one by one would."""
    assert_equal(text_scorer.score(inputs), [text_scorer.score([item]) for item in inputs])


@settings(max_examples=30, deadline=None)
@given(inputs=st.lists(rows, min_size=1, max_size=8))
def test_rows_batched_equal_unbatched(table_scorer: SklearnScorer, inputs: list[Row]) -> None:
    """A batch of rows is predicted as its rows one by one, gaps and fractions in whole columns included."""
    assert_equal(table_scorer.score(inputs), [table_scorer.score([item]) for item in inputs])


def test_text_scores_are_the_pipelines_own(text_scorer: SklearnScorer, text_pipeline: Pipeline) -> None:
    """The scorer predicts a text as the pipeline does."""
    given = ["funny and warm", "slow waste", ""]
    scores = text_scorer.score([{"text": text} for text in given])
    assert list(scores.labels) == list(text_pipeline.predict(given))
    np.testing.assert_array_equal(scores.probabilities, text_pipeline.predict_proba(given))
    assert text_scorer.classes == ("bad", "good")
    assert text_scorer.kind == "scikit-learn"


def test_table_scores_are_the_pipelines_own(table_scorer: SklearnScorer, table_pipeline: Pipeline) -> None:
    """Rows of JSON values, in any order of keys and with null for a gap, are predicted as the frame's."""
    frame, _ = table(60)
    inputs = [
        {str(name): None if pd.isna(value) else value for name, value in reversed(item.items())}
        for item in frame.to_dict(orient="records")
    ]
    scores = table_scorer.score(inputs)
    assert list(scores.labels) == list(table_pipeline.predict(frame))
    np.testing.assert_allclose(scores.probabilities, table_pipeline.predict_proba(frame), rtol=0, atol=1e-12)


def test_null_is_a_gap(boosting_pipeline: Pipeline) -> None:
    """None is a missing value for a model that knows what to do with one."""
    scorer = SklearnScorer(boosting_pipeline, "tabular-classification", {"age": "int64", "income": "float64"})
    frame, _ = table(1)
    gap = frame[["age", "income"]].assign(income=np.nan)
    scores = scorer.score([{"age": int(gap["age"][0]), "income": None}])
    np.testing.assert_array_equal(scores.probabilities, boosting_pipeline.predict_proba(gap))


@pytest.mark.parametrize(
    ("bad", "field", "says"),
    [
        ({"age": "forty"}, "age", "a finite number or null, and is 'forty'"),
        ({"age": True}, "age", "a finite number or null, and is true"),
        ({"income": float("inf")}, "income", "a finite number"),
        ({"income": 10**400}, "income", "a finite number"),
        ({"income": [1.0]}, "income", "a finite number"),
        ({"town": ["York"]}, "town", "a text or null, and is ['York']"),
        ({"member": "yes"}, "member", "true or false or null, and is 'yes'"),
    ],
)
def test_bad_feature_is_named(table_scorer: SklearnScorer, bad: Row, field: str, says: str) -> None:
    """A feature of the wrong type is refused by position and name, with what is right."""
    with pytest.raises(InputError) as caught:
        table_scorer.score([row(), row(**bad), row()])
    problem = list_problems(caught.value)[0]
    assert (problem.position, problem.field) == (1, field)
    assert says in problem.message
    assert "1" in caught.value.message
    assert field in caught.value.message


def test_gap_widens_its_own_row_alone() -> None:
    """A gap or a fraction in a column of whole numbers changes no dtype for the other rows of the batch."""
    frame, labels = table()
    as_words = FunctionTransformer(_as_words, feature_names_out="one-to-one")
    steps = make_pipeline(as_words, OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=500))
    scorer = SklearnScorer(steps.fit(frame[["age"]], labels), "tabular-classification", {"age": "int64"})
    known = int(frame["age"][0])
    alone = scorer.score([{"age": known}]).probabilities
    for other in (None, 40.5):
        together = scorer.score([{"age": other}, {"age": known}]).probabilities
        np.testing.assert_allclose(together[1:], alone, rtol=0, atol=1e-12)


def _as_words(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype("str")


def test_missing_column_is_named(table_scorer: SklearnScorer) -> None:
    """A feature that is left out is an error, not a gap; every one of them is named."""
    with pytest.raises(InputError) as caught:
        table_scorer.score([{"age": 40, "member": False}])
    assert [(item.field, item.message.split()[1]) for item in list_problems(caught.value)] == [
        ("income", "missing"),
        ("town", "missing"),
    ]


@pytest.mark.parametrize("bad", [{}, {"text": None}, {"text": 5}, {"text": "fine", "lang": "en"}])
def test_bad_text_is_named(text_scorer: SklearnScorer, bad: Row) -> None:
    """An input that is not one text is refused by its position."""
    with pytest.raises(InputError) as caught:
        text_scorer.score([{"text": "fine"}, bad])
    assert [item.position for item in list_problems(caught.value)] == [1]


def test_refusal_by_the_model_names_the_row(gapless_pipeline: Pipeline) -> None:
    """A row that the model itself refuses is named, and only that one."""
    scorer = SklearnScorer(gapless_pipeline, "tabular-classification", {"age": "float64"})
    with pytest.raises(InputError, match="NaN") as caught:
        scorer.score([{"age": 30}, {"age": None}, {"age": 31}])
    assert [item.position for item in list_problems(caught.value)] == [1]


def test_no_probabilities_no_scorer() -> None:
    """A model without probabilities is refused when it is loaded, not when it predicts."""
    pipeline = make_pipeline(LinearSVC()).fit([[0.0], [1.0]], ["a", "b"])
    with pytest.raises(ArtifactError, match="no probabilities"):
        SklearnScorer(pipeline, "tabular-classification", {"x": "float64"})


@settings(max_examples=30, deadline=None)
@given(
    groups=st.lists(
        st.lists(rows | st.just({"age": "forty"}) | st.just({}), min_size=1, max_size=4), min_size=1, max_size=5
    )
)
def test_group_meets_its_own_fate(table_scorer: SklearnScorer, groups: list[list[Row]]) -> None:
    """Groups scored together get what each would have got alone: its scores, or its own errors."""
    for group, outcome in zip(groups, score_groups(table_scorer, groups), strict=True):
        if isinstance(outcome, Scores):
            expected = table_scorer.score(group)
            assert list(outcome.labels) == list(expected.labels)
            np.testing.assert_allclose(outcome.probabilities, expected.probabilities, rtol=0, atol=1e-12)
        else:
            assert isinstance(outcome, InputError)
            with pytest.raises(InputError) as caught:
                table_scorer.score(group)
            assert list_problems(outcome) == list_problems(caught.value)


class Counting:
    """A scorer that fails as models do, on a certain text, and counts its calls."""

    classes = ("a", "b")
    kind = "counting"

    def __init__(self) -> None:
        self.calls = 0

    def score(self, inputs: Any) -> Scores:
        self.calls += 1
        if any(item["text"] == "boom" for item in inputs):
            raise KeyError("boom")
        value = np.nan if any(item["text"] == "nan" for item in inputs) else 0.5
        return Scores(["a"] * len(inputs), np.full((len(inputs), 2), value))


def test_good_groups_cost_one_call() -> None:
    """Groups without a bad input are scored in one model call."""
    scorer = Counting()
    score_groups(scorer, [[{"text": "x"}], [{"text": "y"}, {"text": "z"}]])
    assert scorer.calls == 1


@pytest.mark.parametrize(("bad", "kind"), [("boom", KeyError), ("nan", ArithmeticError)])
def test_failure_of_the_model_stays_in_its_group(bad: str, kind: type[Exception]) -> None:
    """A model that fails, or returns no number, fails the group that made it do so."""
    outcomes = score_groups(Counting(), [[{"text": "x"}], [{"text": bad}], [{"text": "y"}]])
    assert [type(outcome) for outcome in outcomes] == [Scores, kind, Scores]
