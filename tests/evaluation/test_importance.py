"""Features that count are found, others are not, and changes are reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from tests.charts.drawn import count_bars, count_frames, read_words
from tiltyard.charts.colours import BLUE
from tiltyard.evaluation import (
    Importance,
    LabelledPredictions,
    compare_importance,
    get_metric,
    label_predictions,
    permutation_importance,
    plot_importance,
    term_importance,
)
from tiltyard.evaluation.importance import FeatureWeight
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.models import CANDIDATES, get_candidate


def table(rows: int = 800) -> tuple[pd.DataFrame, pd.Series]:
    """A label that follows from a number and a word; noise, a constant and gaps."""
    random = np.random.default_rng(0)
    inputs = pd.DataFrame(
        {
            "noise": random.normal(size=rows),
            "number": random.normal(size=rows),
            "word": random.choice(["left", "right"], rows),
            "flag": random.random(rows) < 0.5,
            "constant": np.ones(rows),
        }
    )
    score = 2 * inputs["number"] + 2 * (inputs["word"] == "left") - 1 + random.normal(0, 0.3, rows)
    inputs.loc[::17, "noise"] = np.nan
    return inputs, pd.Series(np.where(score > 0, "yes", "no"))


def fitted() -> tuple[Pipeline, pd.DataFrame, LabelledPredictions]:
    inputs, labels = table()
    pipeline = get_candidate("logreg", "tabular-classification").build(0).fit(inputs, labels)
    return pipeline, inputs, make_predictions(pipeline, inputs, labels)


def make_predictions(pipeline: Pipeline, inputs: pd.DataFrame, labels: pd.Series) -> LabelledPredictions:
    probabilities = pipeline.predict_proba(inputs)
    classes = [str(label) for label in pipeline.classes_]
    return label_predictions(labels.to_numpy(dtype=str), pipeline.predict(inputs), probabilities, classes)


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_what_decides_is_important(metric: str) -> None:
    """Columns that decide come first; noise and constants do not count, whatever the metric's direction."""
    pipeline, inputs, labelled = fitted()
    found = permutation_importance(pipeline.predict_proba, inputs, labelled, get_metric(metric))
    assert found is not None
    values = {feature.name: feature.value for feature in found.features}
    assert [feature.name for feature in found.features][:2] == ["number", "word"]
    assert values["word"] > 0.05
    assert values["constant"] == 0
    assert abs(values["noise"]) < 0.02
    assert set(found.metrics) == {f"importance.{name}" for name in inputs.columns}


def test_it_is_what_scikit_learn_finds() -> None:
    """The mean loss is that of scikit-learn's permutation importance, up to the chance of the shuffles."""
    pipeline, inputs, labelled = fitted()
    found = permutation_importance(pipeline.predict_proba, inputs, labelled, get_metric("accuracy"))
    expected = sklearn_importance(pipeline, inputs, labelled.labels, n_repeats=30, random_state=1)
    assert found is not None
    for feature in found.features:
        mean = expected.importances_mean[inputs.columns.get_loc(feature.name)]
        assert feature.value == pytest.approx(mean, abs=0.025), feature.name


def test_only_changed_rows_are_predicted_and_all_else_is_as_if_they_were() -> None:
    """Rows whose cell is the same after the shuffle cost nothing, and the result is the same as asking all."""
    pipeline, inputs, labelled = fitted()
    counts: list[int] = []

    def predict(rows: pd.DataFrame) -> NDArray[np.float64]:
        assert rows.dtypes.equals(inputs.dtypes)
        counts.append(len(rows))
        return np.asarray(pipeline.predict_proba(rows))

    found = permutation_importance(predict, inputs, labelled, get_metric("accuracy"), seed=3)
    assert len(counts) == 4  # the constant is never shuffled
    assert counts[2] < 0.6 * 3 * len(inputs)  # a word of two changes in half of the rows
    random = np.random.default_rng(3)
    random.choice(len(inputs), len(inputs), replace=False)
    for name in inputs.columns:
        losses = []
        for _ in range(3):
            shuffled = inputs.copy()
            shuffled[name] = inputs[name].to_numpy()[random.permutation(len(inputs))]
            losses.append(
                np.mean(labelled.predicted == labelled.labels) - np.mean(pipeline.predict(shuffled) == labelled.labels)
            )
        assert found is not None
        (feature,) = [one for one in found.features if one.name == name]
        assert (feature.value, feature.deviation) == pytest.approx((np.mean(losses), np.std(losses)))


