from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from tests.scoring.conftest import COLUMNS
from tests.scoring.conftest import table as plain_table
from tiltyard.errors import InputError
from tiltyard.models.recipes.tabular import TABULAR
from tiltyard.scoring import InputProblem, Scorer, SklearnScorer, TableScorer, compile_scorer, explain, list_problems
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns

Row = Mapping[str, Any]

TOWNS = ["York", "Leeds", "Hull", "Ripon", "Selby"]

# No example is too slow: how long one takes depends on what else the machine does.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def table(rows: int = 260, labels: int = 3) -> tuple[pd.DataFrame, pd.Series]:
    """Numbers and booleans with and without gaps, whole numbers, words with rare ones and gaps, a constant column."""
    random = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.normal(40.0, 12.0, rows)),
            "big": random.integers(2**53, 2**60, rows),
            "town": pd.Series(random.choice(TOWNS, rows, p=[0.4, 0.3, 0.28, 0.01, 0.01]), dtype="str").where(
                random.random(rows) > 0.05
            ),
            "fear": pd.Series(random.choice(["Yes", "No"], rows), dtype="str"),
            "member": random.random(rows) < 0.5,
            "paid": np.ones(rows, np.bool_),
            "news": pd.Series(random.random(rows) < 0.5, dtype="boolean").where(random.random(rows) > 0.1),
        }
    )
    score = frame["age"] / 20 + frame["income"].fillna(40.0) / 15 + frame["member"] + (frame["town"] == "York")
    bands = [score < 5.5, score < 6.8][: labels - 1]
    return frame, pd.Series(np.select(bands, ["low", "middle"][: labels - 1], "high"))


numbers = st.integers(-(2**64), 2**64) | st.floats(-1e9, 1e9) | st.floats(-3e38, 3e38) | st.none() | st.just(np.nan)
rows = st.fixed_dictionaries(
    {
        "age": numbers | st.integers(18, 90),
        "income": numbers | st.floats(0, 80),
        "big": numbers | st.integers(2**53, 2**60),
        "town": st.sampled_from([*TOWNS, "Atlantis", "", "nan", "york"]) | st.text(max_size=3) | st.none(),
        "fear": st.sampled_from(["Yes", "No", "yes", "True"]) | st.none() | st.just(np.nan),
        "member": st.booleans() | st.none(),
        "paid": st.booleans() | st.none(),
        "news": st.booleans() | st.none(),
    }
)


@pytest.fixture(scope="module", params=[(name, labels) for name in TABULAR for labels in (2, 3)], ids=str)
def scorers(request: pytest.FixtureRequest) -> tuple[TableScorer, SklearnScorer]:
    name, labels = request.param
    frame, truth = table(labels=labels)
    pipeline = TABULAR[name][1](0)
    if name == "random-forest":
        pipeline.set_params(classifier__n_estimators=20)
    elif name == "gradient-boosting":
        pipeline.set_params(classifier__max_iter=25)
    with threadpool_limits(limits=1):
        pipeline.fit(frame, truth)
    return both(pipeline, frame)


def both(pipeline: Pipeline, frame: pd.DataFrame) -> tuple[TableScorer, SklearnScorer]:
    columns = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
    scorer = compile_scorer(pipeline, "tabular-classification", InputColumns(columns))
    assert isinstance(scorer, TableScorer)
    return scorer, SklearnScorer(pipeline, "tabular-classification", columns)


def outcome(scorer: Scorer, inputs: list[Row]) -> tuple[Any, tuple[InputProblem, ...]]:
    """The probabilities, and what was refused."""
    try:
        return scorer.score(inputs).probabilities, ()
    except InputError as error:
        return np.zeros((0, 0)), list_problems(error)


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict(orient="records")
    ]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@settings(UNHURRIED, max_examples=12)
@given(inputs=st.lists(rows, min_size=1, max_size=6))
def test_scores_are_scikit_learns(scorers: tuple[TableScorer, SklearnScorer], inputs: list[Row]) -> None:
    """Gaps, unseen words, huge whole numbers and all: probabilities equal scikit-learn's to 1e-9."""
    scorer, yardstick = scorers
    with threadpool_limits(limits=1):
        expected, refused = outcome(yardstick, inputs)
    given_, refused_here = outcome(scorer, inputs)
    assert refused_here == refused
    np.testing.assert_allclose(given_, expected, rtol=0, atol=1e-9)
    assert scorer.classes == yardstick.classes


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore:overflow encountered")
@settings(UNHURRIED, max_examples=400)
@given(inputs=st.lists(rows, min_size=1, max_size=8))
def test_scores_are_scikit_learns_for_thousands_of_rows(
    scorers: tuple[TableScorer, SklearnScorer], inputs: list[Row]
) -> None:
    """The same over some thousands of rows for each model, and to 1e-12."""
    scorer, yardstick = scorers
    with threadpool_limits(limits=1):
        expected, refused = outcome(yardstick, inputs)
    given_, refused_here = outcome(scorer, inputs)
    assert refused_here == refused
    np.testing.assert_allclose(given_, expected, rtol=0, atol=1e-12)