def test_work_is_bounded_and_repeats() -> None:
    """Wide tables are computed on fewer rows; the same seed finds the same."""
    random = np.random.default_rng(0)
    inputs = pd.DataFrame(random.normal(size=(3_000, 50))).rename(columns=str)
    labels = pd.Series(np.where(inputs["0"] > 0, "yes", "no"))
    pipeline = Pipeline([("classifier", LogisticRegression())]).fit(inputs, labels)
    labelled = make_predictions(pipeline, inputs, labels)
    total = 0

    def predict(rows: pd.DataFrame) -> NDArray[np.float64]:
        nonlocal total
        total += len(rows)
        return np.asarray(pipeline.predict_proba(rows))

    found = permutation_importance(predict, inputs, labelled, get_metric("accuracy"))
    assert total <= 60_000
    assert found is not None
    assert (found.rows, found.features[0].name) == (400, "0")
    assert found == permutation_importance(predict, inputs, labelled, get_metric("accuracy"))


def test_a_metric_that_is_not_defined_gives_no_importance() -> None:
    """On rows of one label there is no area under the curve that could get worse."""
    pipeline, inputs, labelled = fitted()
    one = labelled.labels == "yes"
    rows = inputs[one].reset_index(drop=True)
    assert permutation_importance(pipeline.predict_proba, rows, labelled.take(one), get_metric("roc_auc")) is None


TEXTS = pd.Series(
    [
        f"{opening} film number {number} was {word} {'and so it goes on' if number % 3 else 'at last'}"
        for number in range(60)
        for opening, word in (("this", "wonderful"), ("that", "dreadful"))
    ]
)
LABELS = pd.Series(["good", "bad"] * 60)


@pytest.mark.parametrize("name", [name for name, one in CANDIDATES.items() if one.task == "text-classification"])
def test_every_text_recipe_tells_its_terms(name: str) -> None:
    """Of each built-in recipe the top terms are known, and speak for the label of the texts that they stand in."""
    pipeline = get_candidate(name, "text-classification").build(0).fit(TEXTS, LABELS)
    found = term_importance(pipeline, TEXTS)
    assert found is not None, name
    top = {label: [one.name for one in found.features if one.label == label][:8] for label in ("bad", "good")}
    assert any("wonderful" in term for term in top["good"])
    assert any("dreadful" in term for term in top["bad"])
    assert not any("dreadful" in term for term in top["good"])
    assert all(one.value > 0 for one in found.features)
    assert found.metrics == {}
    assert found.unit.endswith("in the linear part") == (name == "nb-cnn")


def text_model(classifier: Any, vectoriser: Any = None) -> Pipeline:
    return Pipeline([("terms", vectoriser or TfidfVectorizer()), ("classifier", classifier)]).fit(TEXTS, LABELS)


def test_terms_are_those_of_the_plain_vectoriser() -> None:
    """Our vectoriser names the same terms as scikit-learn's in its place."""
    ours = get_candidate("tfidf-logreg", "text-classification").build(0).fit(TEXTS, LABELS)
    plain = Pipeline([("terms", ours[0].to_sklearn()), ("classifier", ours[-1])])
    assert term_importance(ours, TEXTS) == term_importance(plain, TEXTS)


def test_terms_of_other_linear_models() -> None:
    """Plain scikit-learn parts, other kinds of naive Bayes and calibrated machines name their terms too."""
    for model in (
        text_model(ComplementNB(), CountVectorizer()),
        text_model(CalibratedClassifierCV(LinearSVC(), ensemble=False)),
        text_model(CalibratedClassifierCV(LinearSVC(), ensemble=True, cv=2)),
    ):
        found = term_importance(model, TEXTS)
        assert found is not None
        first = {one.label: one.name for one in reversed(found.features)}
        assert first["good"] in ("wonderful", "this")
        assert first["bad"] in ("dreadful", "that")


def test_a_term_counts_by_weight_and_spread() -> None:
    """The importance is the weight times the standard deviation of the column."""
    model = text_model(LogisticRegression())
    matrix = model[0].transform(TEXTS).toarray()
    column = list(model[0].get_feature_names_out()).index("wonderful")
    found = term_importance(model, TEXTS)
    assert found is not None
    (term,) = [one for one in found.features if one.name == "wonderful"]
    assert term.label == "good"
    assert term.value == pytest.approx(model[1].coef_[0][column] * matrix[:, column].std())


def test_terms_of_many_labels() -> None:
    """With three labels each label has its terms."""
    texts = pd.Series([f"{word} {number} rest" for number in range(20) for word in ("red", "green", "blue")])
    labels = pd.Series(["r", "g", "b"] * 20)
    model = Pipeline([("terms", TfidfVectorizer()), ("classifier", LogisticRegression())]).fit(texts, labels)
    found = term_importance(model, texts)
    assert found is not None
    first = {one.label: one.name for one in reversed(found.features)}
    assert first == {"r": "red", "g": "green", "b": "blue"}


def test_a_model_that_is_not_linear_tells_no_terms() -> None:
    """A forest over terms has no weights, and a lone step no terms: there is no importance rather than a wrong one."""
    assert term_importance(text_model(RandomForestClassifier(5)), TEXTS) is None
    assert term_importance(Pipeline([("classifier", LogisticRegression())]), TEXTS) is None


def importance(**values: float) -> Importance:
    features = tuple(FeatureWeight(name, value) for name, value in values.items())
    return Importance("permutation", "loss of accuracy", 100, features)


def test_equal_importances_have_no_change() -> None:
    """What is the same has the same order, and nothing rose or fell, whatever the unit."""
    one = importance(age=0.3, sex=0.2, race=0.1)
    change = compare_importance(one, importance(age=0.6, sex=0.4, race=0.2))
    assert change is not None
    assert change.rank_correlation == pytest.approx(1.0)
    assert (change.rose, change.fell) == ((), ())


@pytest.mark.requirement("R-MON-16")
def test_what_rose_and_what_fell() -> None:
    """The largest changes of share come first, a feature that only one side has included; loss below 0 counts as 0."""
    change = compare_importance(importance(a=0.5, b=0.4, c=0.1, d=-0.2), importance(a=0.1, b=0.5, e=0.4))
    assert change is not None
    assert [one.name for one in (*change.rose, *change.fell)] == ["e", "b", "a", "c"]
    assert [one.difference for one in (*change.rose, *change.fell)] == pytest.approx([0.4, 0.1, -0.4, -0.1])
    assert change.rank_correlation is not None
    assert -1 <= change.rank_correlation < 0.5


def test_what_cannot_be_compared() -> None:
    """Terms and columns are not compared; two features have no order worth a figure."""
    terms = Importance("terms", "", 10, (FeatureWeight("good", 1.0, label="yes"),))
    assert compare_importance(importance(a=1.0), terms) is None
    few = compare_importance(importance(a=1.0, b=2.0), importance(a=2.0, b=1.0))
    assert few is not None
    assert few.rank_correlation is None


def test_importance_is_written_and_read() -> None:
    """What is written into a run can be read by the next training."""
    for one in (importance(a=0.5), Importance("terms", "x", 10, (FeatureWeight("good", 1.0, None, "yes"),))):
        assert from_jsonable(Importance, to_json_object(one)) == one


@pytest.mark.parametrize(
    "one",
    [
        importance(age=0.3, **{"a rather long name of a column, with $": -0.1}),
        Importance(
            "terms", "weight", 9, tuple(FeatureWeight(f"词 {i}", i, None, label) for label in "abc" for i in range(30))
        ),
    ],
)
def test_importance_can_be_drawn(one: Importance) -> None:
    """Bars of at most 20 features, a panel a label."""
    picture = plot_importance(one)
    panels, bars = (3, 20) if one.kind == "terms" else (1, 2)
    assert count_frames(picture) == panels
    assert count_bars(picture, BLUE) == panels * bars
    assert {"a rather long name of a column,…", "age"} <= set(read_words(picture)) or one.kind == "terms"


def retrained(*losses: tuple[float, float]) -> list[Importance]:
    return [importance(steady=steady, unsteady=unsteady) for steady, unsteady in losses]


def test_a_change_is_clear_where_retrainings_differ_less() -> None:
    """A difference counts if it is beyond that of the column that retrainings change most; else it is chance."""
    before, after = importance(steady=0.4, unsteady=0.1), importance(steady=0.1, unsteady=0.1)
    quiet = retrained((0.10, 0.1), (0.11, 0.09), (0.09, 0.11), (0.10, 0.1))
    loud = retrained((0.10, 0.1), (0.11, 0.3), (0.09, 0.01), (0.10, 0.5))
    clear = [compare_importance(before, after, others) for others in (quiet, loud)]
    assert [[one.name for one in change.clear] for change in clear if change] == [["steady"], []]
    assert [change.retrainings for change in clear if change] == [4, 4]


@pytest.mark.parametrize("others", [[], retrained((0.1, 0.1), (0.1, 0.1))])
def test_without_retrainings_nothing_is_known_of_chance(others: list[Importance]) -> None:
    """With too few of them, a change is neither clear nor chance."""
    change = compare_importance(importance(steady=0.4, unsteady=0.1), importance(steady=0.1, unsteady=0.1), others)
    assert change is not None
    assert {one.is_clear for one in (*change.rose, *change.fell)} == {None}
    assert (change.clear, change.retrainings) == ((), 0)


def test_losses_of_different_metrics_are_not_compared() -> None:
    """Accuracy and log loss have different units: what is chance is not known then."""
    before = replace(importance(steady=0.4, unsteady=0.1), unit="loss of log loss")
    change = compare_importance(before, importance(steady=0.1, unsteady=0.1), retrained(*[(0.1, 0.1)] * 4))
    assert change is not None
    assert change.retrainings == 0