def test_training_rows_are_predicted_to_the_last_bits(scorers: tuple[TableScorer, SklearnScorer]) -> None:
    """Rows of the training data are predicted as in scikit-learn to 1e-13, with the same labels."""
    scorer, yardstick = scorers
    inputs = plain(table(60)[0])
    with threadpool_limits(limits=1):
        expected = yardstick.score(inputs)
    given_ = scorer.score(inputs)
    np.testing.assert_allclose(given_.probabilities, expected.probabilities, rtol=0, atol=1e-13)
    assert list(given_.labels) == list(expected.labels)


@settings(UNHURRIED, max_examples=12)
@given(inputs=st.lists(rows, min_size=1, max_size=8))
def test_batched_is_unbatched_to_the_bit(scorers: tuple[TableScorer, SklearnScorer], inputs: list[Row]) -> None:
    """A batch is predicted as its rows one by one, bit for bit."""
    scorer, _ = scorers
    together = scorer.score(inputs)
    apart = [scorer.score([row]) for row in inputs]
    assert list(together.labels) == [scores.labels[0] for scores in apart]
    np.testing.assert_array_equal(together.probabilities, np.concatenate([scores.probabilities for scores in apart]))


BAD: list[dict[str, Any]] = [
    {"age": "forty"},
    {"age": True},
    {"income": float("inf")},
    {"income": 10**400},
    {"income": [1.0]},
    {"town": 3},
    {"town": True},
    {"fear": False},
    {"member": "yes"},
    {"member": 1},
    {"member": np.nan},
    {"twon": "York"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_rows_are_refused_as_ever(scorers: tuple[TableScorer, SklearnScorer], bad: Row) -> None:
    """Wrongly typed, unknown and missing features are refused by position, in the words of the scikit-learn scorer."""
    good = plain(table(1)[0])[0]
    missing = {name: value for name, value in good.items() if name != "big"}
    refusals = []
    for scorer in scorers:
        with pytest.raises(InputError) as caught:
            scorer.score([good, {**good, **bad}, missing])
        refusals.append(list_problems(caught.value))
    assert refusals[0] == refusals[1]


def test_values_of_numpy_are_values(scorers: tuple[TableScorer, SklearnScorer]) -> None:
    """Numbers and booleans of numpy, as a data frame's rows have them, are predicted as Python's."""
    scorer, _ = scorers
    row = plain(table(1)[0])[0]
    odd = {**row, "age": np.int64(row["age"]), "income": np.float32(38.5), "member": np.bool_(row["member"])}
    expected = scorer.score([{**row, "income": 38.5}]).probabilities
    np.testing.assert_array_equal(scorer.score([odd]).probabilities, expected)


def test_a_value_too_large_is_refused_in_scikit_learns_words() -> None:
    """What a forest's single precision cannot hold is refused for that row alone, as scikit-learn refuses it."""
    frame, truth = table()
    pipeline = make_pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=3, random_state=0))
    scorer, yardstick = both(pipeline.fit(frame[["age", "income"]], truth), frame[["age", "income"]])
    inputs = [{"age": 40, "income": 1e300}, {"age": 40, "income": 3.0}]
    with pytest.raises(InputError) as caught:
        scorer.score(inputs)
    assert [problem.position for problem in list_problems(caught.value)] == [0]
    with pytest.warns(RuntimeWarning, match="overflow"), pytest.raises(InputError) as expected:
        yardstick.score(inputs)
    assert list_problems(caught.value) == list_problems(expected.value)


def words(encoder: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", "passthrough", ["age", "income"]), ("words", encoder, ["town", "fear"])])


@pytest.mark.parametrize(
    "pipeline",
    [
        make_pipeline(HistGradientBoostingClassifier(max_iter=8)),
        make_pipeline(RandomForestClassifier(n_estimators=7, random_state=0)),
        make_pipeline(ExtraTreesClassifier(n_estimators=7, random_state=0, min_samples_leaf=3)),
        make_pipeline(DecisionTreeClassifier(max_depth=5)),
        make_pipeline(SimpleImputer(strategy="mean"), StandardScaler(with_mean=False), LogisticRegression()),
        make_pipeline(SimpleImputer(), CalibratedClassifierCV(LinearSVC(random_state=0, max_iter=100), cv=3)),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=["boosting", "forest", "extra", "tree", "unshifted", "calibrated", "gapless"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_pipelines_of_others_are_exact_too(pipeline: Pipeline) -> None:
    """Plain pipelines over numbers, gaps included where the model has them, predict or refuse as scikit-learn does."""
    frame, truth = table()
    frame = frame[["age", "income"]]
    refuses = pipeline.steps[0][0] == "standardscaler"
    with threadpool_limits(limits=1):
        scorer, yardstick = both(pipeline.fit(frame.fillna(1.0) if refuses else frame, truth), frame)
        inputs = plain(frame)
        if not refuses:
            expected = yardstick.score(inputs).probabilities
            np.testing.assert_allclose(scorer.score(inputs).probabilities, expected, rtol=0, atol=1e-12)
            return
        refusals = []
        for each in (scorer, yardstick):
            with pytest.raises(InputError) as caught:
                each.score(inputs)
            refusals.append(list_problems(caught.value))
    assert refusals[0] == refusals[1]


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary", sparse_output=False),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
        make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3),
        ),
    ],
    ids=["one-hot", "dropping", "ordinal", "imputed"],
)
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_other_encoders_mean_what_they_mean(encoder: Any) -> None:
    """Whatever the encoder makes of known, unseen and missing words, the compiled form makes of them too."""
    frame, truth = table()
    frame = frame[["age", "income", "town", "fear"]]
    odd = [
        {"age": 40, "income": None, "town": town, "fear": fear}
        for town in ("Hull", "Oz", None)
        for fear in ("No", None)
    ]
    with threadpool_limits(limits=1):
        pipeline = make_pipeline(words(encoder), HistGradientBoostingClassifier(max_iter=8))
        if "one-hot" in str(encoder) or isinstance(encoder, OneHotEncoder):
            pipeline = make_pipeline(words(encoder).set_params(sparse_threshold=0), pipeline[-1])
        scorer, yardstick = both(pipeline.fit(frame, truth), frame)
        expected = yardstick.score(odd).probabilities
    np.testing.assert_allclose(scorer.score(odd).probabilities, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("labels", [2, 3])
def test_splits_by_sets_of_categories_are_exact(labels: int) -> None:
    """Boosting by sets of categories predicts known, rare, unseen and missing words as scikit-learn does."""
    frame, truth = table(500, labels)
    frame = frame[["age", "income", "town", "fear"]]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    boosting = HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=3, categorical_features=[2, 3])
    odd = [{"age": 40, "income": None, "town": town, "fear": "No"} for town in (*TOWNS, "Oz", None)]
    with threadpool_limits(limits=1):
        scorer, yardstick = both(make_pipeline(words(encoder), boosting).fit(frame, truth), frame)
        assert any(predictor.nodes["is_categorical"].any() for turn in boosting._predictors for predictor in turn)
        inputs = [*plain(frame)[:80], *odd]
        expected = yardstick.score(inputs).probabilities
    np.testing.assert_allclose(scorer.score(inputs).probabilities, expected, rtol=0, atol=1e-13)
    found = explain(scorer, odd, most=0)
    assert all(part.rest + part.baseline == pytest.approx(part.total) for part in found)


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (make_pipeline(MinMaxScaler(), LogisticRegression()), "no compiled form of a MinMaxScaler"),
        (make_pipeline(SimpleImputer(), LinearSVC()), "no compiled form of a LinearSVC"),
        (make_pipeline(SimpleImputer(missing_values=-1), LogisticRegression()), "takes -1 for a gap"),
        (make_pipeline(HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])), "numbers for categories"),
    ],
    ids=["scaler", "classifier", "gap", "categories"],
)
def test_what_is_not_exact_is_not_compiled(pipeline: Pipeline, says: str) -> None:
    """A pipeline without a compiled form is refused with its reason."""
    frame, truth = table()
    frame = frame[["age"]].astype("float64")
    with pytest.raises(NotCompilableError, match=says):
        compile_scorer(pipeline.fit(frame, truth), "tabular-classification", InputColumns({"age": "float64"}))


def test_words_of_a_hand_made_pipeline_are_exact(table_pipeline: Pipeline) -> None:
    """A pipeline from elsewhere over the same columns is predicted exactly."""
    scorer = compile_scorer(table_pipeline, "tabular-classification", InputColumns(COLUMNS))
    yardstick = SklearnScorer(table_pipeline, "tabular-classification", COLUMNS)
    inputs = [*plain(plain_table(40)[0]), {"age": None, "income": None, "town": "Oz", "member": None}]
    np.testing.assert_allclose(
        scorer.score(inputs).probabilities, yardstick.score(inputs).probabilities, rtol=0, atol=1e-12
    )


def test_features_add_up_to_the_prediction(scorers: tuple[TableScorer, SklearnScorer]) -> None:
    """Baseline, features and rest add up to what the model computed for the label, and every feature is named."""
    scorer, _ = scorers
    inputs: list[Row] = [*plain(table(20)[0]), dict.fromkeys(map(str, table(1)[0]))]
    probabilities = scorer.score(inputs).probabilities
    for position, found in enumerate(explain(scorer, inputs, most=3)):
        place = scorer.classes.index(found.label)
        assert place == probabilities[position].argmax()
        added = found.baseline + found.rest + sum(part.weight for part in found.contributions)
        assert added == pytest.approx(found.total, abs=1e-9)
        assert found.exact
        if found.scale == "probability":
            assert found.total == pytest.approx(probabilities[position, place], abs=1e-12)
        elif found.scale == "log-odds":
            assert found.total == pytest.approx(logit(probabilities[position, place]), abs=1e-9)
        else:
            logs = np.log(probabilities[position])
            assert found.total == pytest.approx(logs[place] - logs.mean(), abs=1e-9)
    assert {part.name for part in explain(scorer, inputs[:1])[0].contributions} == set(inputs[0])
